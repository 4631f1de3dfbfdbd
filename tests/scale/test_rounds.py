"""Searches in rounds of several children, in this process."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from epnas_tf.children.child import ChildTrainer, child_seed
from epnas_tf.children.setup import child_trainer, network_shape
from epnas_tf.config import RunConfig, WorkersConfig
from epnas_tf.data import load
from epnas_tf.errors import ConfigError
from epnas_tf.options import from_values
from epnas_tf.run.runner import run_search
from epnas_tf.scale.merging import merged
from epnas_tf.space import make_space
from epnas_tf.storage.state_files import StateFiles
from tests.run.test_runner import SETTINGS, Recorder, run_in_parts, trials

pytestmark = pytest.mark.usefixtures("without_grappler")

ROUNDS = from_values(RunConfig, {**SETTINGS, "k": 4, "iterations": 1, "round": 3})  # levels of 2 and 4 children


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path, recorder = tmp_path_factory.mktemp("rounds") / "run", Recorder()
    return path, run_search(ROUNDS, path, recorder), recorder


def state(path):
    return StateFiles(path / "state", "after-").peek()


def test_the_shared_weights_are_those_of_merged_rounds(finished):
    """Round by round, by hand: all children of a round begin with what the rounds before it left."""
    path, _, recorder = finished
    data = load(ROUNDS.data, ROUNDS.seed)
    trainer = child_trainer(ROUNDS, network_shape(ROUNDS, make_space(ROUNDS.space), data), data)
    children = [candidate for candidate, _ in recorder.ended]
    for members in ([0, 1], [2, 3, 4], [5]):  # no round has children of two levels
        outcomes = [trainer.outcome(children[n].architecture, child_seed(ROUNDS.seed, n)) for n in members]
        assert [outcome.result.score for outcome in outcomes] == [trials(path)[n]["score"] for n in members]
        trainer.commit(*merged(outcomes))
    found, expected = state(path), trainer.store.get_state()
    assert found.values["store"] == json.loads(json.dumps(expected[0]))
    assert found.arrays["store.weights"].tobytes() == expected[1]["weights"].tobytes()
    assert found.arrays["optimizer.momentum"].tobytes() == trainer.optimizer.get_state()[1]["momentum"].tobytes()


def test_a_search_that_is_stopped_within_a_round_ends_like_one_that_was_not(finished, tmp_path):
    path, expected, _ = finished
    result, _ = run_in_parts(
        ROUNDS, tmp_path / "run", (2, 0), (5, 0), (None, 2)
    )  # nothing of a round is kept before its end
    assert trials(tmp_path / "run") == trials(path)
    assert (result.architecture, result.score) == (expected.architecture, expected.score)
    assert state(tmp_path / "run").arrays["store.weights"].tobytes() == state(path).arrays["store.weights"].tobytes()


def test_a_round_of_children_without_shared_weights_changes_nothing(tmp_path):
    """They do not depend on each other, so rounds of any size give the same trials."""
    alone = {**SETTINGS, "k": 2, "iterations": 1, "share_weights": False}
    for size in (1, 4):
        run_search(from_values(RunConfig, {**alone, "round": size}), tmp_path / str(size))
    assert trials(tmp_path / "1") == trials(tmp_path / "4")


def test_children_of_a_round_that_diverge_leave_nothing(monkeypatch, tmp_path):
    real, numbers = ChildTrainer.outcome, itertools.count(1)

    def outcome(*arguments):
        found = real(*arguments)
        if next(numbers) != 4:
            return found
        nan = {key: [array * np.nan for array in arrays] for key, arrays in found.values.variables.items()}
        left = found.values._replace(variables=nan)
        return dataclasses.replace(found, values=left, failure="The loss became nan after 3 of 4 steps.")

    monkeypatch.setattr(ChildTrainer, "outcome", outcome)
    recorder = Recorder()
    result = run_search(ROUNDS, tmp_path / "run", recorder)
    assert result.num_failed == 1
    assert [line["status"] for line in trials(tmp_path / "run")].count("failed") == 1
    assert "Child 4 failed: The loss became nan after 3 of 4 steps." in recorder.warnings[0]
    assert np.isfinite(state(tmp_path / "run").arrays["store.weights"]).all()


def test_workers_are_refused_where_they_would_wait_for_each_other(tmp_path):
    for workers, settings, message in (
        (WorkersConfig(workers=2), {}, "a round must have at least 2.*Received: --workers=2 --round=1"),
        (WorkersConfig(workers=2), {"round": 4, "mirrored": True}, "give one of the two. Received: --workers=2 --m"),
        (2, {"round": 4}, "`workers` must be a WorkersConfig. Received: 2"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_search(from_values(RunConfig, {**SETTINGS, **settings}), tmp_path / "run", workers=workers)
    assert not (tmp_path / "run").exists()
