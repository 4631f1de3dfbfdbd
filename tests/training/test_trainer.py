import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from epnas_tf.config import RunConfig, SpaceConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.data import Images
from epnas_tf.errors import ConfigError, DataError, RunDirectoryError, StateError
from epnas_tf.metrics import Metrics
from epnas_tf.network import VariableStore
from epnas_tf.options import from_values
from epnas_tf.run.runner import run_search
from epnas_tf.space import build_graph
from epnas_tf.space.serialization import architecture_to_dict, load_architecture
from epnas_tf.storage.data_file import load_description
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.state_files import with_prefix
from epnas_tf.storage.training_directory import TrainingDirectory, read_training_config
from epnas_tf.training import trainer
from epnas_tf.training.network_training import NetworkTraining, TrainingDiverged
from epnas_tf.training.settings import training_config
from epnas_tf.training.trained import STORE
from epnas_tf.training.trainer import TrainingListener, examples, train_final
from tests.bin.runs import snapshot
from tests.network.architectures import macro
from tests.training import helpers

SINGLE = macro("conv_3x3")


class Stopped(BaseException):
    """Stops a training as Ctrl-C does."""


class Listener(TrainingListener):
    """Notes what it is told, and stops the training at a moment."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.told = []
        self.warnings = []

    def note(self, *what):
        self.told.append(what)
        if what == self.stop_at:
            raise Stopped

    def started(self, data, num_candidates):
        self.note("started", len(data.train), num_candidates)

    def candidate_ended(self, record):
        self.note("candidate", record["candidate"])

    def training_started(self, architecture, cost, epochs, num_done):
        self.note("training", str(architecture), cost.parameters, epochs, num_done)

    def progress(self, epoch, step, steps):
        self.note("progress", epoch, step, steps)

    def epoch_ended(self, epoch):
        self.note("epoch", epoch.epoch)

    def warning(self, text):
        self.warnings.append(text)

    def epochs(self):
        return [what[1] for what in self.told if what[0] == "epoch"]


def store_of(final_dir):
    """Returns a store with the values of the newest checkpoint."""
    state = helpers.checkpoint(final_dir)
    store = VariableStore()
    store.set_state(state.values["store"], with_prefix(STORE, state.arrays))
    return store


def copy_of(finished, tmp_path):
    """Copies a finished training to a run directory of its own and returns the folder `final` in it."""
    run_dir = tmp_path / "run"
    return shutil.copytree(finished.directory, run_dir / "final")


def test_directory_holds_what_the_training_was(finished):
    final_dir = finished.directory
    assert {file.name for file in final_dir.iterdir()} == {
        "architecture.json",
        "config.json",
        "data.json",
        "history.jsonl",
        "logs",
        "metrics.json",
        "state",
        "test.npz",
    }
    assert {file.name for file in (final_dir / "state").iterdir()} == {"epoch-000002.npz", "epoch-000003.npz", "lock"}
    document = json.loads((final_dir / "config.json").read_text())
    assert (document["format"], document["version"]) == ("epnas_tf.training", 1)
    assert document["settings"]["architecture"] == str(helpers.SKIPS)
    assert read_training_config(final_dir) == helpers.FINISHED
    assert load_architecture(final_dir / "architecture.json") == helpers.SKIPS == finished.architecture
    assert helpers.checkpoint(final_dir).values.keys() == {
        "average",
        "store",
        "optimizer",
        "seconds",
    }


def test_history_has_a_line_an_epoch(finished):
    lines = [json.loads(line) for line in (finished.directory / "history.jsonl").read_text().splitlines()]
    keys = ["epoch", "learning_rate", "training_loss", "training_accuracy"]
    keys += ["validation_loss", "validation_accuracy", "seconds"]
    assert [list(line) for line in lines] == [keys] * 3
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(line["validation_loss"] is line["validation_accuracy"] is None for line in lines)
    assert all(line["training_loss"] > 0 and 0 <= line["training_accuracy"] <= 1 for line in lines)
    seconds = json.loads((finished.directory / "metrics.json").read_text())["seconds"]
    assert seconds == finished.seconds == pytest.approx(sum(line["seconds"] for line in lines))


def test_metrics_are_those_of_the_answers_in_test_npz(finished):
    document = json.loads((finished.directory / "metrics.json").read_text())
    with np.load(finished.directory / "test.npz") as archive:
        labels, probabilities = archive["labels"], archive["probabilities"]
    assert (labels.dtype, probabilities.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(labels, helpers.digits().test.labels)
    assert probabilities.shape == (len(labels), 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    answers = probabilities.argmax(axis=1)
    assert document["accuracy"] == pytest.approx((answers == labels).mean())
    losses = -np.log(probabilities[np.arange(len(labels)), labels].astype(np.float64))
    assert document["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    better = (probabilities > probabilities[np.arange(len(labels)), labels, np.newaxis]).sum(axis=1)
    assert document["top_5"] == pytest.approx((better < 5).mean())
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, answers), 1)
    assert document["confusion"] == confusion.tolist()
    assert Metrics.from_dict(document) == finished.metrics
    own = {"split": "test", "epochs": 3, "num_images": 180}
    assert {key: document[key] for key in own} == own


def test_metrics_have_the_cost_of_the_network_without_auxiliary_head(finished):
    document = json.loads((finished.directory / "metrics.json").read_text())
    expected = cost(build_graph(helpers.SKIPS, helpers.shape_of(helpers.SKIPS)), (8, 8, 1))
    assert finished.cost == expected
    assert (document["parameters"], document["multiply_adds"]) == (expected.parameters, expected.multiply_adds)
    trained = helpers.make_training(helpers.SKIPS, auxiliary_weight=0.4).plain_network()
    assert trained.num_parameters == expected.parameters


def test_examples_are_right_and_wrong_answers(finished):
    test = helpers.digits().test
    with np.load(finished.directory / "test.npz") as archive:
        right = archive["probabilities"].argmax(axis=1) == archive["labels"]
        for name, chosen in (("right", right), ("wrong", ~right)):
            indices, images = archive[f"{name}_indices"], archive[f"{name}_images"]
            assert (indices.dtype, images.dtype) == (np.int64, np.uint8)
            assert len(indices) == len(set(indices.tolist())) == min(24, chosen.sum())
            assert chosen[indices].all()
            assert (np.diff(indices) > 0).all()
            np.testing.assert_array_equal(images, test.images[indices])


def test_examples_follow_from_the_seed_and_may_be_none():
    test = helpers.digits().test
    perfect = np.eye(10, dtype=np.float32)[test.labels]
    drawn = examples(test, perfect, seed=0)
    assert drawn["right_images"].shape == (24, 8, 8, 1)
    assert drawn["wrong_images"].shape == (0, 8, 8, 1)
    assert drawn["wrong_indices"].dtype == np.int64
    np.testing.assert_array_equal(examples(test, perfect, seed=0)["right_indices"], drawn["right_indices"])
    assert set(examples(test, perfect, seed=1)["right_indices"]) != set(drawn["right_indices"])
    few = Images(test.images[:5], test.labels[:5])
    np.testing.assert_array_equal(examples(few, perfect[:5], seed=0)["right_indices"], range(5))


def assert_measured(final_dir, data, images):
    """Checks that data.json describes a data set that is normalised by what these images are."""
    description = load_description(final_dir)
    assert description.num_train == len(images)
    assert description.mean == pytest.approx(images.mean(axis=(0, 1, 2)), rel=1e-6)
    assert description.std == pytest.approx(images.std(axis=(0, 1, 2)), rel=1e-6)
    assert (description.name, description.image_shape, description.num_test) == ("digits", (8, 8, 1), len(data.test))


def test_all_training_images_are_trained_on(finished):
    data = helpers.digits()
    recipe = dataclasses.asdict(helpers.FINISHED.recipe)
    training = helpers.make_training(helpers.SKIPS, helpers.all_digits(), helpers.FINISHED.data.cutout, **recipe)
    for number in range(3):
        training.run_epoch(number)
    helpers.assert_same_state(store_of(finished.directory), training.store)
    assert_measured(finished.directory, data, np.concatenate([data.train.images, data.validation.images]))


def test_held_out_images_are_not_trained_on_and_measure_every_epoch(tmp_path):
    data = helpers.digits()
    result = helpers.train(tmp_path / "run", helpers.config(held_out=True), helpers.SKIPS)
    training = helpers.make_training(helpers.SKIPS, data, held_out=True)
    epochs = [training.run_epoch(number) for number in range(2)]
    helpers.assert_same_state(store_of(result.directory), training.store)
    expected = [{k: v for k, v in dataclasses.asdict(epoch).items() if k != "seconds"} for epoch in epochs]
    assert helpers.history(result.directory) == expected
    assert all(0 <= line["validation_accuracy"] <= 1 and line["validation_loss"] > 0 for line in expected)
    assert_measured(result.directory, data, data.train.images)
    assert load_description(result.directory).num_validation == len(data.validation)


def test_finished_training_says_so_and_changes_no_file(finished, tmp_path):
    final_dir, listener = copy_of(finished, tmp_path), Listener()
    before = snapshot(final_dir)
    again = helpers.train(tmp_path / "run", helpers.FINISHED, helpers.SKIPS, listener)
    assert again.already_finished
    assert not finished.already_finished
    assert again == dataclasses.replace(finished, already_finished=True, directory=final_dir)
    assert listener.told == listener.warnings == []
    assert snapshot(final_dir) == before


@pytest.mark.parametrize("ended", [True, False], ids=["after the end", "before the test"])
def test_checkpoint_cut_short_gives_way_to_the_one_before_it(finished, tmp_path, ended):
    final_dir, listener = copy_of(finished, tmp_path), Listener()
    newest = final_dir / "state" / "epoch-000003.npz"
    os.truncate(newest, newest.stat().st_size // 2)
    if not ended:
        (final_dir / "metrics.json").unlink()
        (final_dir / "test.npz").unlink()
    result = helpers.train(tmp_path / "run", helpers.FINISHED, helpers.SKIPS, listener)
    (warning,) = listener.warnings
    assert f"{newest} is not whole" in warning
    assert warning.endswith("going on from the state before it.")
    assert listener.epochs() == [3]
    assert [what[0] for what in listener.told if what[0] != "progress"] == ["started", "training", "epoch"]
    assert not result.already_finished
    lines = [json.loads(line) for line in (final_dir / "history.jsonl").read_text().splitlines()]
    assert result.seconds == pytest.approx(sum(line["seconds"] for line in lines))  # over both starts
    helpers.assert_same_result(final_dir, finished.directory)


def test_result_cut_short_is_an_error_that_says_how_it_is_made_again(finished, tmp_path):
    final_dir = copy_of(finished, tmp_path)
    os.truncate(final_dir / "metrics.json", 100)
    with pytest.raises(RunDirectoryError, match=r"metrics.json is damaged: remove it, and the same command makes it"):
        helpers.train(tmp_path / "run", helpers.FINISHED, helpers.SKIPS)
    (final_dir / "metrics.json").unlink()
    helpers.train(tmp_path / "run", helpers.FINISHED, helpers.SKIPS)
    helpers.assert_same_result(final_dir, finished.directory)


def test_checkpoints_that_are_all_cut_short_are_refused_and_left_alone(finished, tmp_path):
    final_dir = copy_of(finished, tmp_path)
    for file in (final_dir / "state").glob("*.npz"):
        os.truncate(file, 1000)
    before = snapshot(final_dir)
    with pytest.raises(StateError, match=f"None of the states in {final_dir}/state is whole.* Remove {final_dir} to"):
        helpers.train(tmp_path / "run", helpers.FINISHED, helpers.SKIPS)
    assert snapshot(final_dir) == before


def test_checkpoint_of_another_network_is_refused(finished, tmp_path):
    final_dir = copy_of(finished, tmp_path)
    (final_dir / "metrics.json").unlink()
    for name, change in (("epoch-000003.npz", {"store.weights": np.zeros(3, np.float32)}), ("epoch-000002.npz", {})):
        file = final_dir / "state" / name
        with np.load(file) as archive:
            arrays = {**archive, **change}
        np.savez(file, **arrays)
    with pytest.raises(StateError, match="Received: 3"):
        helpers.train(tmp_path / "run", helpers.FINISHED, helpers.SKIPS)


def test_test_images_are_looked_at_once_and_at_the_end(tmp_path, monkeypatch):
    looked, real, settings = [], trainer.evaluation_batches, helpers.config(epochs=2)

    def evaluation_batches(images, *arguments):
        looked.append((len(images), len(helpers.history(tmp_path / "run" / "final"))))
        return real(images, *arguments)

    monkeypatch.setattr(trainer, "evaluation_batches", evaluation_batches)
    for stop_at, epochs in ((("progress", 1, 3, 3), [1]), (None, [2]), (None, [])):
        listener = Listener(stop_at)
        try:
            helpers.train(tmp_path / "run", settings, SINGLE, listener)
        except Stopped:
            assert looked == []
        assert listener.epochs() == epochs
    assert looked == [(180, 2)]


def npz(folder, side=8, test_seed=1):
    """Writes a data set of noise; its test images are of a seed of their own."""
    arrays = {}
    for part, number, seed in (("train", 40, 0), ("test", 20, test_seed)):
        generator = np.random.default_rng(seed)
        arrays[f"x_{part}"] = generator.integers(0, 256, (number, side, side), np.uint8)
        arrays[f"y_{part}"] = np.arange(number) % 2
    np.savez(folder / f"data-{side}-{test_seed}.npz", **arrays)
    return {"dataset": str(folder / f"data-{side}-{test_seed}.npz"), "train_images": 0}


def test_test_images_have_no_part_in_the_training(tmp_path):
    for seed in (1, 2):
        settings = helpers.config(npz(tmp_path, test_seed=seed), epochs=1, batch_size=16)
        helpers.train(tmp_path / f"run{seed}", settings, SINGLE)
    one, other = tmp_path / "run1" / "final", tmp_path / "run2" / "final"
    assert helpers.history(one) == helpers.history(other)
    helpers.assert_same_state(store_of(one), store_of(other))
    with np.load(one / "test.npz") as first, np.load(other / "test.npz") as second:
        assert not np.array_equal(first["probabilities"], second["probabilities"])


# The search's order is not that of the accuracies.
OPERATIONS = {"max_pool_3x3": 0.9, "conv_3x3": 0.8, "average_pool_3x3": 0.7, "conv_5x5": 0.6}


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """The directory of a search of single layers."""
    run_dir = tmp_path_factory.mktemp("search") / "run"
    with RunDirectory(run_dir, dataclasses.replace(RunConfig(), space=SpaceConfig(layers=1))) as directory:
        for child, (operation, score) in enumerate(OPERATIONS.items(), 1):
            architecture = macro(operation)
            record = {"child": child, "iteration": 1, "level": 1, "text": str(architecture), "status": "completed"}
            found = {"score": score, "parameters": 100, "architecture": architecture_to_dict(architecture)}
            directory.append_record(record | found)
    return run_dir


COMPARED = helpers.config(
    epochs=1,
    candidates=3,
    candidate_epochs=2,
    warmup_epochs=0.25,
    restart_epochs=1,
    learning_rate=0.1,
    batch_size=16,
)


@pytest.fixture(scope="module")
def compared(search):
    """The training of the best of the search's three best, and what the listener was told."""
    listener = Listener()
    return train_final(search, COMPARED, listener=listener), listener


def candidates_of(final_dir):
    """Returns the lines of candidates.jsonl without their times."""
    lines = [json.loads(line) for line in (final_dir / "candidates.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_candidates_are_the_searchs_best_after_a_few_epochs_each(compared):
    result, listener = compared
    lines = candidates_of(result.directory)
    architectures = [macro(operation) for operation in list(OPERATIONS)[:3]]
    assert [line["candidate"] for line in lines] == [1, 2, 3]
    assert [line["text"] for line in lines] == [str(architecture) for architecture in architectures]
    assert [line["architecture"] for line in lines] == [architecture_to_dict(a) for a in architectures]
    assert [line["shared_score"] for line in lines] == [0.9, 0.8, 0.7]
    assert [line["epochs"] for line in lines] == [2, 2, 2]
    costs = [cost(build_graph(a, helpers.shape_of(a)), (8, 8, 1)) for a in architectures]
    assert [(line["parameters"], line["multiply_adds"]) for line in lines] == [dataclasses.astuple(c) for c in costs]
    assert [what for what in listener.told if what[0] == "candidate"] == [("candidate", n) for n in (1, 2, 3)]
    assert listener.told[0] == ("started", 180, 3)


def test_a_candidate_is_trained_with_the_recipe_in_one_cosine_and_scored_on_held_out_images(compared):
    recipe = dataclasses.replace(COMPARED.recipe, epochs=2, warmup_epochs=0.5, restart_epochs=0, held_out=True)
    training = helpers.make_training(macro("conv_3x3"), helpers.digits(), **dataclasses.asdict(recipe))
    training.run_epoch(0)
    expected = training.run_epoch(1).validation_accuracy
    assert candidates_of(compared[0].directory)[1]["accuracy"] == expected


def test_the_best_candidate_is_trained_in_full_as_if_it_had_been_alone(compared, tmp_path):
    result, _ = compared
    lines = candidates_of(result.directory)
    best = max(lines, key=lambda line: line["accuracy"])
    assert best["candidate"] != 1  # the comparison decides, not the search
    assert str(result.architecture) == best["text"]
    alone = dataclasses.replace(COMPARED, recipe=dataclasses.replace(COMPARED.recipe, candidates=1))
    helpers.train(tmp_path / "run", alone, result.architecture)
    shutil.copy(result.directory / "candidates.jsonl", tmp_path / "run" / "final")
    helpers.assert_same_result(tmp_path / "run" / "final", result.directory)
    records = (result.directory / "candidates.jsonl").read_text().splitlines()
    assert result.seconds > sum(json.loads(line)["seconds"] for line in records)


def test_comparison_stopped_in_between_goes_on_with_the_next_candidate(search, compared, tmp_path):
    final_dir, listener = tmp_path / "final", Listener(stop_at=("progress", 1, 11, 11))
    with pytest.raises(Stopped):
        train_final(search, COMPARED, final_dir=final_dir, listener=listener)
    assert not (final_dir / "candidates.jsonl").exists()
    listener = Listener(stop_at=("candidate", 2))
    with pytest.raises(Stopped):
        train_final(search, COMPARED, final_dir=final_dir, listener=listener)
    assert len(candidates_of(final_dir)) == 2
    assert not (final_dir / "architecture.json").exists()
    with open(final_dir / "candidates.jsonl", "a") as file:
        file.write('{"candidate": 3, "te')
    listener = Listener()
    train_final(search, COMPARED, final_dir=final_dir, listener=listener)
    assert [what for what in listener.told if what[0] == "candidate"] == [("candidate", 3)]
    helpers.assert_same_result(final_dir, compared[0].directory)
    assert candidates_of(final_dir) == candidates_of(compared[0].directory)


def test_a_candidate_that_diverges_is_left_out(search, compared, tmp_path, monkeypatch):
    expected = candidates_of(compared[0].directory)
    best = max(expected, key=lambda line: line["accuracy"])["candidate"]
    run_epoch = NetworkTraining.run_epoch

    def diverging(training, number, progress):
        if training.recipe.held_out and str(training.plain_network().architecture) == expected[best - 1]["text"]:
            raise TrainingDiverged("The loss became nan.")
        return run_epoch(training, number, progress)

    monkeypatch.setattr(NetworkTraining, "run_epoch", diverging)
    listener = Listener()
    result = train_final(search, COMPARED, final_dir=tmp_path / "final", listener=listener)
    expected[best - 1]["accuracy"] = None
    assert candidates_of(result.directory) == expected
    assert listener.warnings == [f"Candidate {best} diverged. The loss became nan."]
    others = [line for line in expected if line["candidate"] != best]
    assert str(result.architecture) == max(others, key=lambda line: line["accuracy"])["text"]


def test_a_comparison_in_which_all_diverge_says_so(search, tmp_path):
    """As below: the second step of each breaks the network."""
    rates = {"learning_rate": 0.01, "final_learning_rate": 1e20}
    settings = helpers.config(epochs=1, candidates=2, candidate_epochs=3, batch_size=200, restart_epochs=0, **rates)
    for _ in range(2):  # also when it is started again
        listener = Listener()
        with pytest.raises(TrainingDiverged, match=r"Each of the 2 candidates diverged.*Received: learning_rate=0.01"):
            train_final(search, settings, final_dir=tmp_path / "final", listener=listener)
    assert [line["accuracy"] for line in candidates_of(tmp_path / "final")] == [None, None]
    assert not listener.told[1:]


def test_candidates_of_other_settings_are_not_taken_over(search, tmp_path):
    with pytest.raises(Stopped):
        train_final(search, COMPARED, final_dir=tmp_path / "final", listener=Listener(stop_at=("candidate", 1)))
    before = snapshot(tmp_path / "final")
    other = dataclasses.replace(COMPARED, recipe=dataclasses.replace(COMPARED.recipe, momentum=0.8))
    with pytest.raises(RunDirectoryError, match=r"--momentum: 0.9 there, 0.8 now"):
        train_final(search, other, final_dir=tmp_path / "final")
    assert snapshot(tmp_path / "final") == before


REFUSED = {
    "too small": (helpers.SKIPS, {}, {}, DataError, r"must be at least 8×8 pixels. Received: 4×4"),
    "too small for a cell": (helpers.CELL, {}, {}, DataError, r"must be at least 8×8 pixels. Received: 4×4"),
    "no halving": (SINGLE, {}, {"auxiliary_weight": 0.4}, ConfigError, "behind the last halving"),
    "cutout": (SINGLE, {"cutout": 5}, {}, ConfigError, "`cutout` must be within 0 and .*, 4 pixels"),
    "crop": (SINGLE, {"crop_padding": 4}, {}, ConfigError, "`crop_padding` must be less than"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, case):
    architecture, data, recipe, error, words = REFUSED[case]
    settings = helpers.config(npz(tmp_path, side=4) | data, **recipe)
    with TrainingDirectory(tmp_path / "run" / "final", settings, (str(architecture),)):
        pass  # `epnas-train` looks whether it can be used before it imports TensorFlow
    with pytest.raises(error, match=words):
        helpers.train(tmp_path / "run", settings, architecture)
    assert not (tmp_path / "run").exists()


def test_refused_training_leaves_the_search_alone(search, tmp_path):
    run_dir = shutil.copytree(search, tmp_path / "run", ignore=shutil.ignore_patterns("final"))
    before = snapshot(run_dir)
    with pytest.raises(ConfigError, match="behind the last halving"):
        train_final(run_dir, helpers.config(auxiliary_weight=0.4))
    with pytest.raises(RunDirectoryError, match=r"not of format epnas_tf.training"):
        train_final(run_dir, helpers.CONFIG, final_dir=run_dir)
    assert snapshot(run_dir) == before
    assert not (run_dir / "final").exists()


def save_images(path, count=80):
    rng = np.random.default_rng(0)
    np.savez(path, x_train=rng.integers(0, 256, (count, 8, 8), np.uint8), y_train=np.arange(count) % 2)


def test_images_that_have_changed_are_refused_and_nothing_is_lost(search, tmp_path):
    save_images(tmp_path / "some.npz")
    data = {"dataset": str(tmp_path / "some.npz"), "train_images": 0}
    candidates = helpers.config(epochs=2, batch_size=16, candidates=2, candidate_epochs=1, data=data)
    single = helpers.config(epochs=2, batch_size=16, data=data)
    for config, moment in ((candidates, ("candidate", 1)), (single, ("epoch", 1))):
        final_dir = tmp_path / moment[0]
        with pytest.raises(Stopped):
            train_final(search, config, final_dir=final_dir, listener=Listener(stop_at=moment))
        before = snapshot(final_dir)
        save_images(tmp_path / "some.npz", 79)
        with pytest.raises(RunDirectoryError, match=r"are no longer those.*another --final_dir"):
            train_final(search, config, final_dir=final_dir)
        assert snapshot(final_dir) == before
        save_images(tmp_path / "some.npz")
        train_final(search, config, final_dir=final_dir)
        save_images(tmp_path / "some.npz", 79)
        with pytest.raises(RunDirectoryError, match="are no longer those"):  # of a finished one, too
            train_final(search, config, final_dir=final_dir)
        save_images(tmp_path / "some.npz")


def test_images_that_have_changed_since_the_search_are_a_warning(tmp_path):
    save_images(tmp_path / "some.npz")
    settings = {"dataset": str(tmp_path / "some.npz"), "layers": 1, "iterations": 1, "epochs": 1, "batch_size": 16}
    run_search(from_values(RunConfig, settings | {"channels": 2, "surrogate_steps": 5}), tmp_path / "run")

    def warnings_of(final_dir, **values):
        config = training_config(tmp_path / "run", channels=2, epochs=1, batch_size=16, **values)
        listener = Listener()
        train_final(tmp_path / "run", config, final_dir=tmp_path / final_dir, listener=listener)
        return [text for text in listener.warnings if "images" in text]

    assert warnings_of("same") == []
    save_images(tmp_path / "some.npz", 79)
    (warning,) = warnings_of("changed", mirror="no", cutout=2)
    assert "are no longer those that" in warning
    assert "Received: num_train" in warning
    assert warnings_of("of other settings", validation_fraction=0.3) == []


def test_training_that_diverges_keeps_its_last_checkpoint(tmp_path):
    """One step an epoch, its learning rate rising to 1e20: the second step breaks the network, the third notices it."""
    settings = helpers.config(epochs=3, batch_size=200, learning_rate=0.01, final_learning_rate=1e20, restart_epochs=0)
    with pytest.raises(TrainingDiverged, match=r"The loss became (nan|inf) in step 1 of 1 of epoch 3"):
        helpers.train(tmp_path / "run", settings, SINGLE)
    final_dir = tmp_path / "run" / "final"
    assert [line["epoch"] for line in helpers.history(final_dir)] == [1, 2]
    assert helpers.checkpoint(final_dir).number == 2
    assert not (final_dir / "metrics.json").exists()
    before = snapshot(final_dir)
    with pytest.raises(TrainingDiverged):
        helpers.train(tmp_path / "run", settings, SINGLE)
    assert {k: v for k, v in snapshot(final_dir).items() if k != "data.json"} == {
        k: v for k, v in before.items() if k != "data.json"
    }
