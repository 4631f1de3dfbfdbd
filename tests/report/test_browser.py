"""The report as headless Chromium shows it, on a phone, on a desk, in the dark and on paper."""

import base64
import dataclasses
import json
import shutil

import pytest
from selenium import webdriver

from epnas_tf.report import write_report
from tests.report import runs

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed (Debian: chromium chromium-driver)"
)
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
RUNS = ("macro", "micro", "hostile", "running", "training_only")
PHONE, DESK = 390, 1200


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(params=RUNS)
def report(request):
    return (request.getfixturevalue(request.param) / "report.html").as_uri()


def show(browser, address, width, scheme="light"):
    """Opens a page in a window of some width, without what was logged before."""
    phone = width < 500
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(address)


def requests(browser):
    """Returns the addresses that were asked for since `show`."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_page(browser, report, width):
    show(browser, report, width)
    assert browser.get_log("browser") == []
    outside = {address for address in requests(browser) if not address.startswith("data:")}
    assert outside == {report}
    layout = browser.execute_script(
        """
        const box = element => element.getBoundingClientRect();
        return {
          width: document.documentElement.scrollWidth,
          letters: parseFloat(getComputedStyle(document.body).fontSize),
          broken: [...document.images].filter(image => !(image.complete && image.naturalWidth > 0)).length,
          images: document.images.length,
          svgs: [...document.querySelectorAll("main svg")].map(svg => [box(svg).left, box(svg).right, box(svg).height]),
          small: [...document.querySelectorAll("body *:not(svg *)")]
            .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
            .filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).map(e => e.outerHTML),
        };
        """
    )
    assert layout["width"] <= width
    assert layout["letters"] >= 14
    assert layout["broken"] == 0
    assert len(layout["svgs"]) >= 3
    for left, right, height in layout["svgs"]:
        assert 0 <= left < right <= width
        assert right - left >= 250
        assert height > 50
    assert layout["small"] == []


def test_letters_of_the_pictures_can_be_read_on_a_phone(browser, macro):
    show(browser, (macro / "report.html").as_uri(), PHONE)
    sizes = browser.execute_script(
        """
        return [...document.querySelectorAll("svg text")].map(text => {
          const matrix = text.getScreenCTM();
          return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(matrix.a, matrix.b);
        });
        """
    )
    assert len(sizes) > 50
    assert min(sizes) > 8


def test_wide_tables_scroll_in_their_own_box(browser, micro):
    show(browser, (micro / "report.html").as_uri(), PHONE)
    boxes = browser.execute_script(
        """
        return [...document.querySelectorAll("table")].map(table => {
          const box = table.closest(".scroll");
          return [box.clientWidth, getComputedStyle(box).overflowX, box.tabIndex];
        });
        """
    )
    assert boxes
    assert all(width <= PHONE and overflow == "auto" and tab == 0 for width, overflow, tab in boxes)


def test_candidates_and_classes_need_no_scrolling_on_a_phone(browser, micro, macro):
    for run, label in ((micro, "The candidates"), (macro, "Figures of every class")):
        show(browser, (run / "report.html").as_uri(), PHONE)
        room, needed = browser.execute_script(
            "const box = document.querySelector(`[aria-label='${arguments[0]}']`);"
            "return [box.clientWidth, box.scrollWidth];",
            label,
        )
        assert needed <= room


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A search of five tempered iterations over twelve levels, more images than a percentage has digits for."""
    path = tmp_path_factory.mktemp("long")
    config = runs.run_config(levels=12, k=3, iterations=5)
    runs.make_search(path, config, data=dataclasses.replace(runs.DESCRIPTION, num_validation=900))
    runs.make_training(path / "final", runs.best_architectures(path)[0])
    write_report(path)
    return path


def test_no_table_is_cut_and_no_text_covers_another_on_a_phone(browser, macro, micro, long):
    for run in (macro, micro, long):
        show(browser, (run / "report.html").as_uri(), PHONE)
        cut, covered = browser.execute_script(
            """
            const cut = [...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth);
            const covered = [];
            for (const svg of document.querySelectorAll("main svg")) {
              const texts = [...svg.querySelectorAll("text")].filter(text => text.textContent.trim());
              texts.forEach((one, i) => texts.slice(i + 1).forEach(other => {
                const a = one.getBoundingClientRect(), b = other.getBoundingClientRect();
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (wide > 1.5 && high > 2.5) covered.push([one.textContent, other.textContent]);
              }));
            }
            return [cut.map(box => box.getAttribute("aria-label")), covered];
            """
        )
        assert cut == []
        assert covered == []


def test_nothing_in_a_name_is_run(browser, hostile):
    show(browser, (hostile / "report.html").as_uri(), DESK)
    assert browser.execute_script("return document.scripts.length") == 0
    assert "<script>alert(1)</script>" in browser.execute_script("return document.body.innerText")


def test_letters_stand_out_in_both_schemes(browser, macro):
    seen = {}
    for scheme in ("light", "dark"):
        show(browser, (macro / "report.html").as_uri(), DESK, scheme)
        seen[scheme] = browser.execute_script(
            """
            const light = color =>
              color.match(/[0-9.]+/g).slice(0, 3).reduce((sum, value) => sum + Number(value), 0) / 765;
            const card = document.querySelector("figure.card");
            return [getComputedStyle(card).backgroundColor, getComputedStyle(card).color,
                    getComputedStyle(card.querySelector("svg > g > g > path")).fill].map(light);
            """
        )
    assert seen["light"][0] - seen["light"][1] > 0.7
    assert seen["dark"][1] - seen["dark"][0] > 0.7
    for ground, _, picture in seen.values():
        assert picture == pytest.approx(ground, abs=0.01)  # the pictures stand on the ground of their card


def test_pictures_stand_alone(browser, macro):
    for file in sorted((macro / "report").glob("*.svg")):
        show(browser, file.as_uri(), DESK)
        assert browser.get_log("browser") == []
        assert browser.execute_script("return document.rootElement.getBoundingClientRect().width") == 400


def test_print(browser, macro):
    show(browser, (macro / "report.html").as_uri(), DESK, "dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return getComputedStyle(document.querySelector('nav')).display"
    assert browser.execute_script(shown) == "none"
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
