"""The documents' command blocks run as they stand, at sizes of seconds; what they name exists."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import epnas_tf
from epnas_tf.config import CompareConfig, RankConfig, RunConfig, TrainingConfig
from epnas_tf.options import fields_of
from tests.bin import runs
from tools import doc_pages

ROOT = Path(__file__).parents[1]
GENERATED = {"flags.md", "api.md"}
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md") if page.name not in GENERATED),
]
FIRST = "docs/served_model.md"  # its first block makes runs/demo, which others use
BLOCK = re.compile(r"^(<!-- not run by the tests: .+? -->\n)?```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OTHERS = re.compile(r"^```sh$.+?^```$|\bray start .+?$", re.MULTILINE | re.DOTALL)  # commands of other programs
ELSEWHERE = "EPNASTuner("  # the example that tests/test_readme.py runs beside a clone
# What makes each command one of seconds. The last of two equal flags wins.
SMALL = {
    "epnas-search": "--layers=2 --iterations=1 --channels=4 --batch_size=32 --epochs=1 --train_images=100 "
    "--operations=conv_3x3,sep_conv_3x3 --surrogate_steps=5 --noforecast",
    "epnas-train": "--channels=4 --epochs=1 --train_images=100",
    "epnas-evaluate": "",
    "epnas-export": "",
    "epnas-predict": "",
    "epnas-report": "",
    "epnas-rank": "",
    "epnas-compare": "--channels=16 --epochs=1 --train_images=100 --networks=found,plain --seeds=2",
    "epnas-show": "",
}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def commands(block):
    """The commands of a block, each as its words; comments are left out."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as a person has it: a plugin, and photos of two classes."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "my_nets.py").symlink_to(ROOT / "examples" / "plugin" / "my_nets.py")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 256, [16, 16, 3], np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    for program, *arguments in commands(BLOCK.search(text_of(FIRST))[3]):
        run(program, arguments, folder)
    return folder


def run(program, arguments, folder, made=set()):  # noqa: B006  (remembers from call to call)
    """Runs a command, unless just this one was run in this folder before."""
    if (folder, program, *arguments) in made:
        return
    made.add((folder, program, *arguments))
    small = [flag for flag in SMALL[program].split() if flag.split("=")[0] + "=" not in " ".join(arguments)]
    demo = "runs/demo" in " ".join(arguments)  # whose architectures are ranked, and whose export is served
    if program == "epnas-search":
        small.append("--k=3" if demo else "--k=1")
    if program == "epnas-export":
        small.append("--format=saved_model" if demo else "--format=keras")
    done = runs.drive(program.removeprefix("epnas-"), *arguments, *small, cwd=folder)
    assert done.returncode == 0, (program, arguments, done.stderr[-3000:])


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run_as_they_stand(page, folder):
    for marked, kind, block in BLOCK.findall(text_of(page)):
        if marked or ELSEWHERE in block:
            continue
        if kind == "python":
            script = folder / "block.py"
            script.write_text(block, encoding="utf-8")
            done = runs.script(script, cwd=folder)
            assert done.returncode == 0, done.stderr[-3000:]
        for program, *arguments in commands(block) if kind == "bash" else ():
            run(program, arguments, folder)


def serve(run_dir):
    """Runs the example that serves an export, in a process of its own: nothing of this package is imported there."""
    return runs.call([sys.executable, ROOT / "examples" / "serve.py"], run_dir)


def test_the_demo_is_served_without_this_package(folder):
    served = serve(folder / "runs" / "demo")
    assert served.returncode == 0, served.stderr
    assert re.search(r"\d +\d+\.\d %  \(is \d\)", served.stdout)


def test_serving_what_was_not_exported_says_what_to_do(tmp_path):
    served = runs.script(ROOT / "examples" / "serve.py", tmp_path)
    assert served.returncode == 1
    assert "Run epnas-export" in served.stderr
    assert "Traceback" not in served.stderr


def test_every_block_has_a_form_that_is_run_or_a_reason():
    for page in PAGES:
        text = text_of(page)
        assert set(re.findall(r"^```(\w*)$", text, re.MULTILINE)) <= {"bash", "sh", "python", "json", "text", ""}, page
        assert len(re.findall(r"^```(?:bash|python)$", text, re.MULTILINE)) == len(BLOCK.findall(text)), page


def test_every_named_flag_of_ours_exists():
    known = {"flagfile", "help", "manual_dir", "plugins"}
    for binary in ("search", "train", "evaluate", "export", "predict", "report", "show", "rank", "compare"):
        printed = runs.light(binary, "--help").stdout
        known |= set(re.findall(r"^  --(?:\[no\])?(\w+)", printed, re.MULTILINE))
    for page in [*PAGES, "BUILD_NOTES.md"]:
        if page not in ("docs/results.md", "docs/scaling.md"):  # they name the benchmarks' flags as well
            text = OTHERS.sub("", text_of(page))
            assert set(re.findall(r"(?<![\w-])--([a-z]\w*)", text)) <= known, page


def test_every_named_file_exists():
    pattern = r"(?:flags|tests|epnas_tf|benchmarks|examples|tools)/[\w/.]*\w\.(?:py|cfg|ipynb)"
    named = {name for page in PAGES for name in re.findall(pattern, text_of(page))}
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_of_files_outside_the_site_exist():
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "BUILD_NOTES.md"):
        targets = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text_of(page))
        assert [target for target in targets if not (ROOT / target).exists()] == [], page


def test_page_of_flags_has_every_setting_and_its_default():
    page = doc_pages.flags_page()
    configs = {"search": RunConfig, "train": TrainingConfig, "compare": CompareConfig, "rank": RankConfig}
    for command, config_type in configs.items():
        section = page.split(f"## epnas-{command}\n")[1].split("\n## ")[0]
        rows = dict(re.findall(r"^\| `--(\w+)` \| (?:`(.*?)`)? \|", section, re.MULTILINE))
        fields = {field.name: field.default for field in fields_of(config_type)}
        assert rows.keys() == fields.keys()
        assert rows["seed"] == "0"
    assert "| `--sampling` | `thompson` |" in page
    assert "| `--shuffle` | `true` |" in page


def test_page_of_names_has_every_public_name_where_it_is_defined():
    places = re.findall(r"^::: (\S+)$", doc_pages.api_page(), re.MULTILINE)
    assert sorted(place.rpartition(".")[2] for place in places) == epnas_tf.__all__
    for place in places:
        module, _, name = place.rpartition(".")
        assert getattr(epnas_tf, name).__module__ == module


def test_site_lists_every_page():
    listed = set(re.findall(r'"(\w+\.md)"', text_of("zensical.toml")))
    assert listed == {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")} | GENERATED


@pytest.mark.skipif(shutil.which("zensical") is None, reason="`make docs` builds the site")
def test_a_broken_link_fails_the_build(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[there](missing.md)\n")
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "x"\n')
    built = subprocess.run(["zensical", "build", "--strict"], cwd=tmp_path, capture_output=True, timeout=100)
    assert built.returncode != 0
