import json
import re
import shutil
import sys

import pytest

from tests.bin import runs

COMPARE = (sys.executable, "-m", "epnas_tf.bin.compare")
# With these channels the plain chain of the found network's size has three layers; with others up to 33.
FLAGS = ("--channels=16", "--epochs=1", "--train_images=100", "--networks=found,plain", "--seeds=2")


@pytest.fixture(scope="module")
def run_dir(unbroken, tmp_path_factory):
    return shutil.copytree(unbroken.path, tmp_path_factory.mktemp("compare") / "run")


@pytest.fixture(scope="module")
def compared(run_dir):
    """What the comparison printed when it was made."""
    return runs.call(COMPARE, run_dir, *FLAGS)


def test_compares_and_the_report_shows_it(run_dir, compared):
    assert compared.returncode == 0, compared.stderr
    assert compared.stderr == ""
    assert len(re.findall(r"^\d/4  seed [12]  .*: [\d.]+ %, \d+ s$", compared.stdout, re.MULTILINE)) == 4
    conclusion = json.loads((run_dir / "compare" / "compare.json").read_text())["conclusion"]
    assert f"\n{conclusion}\n" in compared.stdout
    assert re.search(r"^plain chain of \d+ convolutions .* channels", compared.stdout, re.MULTILINE)
    again = runs.drive("compare", run_dir, *FLAGS)
    assert "This comparison is finished" in again.stdout
    assert runs.drive("report", run_dir).returncode == 0
    assert "Is it worth it?" in (run_dir / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give one run directory, see --help. Received: none"),
        (("nowhere",), "nowhere, which does not exist"),
        (("RUN", "--seeds=1"), "`seeds` must be at least 2. Received: seeds=1"),
        (("RUN", "--networks=found,vgg"), "Received: networks=found,vgg"),
        (("RUN", "--candidates=2"), "`candidates` must be 1"),
        (("RUN", *FLAGS, "--epochs=2"), "--epochs: 1 there, 2 now"),
        (("RUN", "--compare_dir=RUN/rank"), "`compare_dir` must be another folder"),
    ],
)
@pytest.mark.usefixtures("compared")
def test_bad_input(run_dir, arguments, message):
    result = runs.light("compare", *(argument.replace("RUN", str(run_dir)) for argument in arguments))
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
