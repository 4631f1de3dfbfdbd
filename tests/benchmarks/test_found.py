import dataclasses
import json

import pytest

from benchmarks.sides.found import JUDGEMENT, Job, judged_before, run_job
from epnas_tf.config import RunConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import from_values

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
