import dataclasses
import json
import shutil

import pytest

from epnas_tf.errors import RunDirectoryError
from epnas_tf.metrics import Mean
from epnas_tf.report import write_report
from epnas_tf.report.figures.compare import compare_picture, compared_rows
from epnas_tf.report.figures.drawing import drawing
from epnas_tf.storage.compare_directory import ComparedNetwork, Comparison, read_comparison
from epnas_tf.storage.state_files import write_json

FOUND = ComparedNetwork(
    "found", "found network", "", 268_000, 31_000_000, (0.9, 0.92), Mean(0.91, 0.783, 1.037), None, 1.25
)
RESNET = ComparedNetwork(
    "resnet",
    "ResNet-20",
    "16, 32, 64 channels",
    272_474,
    40_813_184,
    (0.95, 0.95),
    Mean(0.95, 0.9, 0.99),
    Mean(-0.04, -0.05, -0.03),
    None,
)
RESNET_COSTS = ("272,474", "40,813,184", "-")
SENTENCE = "A ResNet-20 (0.27 million parameters) is better here than the found network by 4.0 points (3.0 … 5.0)."
COMPARISON = Comparison((FOUND, RESNET), SENTENCE, num_images=180, epochs=30, seeds=2, device="a CPU")


def write(path, comparison=COMPARISON):
    path.mkdir(exist_ok=True)
    write_json(path / "compare.json", comparison)
    return path


def test_reads_what_was_written(tmp_path):
    assert read_comparison(write(tmp_path / "compare")) == COMPARISON
    assert read_comparison(tmp_path) is None


def test_rows():
    assert compared_rows(COMPARISON) == [
        ("Found network", "", "91.0 % (78.3 … 100.0)", "", "268,000", "31,000,000", "1.25 ms"),
        (
            "ResNet-20",
            "16, 32, 64 channels",
            "95.0 % (90.0 … 99.0)",
            "−4.0 (−5.0 … −3.0)",
            "272,474",
            "40,813,184",
            "-",
        ),
    ]


def test_picture():
    with drawing():
        picture = compare_picture(COMPARISON)
        diverged = dataclasses.replace(RESNET, accuracies=(None, None), accuracy=None)
        assert compare_picture(dataclasses.replace(COMPARISON, networks=(FOUND, diverged))) is None
    assert picture.alt == "Test accuracy of 2 networks, the found one first."
    assert "ResNet-20" in picture.svg
    assert "30 epochs" in picture.caption


def test_report_shows_it(macro, tmp_path):
    run = shutil.copytree(macro, tmp_path / "run")
    write(run / "compare")
    page = write_report(run).read_text()
    for text in ("Is it worth it?", SENTENCE, "95.0 % (90.0 … 99.0)", "16, 32, 64 channels", "Times on a CPU"):
        assert text in page
    assert (run / "report" / "compare.svg").exists()
    shutil.rmtree(run / "compare")
    assert "Is it worth it?" not in write_report(run).read_text()
    assert not (run / "report" / "compare.svg").exists()


@pytest.mark.parametrize("change", [{"networks": [{}]}, {"networks": None}, {"num_images": "many"}])
def test_a_broken_result_is_refused(tmp_path, change):
    path = write(tmp_path / "compare")
    values = json.loads((path / "compare.json").read_text()) | change
    (path / "compare.json").write_text(json.dumps(values))
    with pytest.raises(RunDirectoryError, match=r"compare.json is not one that a comparison writes"):
        read_comparison(path)
