import dataclasses
import json

import pytest

from benchmarks.judgement import JUDGEMENT, Job, Judged, judged_before, run_job, summary
from epnas_tf.config import RunConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import from_values
from tests.bin.runs import benchmark

SETTINGS = {
    "dataset": "digits",
    "train_images": 200,
    "validation_fraction": 0.25,
    "layers": 1,
    "operations": ("conv_3x3", "max_pool_3x3"),
    "channels": 2,
    "iterations": 1,
    "epochs": 1,
    "batch_size": 50,
}


def test_a_search_is_judged_once_and_not_taken_for_another(tmp_path):
    job = Job("default", 0, from_values(RunConfig, SETTINGS), str(tmp_path / "run"))
    assert judged_before(job, 1, 1) is None
    judged = run_job(job, 1, 1)
    assert judged.children == 2
    assert 0 <= judged.accuracy <= 1

    file = tmp_path / "run" / JUDGEMENT
    document = json.loads(file.read_text())
    document["found"]["accuracy"] = 2.0  # nothing measures that
    file.write_text(json.dumps(document))
    assert run_job(job, 1, 1).accuracy == 2

    other = dataclasses.replace(job, config=from_values(RunConfig, {**SETTINGS, "channels": 4}))
    with pytest.raises(ConfigError, match=r"run, where other values have channels\. Give another --directory"):
        run_job(other, 1, 1)
    with pytest.raises(ConfigError, match="other values have trainings"):
        judged_before(job, 1, 2)


def judged(*accuracies):
    return [Judged("an arm", seed, accuracy, 10, 1.0, "text") for seed, accuracy in enumerate(accuracies)]


def test_what_arms_found_is_compared_seed_by_seed():
    found = summary(judged(0.6, 0.8, 0.7), judged(0.5, 0.8, 0.8))
    assert (found.mean, found.deviation, found.better) == pytest.approx((0.7, 0.1, 1))
    # Student's t at 2 degrees of freedom: 4.303 deviations of the mean, 0.1 / √3.
    assert found.ends == pytest.approx((0.7 - 0.2484, 0.7 + 0.2484), abs=1e-4)
    assert found.difference == pytest.approx(0)
    assert found.difference_ends == pytest.approx((-0.2484, 0.2484), abs=1e-4)


def test_arms_that_would_be_judged_by_other_trainings_are_not_compared():
    result = benchmark("found", "--arms=default|greedy")
    assert result.returncode == 1
    assert "found: error: `--arms` must be of one kind" in result.stderr
    assert "Received: default; paper, greedy" in result.stderr


def test_an_arm_is_compared_with_one_that_is_there():
    result = benchmark("found", "--against=paper, greedy")
    assert result.returncode == 1
    assert "found: error: `--against` must be one of default; random. Received: 'paper, greedy'" in result.stderr
