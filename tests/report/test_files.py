"""What the report reads is what the search and the training write."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from epnas_tf.children.outcome import ChildResult
from epnas_tf.errors import RunDirectoryError
from epnas_tf.report.search_files import read_search
from epnas_tf.report.training_files import read_training
from epnas_tf.run.recording import trial_record
from epnas_tf.search.candidate import Candidate
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import make_space
from epnas_tf.storage.training_directory import Epoch
from epnas_tf.training.trainer import examples
from tests.report import runs


def test_search(macro):
    search = read_search(macro)
    assert search.depth == 3
    assert search.num_planned == len(search.trials) == 12
    assert [t.child for t in search.trials if t.score is None] == [3]
    assert search.seconds == 1200
    assert search.best == runs.best_architectures(macro)[0]
    assert search.description == runs.DESCRIPTION
    assert search.updates[("stem",)] == 11 * runs.STEPS


def test_time_without_a_state_is_that_of_the_children(macro, tmp_path):
    runs.make_search(tmp_path, num_children=4)
    for file in (tmp_path / "state").glob("*.npz"):
        file.unlink()
    search = read_search(tmp_path)
    assert search.seconds == 4 * 3.5
    assert search.updates is None


@pytest.mark.parametrize("space", ["macro", "micro"])
@pytest.mark.parametrize("k", [1, 5, 1000])
def test_number_of_children_is_that_of_the_search(tmp_path, space, k):
    config = runs.run_config(space, levels=2, k=k, iterations=1)
    runs.make_search(tmp_path, config, num_children=0)
    search = ProgressiveSearch(make_space(config.space), config.search, config.surrogate)
    assert read_search(tmp_path).num_planned == search.num_children


def test_best_are_the_newest_of_each_architecture(macro):
    search = read_search(macro)
    first, second = search.best_trials()[:2]
    again = dataclasses.replace(first, child=13, score=0.0)
    best = dataclasses.replace(search, trials=(*search.trials, again)).best_trials()
    assert best[0] == second
    assert best[-1] == again


def test_lines_of_the_search(macro):
    """The directories of these tests have the keys that a search writes."""
    records = [json.loads(line) for line in (macro / "trials.jsonl").read_text().splitlines()]
    config = runs.run_config()
    candidate = Candidate(0, make_space(config.space).architecture([0]), 0, 1, 1.0, None)
    result = ChildResult(0.5, 1.0, 1.0, 3, 100, 1.0, 1.0, 1.0)
    assert trial_record(candidate, result).keys() == records[0].keys()
    assert trial_record(candidate, None).keys() == records[2].keys()


def test_files_of_the_training(macro):
    """The directories of these tests have the keys that a training writes."""
    record = json.loads((macro / "final" / "history.jsonl").read_text().splitlines()[0])
    assert record.keys() == {field.name for field in dataclasses.fields(Epoch)}
    with np.load(macro / "final" / "test.npz") as archive:
        from epnas_tf.data import Images

        images = Images(np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1], np.int32))
        kept = examples(images, np.full((4, 2), 0.5, np.float32), seed=0)
        assert kept.keys() | {"labels", "probabilities"} == set(archive.files)
        assert {name: (array.dtype, array.ndim) for name, array in kept.items()} == {
            name: (archive[name].dtype, archive[name].ndim) for name in kept
        }


def test_training(macro, micro):
    ended, running = read_training(macro / "final"), read_training(micro / "final")
    assert np.sum(ended.figures.metrics.confusion) == ended.figures.metrics.num_images == 180
    assert ended.seconds == 36
    assert running.figures is None
    assert running.predictions is None
    assert running.seconds == 4 * 3 + 2 * 60
    assert running.architecture == runs.best_architectures(micro)[1]


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.array([0, 11], np.int32), "probabilities": np.zeros((2, 10), np.float32)},
        {"probabilities": np.zeros((180, 9), np.float32)},
        {"right_images": np.zeros((3, 8, 8, 1), np.uint8)},
        {"right_images": np.zeros((24, 8, 8, 1), np.float32)},
        {"wrong_indices": np.array([500])},
        {"right_indices": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_do_not_fit(macro, tmp_path, change):
    with np.load(macro / "final" / "test.npz") as archive:
        arrays = {**archive, **change}
    for file in ("config.json", "metrics.json"):
        (tmp_path / file).write_bytes((macro / "final" / file).read_bytes())
    np.savez(tmp_path / "test.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(RunDirectoryError, match=r"test.npz is not one that a training wrote. Received: "):
        read_training(tmp_path)


def test_no_tensorflow():
    code = "import json, sys; import epnas_tf.report, epnas_tf.bin.report; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    modules = set(json.loads(result.stdout))
    assert "matplotlib" in modules  # the test sees imports at all
    assert not modules & {"tensorflow", "keras", "keras_tuner", "sklearn", "matplotlib.pyplot"}
