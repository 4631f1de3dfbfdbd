import contextlib
import dataclasses
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from epnas_tf.children.child import ChildTrainer, make_evaluate
from epnas_tf.children.no_learning import NoLearningMonitor
from epnas_tf.children.outcome import ChildOutcome, ChildResult, SharedValues
from epnas_tf.children.setup import network_shape
from epnas_tf.config import RunConfig
from epnas_tf.data import evaluation_batches, load
from epnas_tf.errors import DataError, RunDirectoryError, SearchError
from epnas_tf.network import Network, VariableStore
from epnas_tf.options import from_values, values_of
from epnas_tf.report.search_files import read_search
from epnas_tf.run.one_search import PARTS, Listener
from epnas_tf.run.recording import trial_record
from epnas_tf.run.runner import run_search
from epnas_tf.space import load_architecture, make_space
from epnas_tf.space.definition import depth_of
from epnas_tf.storage.run_directory import RunDirectory, read_config

SETTINGS = {
    "layers": 2,
    "k": 3,
    "iterations": 2,
    "channels": 4,
    "batch_size": 64,
    "epochs": 1,
    "train_images": 300,
    "operations": ("conv_3x3", "max_pool_3x3"),
    "surrogate_steps": 20,
}
CONFIG = from_values(RunConfig, SETTINGS)
NUM_CHILDREN = 10
SCALARS = {
    "best",
    "parameters",
    "predicted",
    "rank_correlation",
    "score",
    "temperature",
    "training_loss",
    "validation_loss",
}


pytestmark = pytest.mark.usefixtures("without_grappler")


class Stopped(Exception):  # noqa: N818  (not an error: the test's own kill)
    pass


class Recorder(Listener):
    """A listener that writes everything down, and stops the search before a child if it is told to."""

    def __init__(self, stop_before=None):
        self.stop_before = stop_before
        self.num_resumed = None
        self.began, self.ended, self.warnings = [], [], []
        self.records, self.forecasts = [], []

    def started(self, search, data, num_resumed):
        self.search, self.data, self.num_resumed = search, data, num_resumed

    def resumed(self, records):
        self.records += records

    def forecast(self, forecast):
        self.forecasts.append((forecast, len(self.began)))

    def child_started(self, candidate):
        if candidate.number + 1 == self.stop_before:
            raise Stopped
        self.began.append(candidate)

    def child_ended(self, candidate, result):
        self.ended.append((candidate, result))

    def warning(self, text):
        self.warnings.append(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A whole search: its directory, its result and what its listener heard."""
    path, recorder = tmp_path_factory.mktemp("runner") / "run", Recorder()
    return path, run_search(CONFIG, path, recorder), recorder


def trials(path):
    lines = [json.loads(line) for line in (path / "trials.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if not key.endswith("seconds")} for line in lines]


def test_listener_hears_every_child_once_and_in_order(finished):
    _, result, recorder = finished
    assert recorder.num_resumed == 0
    watch = NoLearningMonitor(recorder.data.validation.labels, CONFIG.child)  # few children learn, of 270 images
    assert recorder.warnings == [text for _, child in recorder.ended if (text := watch.warning(child.score))]
    assert [candidate.number for candidate in recorder.began] == list(range(NUM_CHILDREN))
    assert [candidate for candidate, _ in recorder.ended] == recorder.began
    assert recorder.search.finished
    assert recorder.data.name == "digits"
    assert (result.num_children, result.num_failed, result.already_finished) == (NUM_CHILDREN, 0, False)
    assert result.seconds > 0


def test_trials_are_what_the_listener_heard(finished):
    path, _, recorder = finished
    expected = [json.loads(json.dumps(trial_record(*heard))) for heard in recorder.ended]
    assert [json.loads(line) for line in (path / "trials.jsonl").read_text().splitlines()] == expected
    assert [line["child"] for line in expected] == list(range(1, NUM_CHILDREN + 1))
    assert [line["level"] for line in expected] == [1, 1, 2, 2, 2] * 2
    assert [line["iteration"] for line in expected] == [1] * 5 + [2] * 5
    assert {line["status"] for line in expected} == {"completed"}
    assert [line["predicted"] is None for line in expected] == [True] * 2 + [False] * 8


def test_result_is_the_best_of_the_trials_and_of_the_file(finished):
    path, result, _ = finished
    newest = {line["text"]: line for line in trials(path) if line["level"] == 2}
    assert result.score == max(line["score"] for line in newest.values())
    assert newest[str(result.architecture)]["score"] == result.score
    assert load_architecture(path / "architecture.json") == result.architecture


def test_directory_holds_the_settings(finished):
    path, _, _ = finished
    assert read_config(path) == CONFIG
    assert json.loads((path / "config.json").read_text())["settings"] == json.loads(json.dumps(values_of(CONFIG)))


def test_tensorboard_reads_every_child(finished):
    path, _, _ = finished
    events = EventAccumulator(str(path / "logs"), size_guidance={"tensors": 0}).Reload()
    assert set(events.Tags()["tensors"]) == SCALARS
    scores = {e.step: float(tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors("score")}
    expected = {line["child"]: line["score"] for line in trials(path)}
    assert scores.keys() == expected.keys()
    # TensorBoard keeps float32.
    np.testing.assert_allclose(list(scores.values()), list(expected.values()), rtol=1e-6)


def test_last_score_is_what_the_saved_weights_give(finished):
    path, _, recorder = finished
    with RunDirectory(path, CONFIG) as directory:
        state = directory.load_state()
    data, space = load(CONFIG.data, CONFIG.seed), make_space(CONFIG.space)
    store = VariableStore(CONFIG.seed)
    arrays = {n.removeprefix("store."): a for n, a in state.arrays.items() if n.startswith("store.")}
    store.set_state(state.values["store"], arrays)
    candidate, result = recorder.ended[-1]
    network = Network(candidate.architecture, network_shape(CONFIG, space, data), store)
    # Another batch size than the search's: batch norm uses moving statistics, so it must not matter.
    correct, loss, count = make_evaluate(network)(evaluation_batches(data.validation, data.mean, data.std, 7))
    assert float(correct / count) == pytest.approx(result.score, abs=1e-6)
    # float32 sums in another order.
    assert float(loss / count) == pytest.approx(result.validation_loss, rel=1e-5)


def run_in_parts(config, path, *parts):
    """Runs a search that is stopped before some children, counted from 1, and at last (None) is not.

    Args:
        config: the settings.
        path: the directory.
        *parts: before which child it is stopped, and after how many it must have gone on.

    Returns:
        The result, and the children that began, those that began again included.
    """
    began = []
    for stop_before, resumed in parts:
        recorder = Recorder(stop_before)
        if stop_before:
            with pytest.raises(Stopped):
                run_search(config, path, recorder)
        else:
            result = run_search(config, path, recorder)
        assert recorder.num_resumed == resumed
        began += [candidate.number + 1 for candidate in recorder.began]
    return result, began


def test_stopped_search_goes_on_and_ends_the_same(finished, tmp_path):
    path, expected, _ = finished
    result, began = run_in_parts(CONFIG, tmp_path / "run", (3, 0), (6, 2), (None, 5))
    assert began == list(range(1, NUM_CHILDREN + 1))
    assert trials(tmp_path / "run") == trials(path)
    assert (result.architecture, result.score) == (expected.architecture, expected.score)


def test_parts_are_those_of_the_time(finished):
    path, result, _ = finished
    assert tuple(result.parts) == PARTS
    assert all(seconds > 0 for seconds in result.parts.values())
    # One after the other and within it, whatever else the machine does; but for the sum's rounding.
    assert sum(result.parts.values()) <= result.seconds * (1 + 1e-9)
    lines = [json.loads(line) for line in (path / "trials.jsonl").read_text().splitlines()]
    assert result.parts["train"] == pytest.approx(sum(line["train_seconds"] for line in lines))


def test_a_profile_changes_no_result(finished, tmp_path):
    path, _, _ = finished
    with pytest.raises(Stopped):  # child 3 is the first whole network
        run_search(CONFIG, tmp_path / "run", Recorder(stop_before=6), profile=True)
    assert trials(tmp_path / "run") == trials(path)[:5]
    assert len(list((tmp_path / "run" / "logs").glob("plugins/profile/*/*.xplane.pb"))) == 1


def test_forecast_is_told_before_the_first_child_of_each_start_and_changes_nothing(finished, tmp_path):
    run_dir = tmp_path / "run"
    first, second, third = Recorder(stop_before=3), Recorder(stop_before=6), Recorder()
    for recorder in (first, second):
        with pytest.raises(Stopped):
            run_search(CONFIG, run_dir, recorder, forecast=True)
    run_search(CONFIG, finished[0], third, forecast=True)
    assert finished[2].forecasts == third.forecasts == []  # nobody asked, nothing is left to do
    for recorder in (first, second):
        ((forecast, num_began),) = recorder.forecasts
        assert num_began == 0
        assert forecast.num_children == NUM_CHILDREN
        assert forecast.seconds_by_level.keys() == set(range(1, depth_of(CONFIG.space) + 1))
        assert 0 < forecast.seconds < 3600
        assert forecast.shorter is None
    assert [record["child"] for record in second.records] == [1, 2]
    assert trials(run_dir) == trials(finished[0])[:5]


def test_finished_search_gives_its_result_again(finished):
    path, expected, _ = finished
    recorder = Recorder()
    result = run_search(CONFIG, path, recorder)
    assert result.already_finished
    assert (result.architecture, result.score) == (expected.architecture, expected.score)
    assert (result.num_children, result.seconds, result.parts) == (
        expected.num_children,
        expected.seconds,
        expected.parts,
    )
    assert recorder.began == []
    assert recorder.num_resumed == NUM_CHILDREN


@pytest.mark.parametrize("name", ["reuse_traces", "trace_ahead"])
def test_how_children_are_traced_changes_no_result(finished, tmp_path, name):
    path, _, _ = finished
    assert values_of(CONFIG)[name]
    with pytest.raises(Stopped):
        run_search(from_values(RunConfig, {**SETTINGS, name: False}), tmp_path / "run", Recorder(stop_before=6))
    assert trials(tmp_path / "run") == trials(path)[:5]


def test_another_seed_gives_another_search(finished, tmp_path):
    path, _, _ = finished
    other = from_values(RunConfig, {**SETTINGS, "seed": 1, "iterations": 1})
    run_search(other, tmp_path / "run", Recorder())
    kept = [[line[key] for key in ("training_loss", "validation_loss")] for line in trials(path)[:5]]
    assert all(
        [line["training_loss"], line["validation_loss"]] != losses
        for line, losses in zip(trials(tmp_path / "run"), kept, strict=True)
    )


def diverging(monkeypatch, numbers):
    """Makes the children of some numbers, from 1, diverge after their training, with the weights restored."""
    real, count = ChildTrainer.outcome, iter(range(1, 100))

    def outcome(trainer, *arguments):
        failure = "The loss became nan after 3 of 4 steps." if next(count) in numbers else None
        return dataclasses.replace(real(trainer, *arguments), failure=failure)

    monkeypatch.setattr(ChildTrainer, "outcome", outcome)


def scored(monkeypatch, scores):
    """Makes children take no time, leave no values and have these scores."""

    def outcome(*_):
        return ChildOutcome(SharedValues({}, {}), ChildResult(next(scores), 2.3, 2.3, 1, 100, 0.0, 0.0, 0.0), None)

    monkeypatch.setattr(ChildTrainer, "outcome", outcome)


def test_children_that_diverge_are_failed_trials(monkeypatch, tmp_path):
    diverging(monkeypatch, {2, 7})
    recorder = Recorder()
    result = run_search(CONFIG, tmp_path / "run", recorder)
    lines = trials(tmp_path / "run")
    failed = [line for line in lines if line["status"] == "failed"]
    assert [line["child"] for line in failed] == [2, 7]
    assert all("score" not in line and "architecture" in line for line in failed)
    assert result.num_failed == 2
    assert result.num_children == len(lines)
    assert [text.split(":")[0] for text in recorder.warnings] == ["Child 2 failed", "Child 7 failed"]
    assert str(result.architecture) not in {line["text"] for line in failed}
    assert [heard for _, heard in recorder.ended].count(None) == 2
    # The failed child's architecture is no parent: both children of level 2 go on from the other one.
    assert {line["architecture"]["layers"][0]["operation"] for line in lines[2:4]} == {"conv_3x3"}


def test_failures_are_still_counted_after_going_on(monkeypatch, tmp_path):
    diverging(monkeypatch, {2})
    for stop_before in (4, 5):
        with pytest.raises(Stopped):
            run_search(CONFIG, tmp_path / "run", Recorder(stop_before))
    with RunDirectory(tmp_path / "run", CONFIG) as directory:
        state = directory.load_state()
    assert (state.number, state.values["num_failed"]) == (4, 1)


@pytest.fixture
def untrained(monkeypatch):
    """Children take no time, and score as by chance."""
    scored(monkeypatch, itertools.repeat(0.1))


@pytest.mark.usefixtures("untrained")
def test_a_search_whose_limits_leave_fewer_children_says_so_and_is_known_to_have_ended(tmp_path):
    limited, listener = from_values(RunConfig, {**SETTINGS, "max_params": 250}), Recorder()
    result = run_search(limited, tmp_path / "run", listener)
    assert result.num_children < NUM_CHILDREN
    said = "The limits leave 2 architectures at level 2, so the search trains 1 fewer than planned."
    assert [text.startswith(said) for text in listener.warnings] == [True] * limited.search.iterations
    assert read_search(tmp_path / "run").num_planned == result.num_children


def test_a_small_space_with_fewer_children_than_planned_has_no_limits_to_speak_of(tmp_path, monkeypatch):
    scored(monkeypatch, iter(np.random.default_rng(0).uniform(0.5, 0.9, 18).tolist()))
    small = SETTINGS | {"layers": 3, "iterations": 3, "halving_rounds": 0, "operations": ("conv_3x3",)}
    listener = Recorder()
    result = run_search(from_values(RunConfig, small), tmp_path / "run", listener)
    assert result.num_children < 3 * (1 + 2 + 3)
    assert [text for text in listener.warnings if "limits" in text] == []


def test_images_that_have_changed_are_refused_and_nothing_is_lost(tmp_path):
    rng = np.random.default_rng(0)
    images = {"x_train": rng.integers(0, 256, (80, 8, 8), np.uint8), "y_train": np.arange(80) % 2}
    np.savez(tmp_path / "some.npz", **images)
    config = from_values(
        RunConfig, SETTINGS | {"dataset": str(tmp_path / "some.npz"), "train_images": 0, "iterations": 1}
    )
    with pytest.raises(Stopped):
        run_search(config, tmp_path / "run", Recorder(stop_before=3))
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()}
    for changed in (
        {name: array[1:] for name, array in images.items()},  # one left out: other images are drawn for the test
        images | {"y_train": np.arange(80) % 4 % 3 % 2},
    ):
        np.savez(tmp_path / "some.npz", **changed)
        with pytest.raises(RunDirectoryError, match=r"are no longer those that .*run was begun with.*Bring them back"):
            run_search(config, tmp_path / "run")
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()} == before
    np.savez(tmp_path / "some.npz", **images)
    run_search(config, tmp_path / "run")
    run_search(config, tmp_path / "unbroken")
    assert trials(tmp_path / "run") == trials(tmp_path / "unbroken")


@pytest.mark.usefixtures("untrained")
def test_children_that_learn_nothing_are_one_warning(tmp_path):
    recorder = Recorder()
    run_search(CONFIG, tmp_path / "run", recorder)
    assert ["no better than guesses" in text for text in recorder.warnings] == [True]


@pytest.mark.usefixtures("untrained")
def test_children_that_learn_nothing_are_one_warning_where_the_search_was_stopped_in_between(tmp_path):
    warnings = []
    for stop in (6, None):  # ten in a row are there after the second start
        recorder = Recorder(stop_before=stop)
        with contextlib.nullcontext() if stop is None else pytest.raises(Stopped):
            run_search(CONFIG, tmp_path / "run", recorder)
        warnings.append([text for text in recorder.warnings if "no better than guesses" in text])
    assert [len(each) for each in warnings] == [0, 1]


def test_search_ends_with_a_clear_error_when_a_whole_level_diverges(monkeypatch, tmp_path):
    diverging(monkeypatch, {3, 4, 5})
    with pytest.raises(SearchError, match="Every child of level 2 in iteration 1 failed"):
        run_search(CONFIG, tmp_path / "run", Recorder())
    expected = ["completed", "completed", "failed", "failed", "failed"]
    assert [line["status"] for line in trials(tmp_path / "run")] == expected
    with pytest.raises(
        SearchError, match="Every child of level 2 in iteration 1 failed"
    ):  # at once, nothing is trained
        run_search(CONFIG, tmp_path / "run", Recorder())
    assert [line["status"] for line in trials(tmp_path / "run")] == expected


def test_logs_that_cannot_be_written_are_one_warning(finished, tmp_path):
    path, _, _ = finished
    with RunDirectory(tmp_path / "run", CONFIG):
        (tmp_path / "run" / "logs").write_text("a file in its place")
    recorder = Recorder(stop_before=4)
    with pytest.raises(Stopped):
        run_search(CONFIG, tmp_path / "run", recorder)
    (warning,) = recorder.warnings
    assert warning.startswith(f"{tmp_path / 'run' / 'logs'} cannot be written, so TensorBoard will lack the rest: ")
    assert "\n" not in warning
    assert trials(tmp_path / "run") == trials(path)[:3]


class FailingWriter:
    """A writer of TensorBoard's whose disk fills up."""

    def __init__(self, real):
        self.real = real

    def as_default(self, step):
        return self.real.as_default(step)

    def flush(self):
        self.real.flush()
        raise tf.errors.ResourceExhaustedError(None, None, "events.out; No space left on device\nmore")


def test_logs_whose_disk_fills_up_are_one_warning(monkeypatch, tmp_path):
    create = tf.summary.create_file_writer
    monkeypatch.setattr(tf.summary, "create_file_writer", lambda *args: FailingWriter(create(*args)))
    recorder = Recorder(stop_before=4)
    with pytest.raises(Stopped):
        run_search(CONFIG, tmp_path / "run", recorder)
    (warning,) = recorder.warnings
    assert warning.endswith("TensorBoard will lack the rest: events.out; No space left on device")


def test_wrong_data_leave_no_run(tmp_path):
    with pytest.raises(DataError, match="Did you mean"):
        run_search(from_values(RunConfig, {"dataset": "cifar11"}), tmp_path / "run", Recorder())
    small = from_values(RunConfig, {**SETTINGS, "layers": 3, "image_size": 2})
    with pytest.raises(DataError, match="at least"):
        run_search(small, tmp_path / "run", Recorder())
    assert not (tmp_path / "run").exists()


def test_a_search_that_goes_on_keeps_to_the_times_that_it_measured(tmp_path):
    config = from_values(RunConfig, {**SETTINGS, "iterations": 1, "max_latency_ms": 1000.0})
    with pytest.raises(Stopped):
        run_search(config, tmp_path, Recorder(stop_before=3))
    with RunDirectory(tmp_path, config) as directory:
        measured = directory.load_state().values["latencies"]
    run_search(config, tmp_path)
    with RunDirectory(tmp_path, config) as directory:
        assert directory.load_state().values["latencies"].items() >= measured.items()
    assert "scale" in measured
