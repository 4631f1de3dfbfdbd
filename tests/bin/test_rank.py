import json
import re
import shutil

import pytest

from tests.bin import runs


def test_compares_and_the_report_shows_it(ranked, tmp_path):
    compared, run_dir = ranked, shutil.copytree(ranked.path, tmp_path / "run")
    assert compared.stderr == ""
    assert len(re.findall(r"^\d/3  child \d+: .* on its own", compared.stdout, re.MULTILINE)) == 3
    agreement = json.loads((run_dir / "rank" / "rank.json").read_text())["agreement"]
    value = agreement["search"]["kendall"]["value"]
    shown = "-" if value is None else f"{value:.2f}"
    assert re.search(rf"score in the search +{re.escape(shown)}", compared.stdout)
    assert re.search(r"^parameters alone, nothing trained +(-\d|\d|-)", compared.stdout, re.MULTILINE)
    assert re.search(r"^multiply-adds alone, nothing trained +(-\d|\d|-)", compared.stdout, re.MULTILINE)
    assert "cannot be told from 3 networks." in " ".join(compared.stdout.split())
    again = runs.drive("rank", run_dir, *runs.RANK)
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
def test_bad_input(ranked, arguments, message):
    result = runs.drive("rank", *(ranked.path if argument == "RUN" else argument for argument in arguments))
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
