import json
import re
import sys

import pytest

from tests.bin import runs

RANK = (sys.executable, "-m", "epnas_tf.bin.rank")
FLAGS = ("--architectures=3", "--own_epochs=1")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("rank") / "run"
    result = runs.drive("search", *runs.TINY, f"--run_dir={path}", "--layers=2", "--k=3", "--iterations=1")
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="module")
def compared(run_dir):
    """What the comparison printed when it was made."""
    return runs.call(RANK, run_dir, *FLAGS)


def test_compares_and_the_report_shows_it(run_dir, compared):
    assert compared.returncode == 0, compared.stderr
    assert compared.stderr == ""
    assert len(re.findall(r"^\d/3  child \d+: .* on its own", compared.stdout, re.MULTILINE)) == 3
    agreement = json.loads((run_dir / "rank" / "rank.json").read_text())["agreement"]
    value = agreement["search"]["kendall"]["value"]
    shown = "-" if value is None else f"{value:.2f}"
    assert re.search(rf"score in the search +{re.escape(shown)}", compared.stdout)
    assert re.search(r"^parameters alone, nothing trained +(-\d|\d|-)", compared.stdout, re.MULTILINE)
    assert re.search(r"^multiply-adds alone, nothing trained +(-\d|\d|-)", compared.stdout, re.MULTILINE)
    assert "cannot be told from 3 networks." in " ".join(compared.stdout.split())
    again = runs.drive("rank", run_dir, *FLAGS)
    assert "This comparison is finished" in again.stdout
    assert runs.drive("report", run_dir).returncode == 0
    page = (run_dir / "report.html").read_text()
    assert "How far the shared weights can be trusted" in page
    assert "parameters alone, nothing trained" in page
    assert "Whether the estimate ranks better than size alone cannot be told from 3 networks." in page
    assert (run_dir / "report" / "rank.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give one run directory, see --help. Received: none"),
        (("nowhere",), "nowhere, which does not exist"),
        (("RUN", "--architectures=2"), "must be at least 3. Received: architectures=2"),
        (("RUN", "--own_epochs=2"), "own_epochs: 1 there, 2 now"),
    ],
)
@pytest.mark.usefixtures("compared")
def test_bad_input(run_dir, arguments, message):
    result = runs.drive("rank", *(run_dir if argument == "RUN" else argument for argument in arguments))
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
