import os
import shutil
import signal
import sys
import warnings
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.children.child import ChildTrainer, child_seed
from epnas_tf.children.no_learning import PATIENCE
from epnas_tf.children.outcome import ChildDiverged, ChildResult
from epnas_tf.config import ChildConfig, SearchConfig
from epnas_tf.data.augmentation import Augmentation
from epnas_tf.data.batches import checked_arrays
from epnas_tf.data.pipeline import ArrayData, TrainingPipeline, evaluation_batches
from epnas_tf.errors import ConfigError, DataError, SearchError, StateError
from epnas_tf.network import Network, VariableStore
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.tuner import oracle as oracle_module, tuner as tuner_module
from epnas_tf.tuner.oracle import EPNASOracle
from epnas_tf.tuner.tuner import EPNASTuner
from tests.bin import runs
from tests.tuner.kt_helpers import (
    CHILD,
    NUM_TRIALS,
    TWO_LEVELS,
    Snapshots,
    digits,
    make_hypermodel,
    make_tuner,
    split_digits,
    trials_of,
)

QUICK = SearchConfig(k=1, iterations=1)
"""Three trials."""


def search(tuner, **kwargs):
    x, y, validation = split_digits()
    tuner.search(x, y, validation_data=validation, verbose=0, **kwargs)
    return tuner


def state_of(store):
    index, arrays = store.get_state()
    return index, {name: array.tobytes() for name, array in arrays.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished search, with a copy of its project after each file that was written."""
    snapshots = Snapshots(tmp_path_factory.mktemp("tuning"), tmp_path_factory.mktemp("copies"))
    with pytest.MonkeyPatch.context() as patch:
        for module in (oracle_module, tuner_module, sys.modules["epnas_tf.storage.state_files"]):
            patch.setattr(module, "write_whole", snapshots.wrap(module.write_whole))
        tuner = search(make_tuner(snapshots.directory))
    return tuner, snapshots


class TestCourse:
    def test_is_that_of_the_algorithm(self, finished):
        """Architectures, order and scores are those of the same parts put together by hand, as the runner does."""
        hypermodel = make_hypermodel()
        x, y, validation = split_digits()
        trainer = ChildTrainer(
            VariableStore(0),
            hypermodel.shape,
            CHILD,
            TrainingPipeline(ArrayData(checked_arrays(x, y, hypermodel.shape)), CHILD.batch_size, CHILD.epochs),
            evaluation_batches(checked_arrays(*validation, hypermodel.shape)),
        )
        progressive = ProgressiveSearch(hypermodel.space, TWO_LEVELS, seed=0)
        expected = []
        while progressive.advance():
            (candidate,) = progressive.ask()
            result = trainer.train(candidate.architecture, child_seed(0, candidate.number))
            progressive.tell(candidate, result.score)
            expected.append((candidate.architecture, result.score))
        tuner = finished[0]
        found = [tuner.oracle.trials[trial_id] for trial_id in tuner.oracle.start_order]
        assert [(hypermodel.architecture(t.hyperparameters.copy()), t.score) for t in found] == expected
        assert len(expected) == NUM_TRIALS
        assert state_of(tuner.store) == state_of(trainer.store)

    def test_scores_are_worth_something(self, finished):
        assert max(score for *_, score in trials_of(finished[0])) > 0.3

    def test_seeds_differ(self, finished, tmp_path):
        tuner = search(make_tuner(tmp_path, seed=1, search=QUICK))
        assert trials_of(tuner)[:2] != trials_of(finished[0])[:2]

    def test_second_search_does_nothing_more(self, finished):
        tuner = finished[0]
        before = trials_of(tuner), state_of(tuner.store)
        search(tuner)
        assert (trials_of(tuner), state_of(tuner.store)) == before


class TestData:
    """One search each, as short as can be."""

    def run(self, tmp_path, *args, **kwargs):
        tuner = make_tuner(tmp_path, make_hypermodel(layers=1), search=QUICK, overwrite=True)
        tuner.search(*args, verbose=0, **kwargs)
        scores = [score for _, status, score in trials_of(tuner) if status == "COMPLETED"]
        assert len(scores) == 2
        return scores

    def test_all_forms_give_the_same(self, tmp_path):
        x, y = digits(200)
        x = (x * 16).round()  # whole numbers, so that bytes can hold them
        xv, yv, kept = x[150:], y[150:], slice(150)
        scores = self.run(tmp_path, x[kept], y[kept], validation_data=(xv, yv))
        assert self.run(tmp_path, x.astype(np.uint8), one_hot(y), validation_split=0.25) == scores
        as_lists = (x[kept].astype(np.float64), y[kept, None].tolist())
        assert self.run(tmp_path, *as_lists, validation_data=[xv, yv[:, None]]) == scores

    def test_augmentation_is_that_of_the_pipeline(self, tmp_path):
        """The first child of a tuner is that of the same augmentation put into the pipeline by hand."""
        hypermodel, text = make_hypermodel(layers=1), "crop(1),cutout(3),brightness"
        x, y, validation = split_digits()
        losses = []
        for augmentation in (text, "none"):
            tuner = search(make_tuner(tmp_path / augmentation, hypermodel, search=QUICK, augmentation=augmentation))
            first = tuner.oracle.trials[tuner.oracle.start_order[0]]
            data = ArrayData(checked_arrays(x, y, hypermodel.shape), Augmentation.parse(augmentation))
            trainer = ChildTrainer(
                VariableStore(0),
                hypermodel.shape,
                CHILD,
                TrainingPipeline(data, CHILD.batch_size, CHILD.epochs),
                evaluation_batches(checked_arrays(*validation, hypermodel.shape)),
            )
            result = trainer.train(hypermodel.architecture(first.hyperparameters.copy()), child_seed(0, 0))
            losses.append(result.training_loss)
            assert first.metrics.get_best_value("loss") == result.training_loss
        assert losses[0] != losses[1]

    def test_datasets(self, tmp_path):
        x, y = digits(200)
        training = tf.data.Dataset.from_tensor_slices((x[:150], y[:150])).batch(20)
        validation = tf.data.Dataset.from_tensor_slices((x[150:], one_hot(y[150:]))).batch(30)
        self.run(tmp_path, training, validation_data=validation)


def one_hot(labels):
    return np.eye(10, dtype=np.float32)[labels]


@pytest.fixture(scope="module")
def tuner(tmp_path_factory):
    """A tuner that has not searched."""
    return make_tuner(tmp_path_factory.mktemp("idle"))


class TestRefusals:
    def test_no_validation_data(self, tuner):
        x, y = digits(20)
        with pytest.raises(DataError, match=r"give `validation_data`, or with arrays `validation_split`. Received"):
            tuner.search(x, y)

    @pytest.mark.parametrize("split", [-0.5, 1.0, 1.5, 0.999])
    def test_impossible_split(self, tuner, split):
        x, y = digits(20)
        with pytest.raises(DataError, match=f"`validation_split` must be between 0 and 1.*Received: {split}"):
            tuner.search(x, y, validation_split=split)

    def test_split_of_a_dataset(self, tuner):
        with pytest.raises(DataError, match="with arrays `validation_split`"):
            tuner.search(tf.data.Dataset.from_tensor_slices(digits(20)).batch(5), validation_split=0.5)

    @pytest.mark.parametrize("arguments", [(), (np.zeros((4, 8, 8, 1)),)])
    def test_no_data(self, tuner, arguments):
        with pytest.raises(DataError, match=r"needs arrays x and y, or x alone as a tf.data.Dataset"):
            tuner.search(*arguments, validation_data=digits(20))

    def test_dataset_and_labels(self, tuner):
        x, y = digits(20)
        with pytest.raises(DataError, match=r"x alone as a tf.data.Dataset"):
            tuner.search(tf.data.Dataset.from_tensor_slices((x, y)).batch(5), y, validation_data=(x, y))

    def test_sample_weights(self, tuner):
        x, y = digits(20)
        with pytest.raises(DataError, match=r"must be \(x, y\) or a tf.data.Dataset; sample weights"):
            tuner.search(x, y, validation_data=(x, y, y))

    @pytest.mark.parametrize("part", ["training", "validation"])
    def test_wrong_images(self, tuner, part):
        x, y = digits(20)
        good, bad = (x, y), (np.zeros((20, 8, 8, 3)), y)
        training, validation = (bad, good) if part == "training" else (good, bad)
        with pytest.raises(DataError, match=r"shape \(8, 8, 1\). Received: \(8, 8, 3\)"):
            tuner.search(*training, validation_data=validation)

    def test_wrong_labels(self, tuner):
        x, y = digits(20)
        with pytest.raises(DataError, match=r"Labels must be in 0 … 9. Received: labels from 1 to 10"):
            tuner.search(x, y + 1, validation_data=(x, y))

    def test_datasets_without_end(self, tuner):
        dataset = tf.data.Dataset.from_tensor_slices(digits(20)).batch(5)
        for arguments in ((dataset.repeat(), dataset), (dataset, dataset.repeat())):
            with pytest.raises(DataError, match="must end after one epoch"):
                tuner.search(arguments[0], validation_data=arguments[1])

    def test_wrong_labels_of_a_validation_dataset(self, tuner):
        x, y = digits(20)
        with pytest.raises(DataError, match="Labels must be in 0 … 9"):
            tuner.search(x, y, validation_data=tf.data.Dataset.from_tensor_slices((x, y + 1)).batch(5))

    @pytest.mark.parametrize(
        ("part", "value", "message"),
        [(1, 10, "Labels must be in 0 … 9"), (1, 0.5, "Labels must be whole"), (0, np.nan, "Images must hold finite")],
    )
    def test_wrong_values_of_a_dataset_are_no_failed_trial(self, tmp_path, part, value, message):
        x, y = digits(20)
        data = x.copy(), y.astype(float)
        data[part][7] = value
        tuner = make_tuner(tmp_path)
        with pytest.raises(DataError, match=f"^{message}") as raised:
            tuner.search(tf.data.Dataset.from_tensor_slices(data).batch(5), validation_data=(x, y), verbose=0)
        assert isinstance(raised.value, keras_tuner.errors.FatalError)
        assert tuner.oracle.end_order == []

    @pytest.mark.parametrize("name", ["callbacks", "epochs", "batch_size", "sample_weight"])
    def test_arguments_of_fit(self, tuner, name):
        x, y = digits(20)
        message = rf"x, y, validation_data, validation_split and verbose; .*ChildConfig. Received: {name}"
        with pytest.raises(ConfigError, match=message):
            tuner.search(x, y, validation_data=(x, y), **{name: 1})

    def test_other_hypermodel(self):
        with pytest.raises(ConfigError, match=r"`hypermodel` must be a SpaceHyperModel.*function"):
            EPNASTuner(lambda hp: None)

    @pytest.mark.parametrize("name", ["search", "child", "surrogate", "limits"])
    def test_settings_that_are_none(self, name):
        with pytest.raises(ConfigError, match=rf"`{name}` must be a \w+Config. Received: \{{'k': 3\}}"):
            EPNASTuner(make_hypermodel(), **{name: {"k": 3}})

    @pytest.mark.parametrize("seed", [-1, "a", None])
    def test_seed(self, seed):
        for make in (lambda: EPNASTuner(make_hypermodel(), seed=seed), lambda: make_hypermodel(seed=seed)):
            with pytest.raises(ConfigError, match="`seed` must be "):
                make()
        with pytest.raises(ConfigError, match="`seed` must be "):
            EPNASOracle(make_hypermodel().space, seed=seed)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("zoom", r"of these: crop, .*Received: 'zoom'"),
            ("crop(8)", "images' shorter side, 8 pixels"),
            (None, "`augmentation` must be a str. Received: None"),
        ],
    )
    def test_augmentation(self, text, message):
        with pytest.raises(ConfigError, match=message):
            EPNASTuner(make_hypermodel(), augmentation=text)

    def test_objective(self, tmp_path):
        for objective, message in [
            ("val_loss", "one metric to maximise"),
            ("accuracy", "val_accuracy.*name=.accuracy"),
        ]:
            with pytest.raises(ConfigError, match=message):
                make_tuner(tmp_path, objective=objective)

    def test_oracle_of_another_space(self, tmp_path):
        with pytest.raises(ConfigError, match=r"oracle's space must be the hypermodel's.*Received"):
            make_tuner(tmp_path, oracle=EPNASOracle(make_hypermodel(layers=3).space))


class TestBestModels:
    def test_children_that_share_no_weights_leave_none(self, tmp_path):
        child = ChildConfig(epochs=1, batch_size=20, share_weights=False)
        tuner = search(make_tuner(tmp_path, make_hypermodel(layers=1), search=QUICK, child=child))
        with pytest.raises(StateError, match=r"share none keep none.*tuner\.hypermodel\.build"):
            tuner.get_best_models()

    def test_copies_of_the_shared_weights(self, finished):
        tuner = finished[0]
        before = state_of(tuner.store)
        _, _, (xv, yv) = split_digits()
        models, trials = tuner.get_best_models(num_models=2), tuner.oracle.get_best_trials(2)
        assert len(models) == 2
        for model, trial in zip(models, trials, strict=True):
            network = Network(tuner.hypermodel.architecture(trial.hyperparameters), tuner.hypermodel.shape, tuner.store)
            expected = tf.nn.softmax(network(tf.constant(xv)))
            np.testing.assert_allclose(model.predict(xv, verbose=0), expected, atol=1e-5)
            assert model.evaluate(xv, yv, verbose=0)[1] == pytest.approx(np.mean(np.argmax(expected, -1) == yv))
        models[0].fit(xv, yv, epochs=1, verbose=0)
        assert state_of(tuner.store) == before

    def test_best_hyperparameters_build_a_fresh_model(self, finished, tmp_path):
        tuner = finished[0]
        best = tuner.get_best_hyperparameters()[0]
        assert best.values["layers"] == 2
        fresh, trained = tuner.hypermodel.build(best), tuner.get_best_models()[0]
        assert [w.shape for w in fresh.get_weights()] == [w.shape for w in trained.get_weights()]
        kernels = [(a, b) for a, b in zip(fresh.get_weights(), trained.get_weights(), strict=True) if a.ndim == 4]
        assert not any(np.array_equal(a, b) for a, b in kernels)
        assert isinstance(fresh, keras.Model)

    def test_summaries(self, finished, capsys):
        finished[0].results_summary()
        finished[0].search_space_summary()
        assert "layer_2_operation" in capsys.readouterr().out
        assert finished[0].remaining_trials == 0

    def test_weights_that_are_elsewhere(self, finished, tmp_path):
        """As on the chief, or for a trial that another worker has trained."""
        shutil.copytree(finished[1].directory, tmp_path, dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "project" / "shared_weights")
        tuner = make_tuner(tmp_path)
        assert tuner.get_best_hyperparameters()[0].values == finished[0].get_best_hyperparameters()[0].values
        with pytest.raises(StateError, match="tuner0 has no weights of trial"):
            tuner.get_best_models()


class TestGoingOn:
    def test_from_every_file_of_a_trial(self, finished):
        """A kill at any moment: the next process ends with the same trials, scores and shared weights."""
        tuner, snapshots = finished
        first, last = (
            [n for n, name in enumerate(snapshots.written) if name.endswith(f"trial_{number:04d}/trial.json")]
            for number in (NUM_TRIALS - 2, NUM_TRIALS - 1)
        )
        names = {Path(name).name for name in snapshots.written[first[0] : last[0]]}
        states = {"fit-000003.npz", f"tuner0-after-{NUM_TRIALS - 1:06d}.npz"}
        assert names == {"trial.json", "oracle.json", "tuner0.json", *states}
        stored = next(
            n for n in range(first[0], last[0]) if ".npz" in snapshots.written[n] and "tuner0" in snapshots.written[n]
        )
        # Begun; the shared weights saved, but the trial not ended; ended, but still under way for KerasTuner; ended.
        for number in (first[0], stored, first[-1] + 1, last[0]):
            again = search(make_tuner(snapshots.path(number)))
            assert trials_of(again) == trials_of(tuner), f"after {number}: {snapshots.written[number]}"
            assert state_of(again.store) == state_of(tuner.store)

    def test_from_the_first_trial(self, finished):
        """When there is no tuner0.json yet, KerasTuner alone would begin anew, and write over what is there."""
        tuner, snapshots = finished
        first = snapshots.path(snapshots.written.index("project/tuner0.json") - 1)
        assert len(list((first / "project" / "shared_weights").iterdir())) == 1
        assert trials_of(search(make_tuner(first))) == trials_of(tuner)

    def test_killed_process(self, finished, tmp_path):
        # oneDNN's sums depend on the number of threads.
        threads = {name: os.environ[name] for name in runs.THREADS if name in os.environ}
        code = f"""
import os, signal
os.environ.update({threads})
from tests.tuner.kt_helpers import make_tuner, split_digits
tuner = make_tuner({str(tmp_path)!r})
train = tuner._train
def kill(trial):
    if trial.trial_id == "0004":
        os.kill(os.getpid(), signal.SIGKILL)
    return train(trial)
tuner._train = kill
x, y, validation = split_digits()
tuner.search(x, y, validation_data=validation, verbose=0)
"""
        assert runs.code(code).returncode == -signal.SIGKILL
        tuner = make_tuner(tmp_path)
        assert len(tuner.oracle.end_order) == 4
        search(tuner)
        assert trials_of(tuner) == trials_of(finished[0])

    def test_interrupt_and_bug(self, finished, tmp_path, monkeypatch):
        """Half a child's training does not stay in the shared weights, in this process and in the next one."""
        tuner = make_tuner(tmp_path)
        train = ChildTrainer.train
        errors = {"0002": KeyboardInterrupt(), "0005": ZeroDivisionError("a bug")}

        def interrupted(self, architecture, seed, following):
            result = train(self, architecture, seed, following)
            running = next(iter(tuner.oracle.ongoing_trials.values())).trial_id
            if running in errors:
                raise errors.pop(running)
            return result

        monkeypatch.setattr(ChildTrainer, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search(tuner)
        with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"0005 stopped.*Zero.*a bug") as raised:
            search(tuner)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
        assert {status for _, status, _ in trials_of(tuner)} == {"COMPLETED", "RUNNING"}
        tuner = make_tuner(tmp_path)
        search(tuner)
        assert trials_of(tuner) == trials_of(finished[0])
        assert state_of(tuner.store) == state_of(finished[0].store)

    def test_finished_project(self, finished, monkeypatch):
        tuner = make_tuner(finished[1].directory)
        monkeypatch.setattr(ChildTrainer, "train", lambda *_: pytest.fail("nothing is left to train"))
        search(tuner)
        _, _, (xv, _) = split_digits()
        again, before = (t.get_best_models()[0].predict(xv, verbose=0) for t in (tuner, finished[0]))
        np.testing.assert_array_equal(again, before)
        assert tuner.get_best_hyperparameters()[0].values == finished[0].get_best_hyperparameters()[0].values

    def test_overwrite(self, finished, tmp_path):
        shutil.copytree(finished[1].directory, tmp_path, dirs_exist_ok=True)
        tuner = make_tuner(tmp_path, overwrite=True)
        assert tuner.remaining_trials == NUM_TRIALS
        assert not (tmp_path / "project" / "shared_weights").exists()

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"child": ChildConfig(epochs=2, batch_size=20)}, "epochs: 3 there, 2 now"),
            ({"hypermodel": make_hypermodel(channels=6)}, "channels: 4 there, 6 now"),
            ({"seed": 3}, "seed: 0 there, 3 now"),
            ({"augmentation": "mirror"}, r"augmentation: none there, mirror\(0.5\) now"),
            ({"hypermodel": make_hypermodel(layers=3)}, "must be of the space"),
        ],
    )
    def test_other_settings(self, finished, kwargs, message):
        with pytest.raises(StateError, match=message):
            make_tuner(finished[1].directory, **kwargs)

    def test_project_of_another_tuner(self, tmp_path):
        keras_tuner.RandomSearch(
            make_hypermodel(), "val_accuracy", max_trials=1, directory=tmp_path, project_name="project"
        ).save()
        with pytest.raises(StateError, match="another oracle"):
            make_tuner(tmp_path)


def test_disk(finished):
    """One store, the two newest states of it; nothing grows with the trials but KerasTuner's trial.json."""
    project = finished[1].directory / "project"
    names = sorted(str(file.relative_to(project)) for file in project.rglob("*") if file.is_file())
    assert names == sorted(
        [
            "data.json",
            "oracle.json",
            "oracle.lock",
            "tuner0.json",
            *(f"shared_weights/tuner0-after-{number:06d}.npz" for number in (NUM_TRIALS - 1, NUM_TRIALS)),
            *(f"surrogate/fit-{number:06d}.npz" for number in (2, 3)),
            *(f"trial_{number:04d}/trial.json" for number in range(NUM_TRIALS)),
        ]
    )
    assert max((project / name).stat().st_size for name in names if name.endswith("trial.json")) < 3000


class TestDivergence:
    def test_child_that_diverges(self, tmp_path, monkeypatch):
        """Its trial fails, the shared weights are bit for bit as before, and the search goes on."""
        tuner = make_tuner(tmp_path, search=SearchConfig(k=2, iterations=1))
        train, states = ChildTrainer.train, []

        def train_one_badly(self, architecture, seed, following):
            before = state_of(self.store)
            if len(states) in (1, 2):  # one of each level
                self = ChildTrainer(
                    self.store,
                    self.shape,
                    ChildConfig(epochs=1, batch_size=20, learning_rate=1e20, clip_norm=0),
                    self.training,
                    self.validation,
                )
            states.append(before)
            try:
                return train(self, architecture, seed, following)
            except ChildDiverged:
                index, arrays = state_of(self.store)
                known = {tuple(entry["key"]): entry for entry in index["layers"]}
                assert all(known[tuple(entry["key"])] == entry for entry in before[0]["layers"])
                if len(index["layers"]) == len(before[0]["layers"]):
                    assert (index, arrays) == before
                raise

        monkeypatch.setattr(ChildTrainer, "train", train_one_badly)
        search(tuner)
        statuses = [status for _, status, _ in trials_of(tuner)]
        assert statuses == ["COMPLETED", "FAILED", "FAILED", "COMPLETED"]
        failed = tuner.oracle.trials["0001"]
        assert failed.score is None
        assert "ChildDiverged" in failed.message

    def test_all_diverge(self, tmp_path):
        child = ChildConfig(epochs=1, batch_size=20, learning_rate=1e20, clip_norm=0)
        tuner = make_tuner(tmp_path, make_hypermodel(operations=("conv_3x3", "conv_5x5", "sep_conv_3x3")), child=child)
        with pytest.raises(SearchError, match=r"(?s)Every child of level 1.*lower learning rate"):
            search(tuner)
        assert [status for _, status, _ in trials_of(tuner)] == ["FAILED"] * 3
        assert tuner.get_best_models() == []

    def test_full_disk_is_no_bad_architecture(self, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        tuner = make_tuner(tmp_path)
        train = tuner._train

        def train_and_fill(trial):
            monkeypatch.setattr("os.fsync", full)
            return train(trial)

        monkeypatch.setattr(tuner, "_train", train_and_fill)
        with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"RunDirectoryError.*No space left on device"):
            search(tuner)
        assert tuner.oracle.end_order == []


def test_chief_of_a_search_that_cannot_go_on(tmp_path, monkeypatch):
    """The workers are told to stop, or the chief would wait for them for ever; the chief raises the error."""
    for name, value in (("TUNER_ID", "chief"), ("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    tuner = make_tuner(tmp_path)

    def serve(oracle):
        oracle.verbose = 0
        for worker in ("worker0", "worker1"):
            trial = oracle.create_trial(worker)
            trial.status = "FAILED"
            oracle.end_trial(trial)
        assert [oracle.create_trial(worker).status for worker in ("worker0", "worker1")] == ["STOPPED"] * 2
        for _ in range(2):
            oracle.get_best_trials()  # as the workers do then
        assert oracle.tuner_ids == set()

    monkeypatch.setattr("keras_tuner.src.distribute.oracle_chief.start_server", serve)
    with pytest.raises(SearchError, match="Every child of level 1"):
        tuner.search(verbose=0)


def test_children_that_learn_nothing_are_one_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(ChildTrainer, "train", lambda *_: ChildResult(0.1, 2.3, 2.3, 1, 100, 0.0, 0.0, 0.0))
    tuner = make_tuner(tmp_path, search=SearchConfig(k=2, iterations=3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search(tuner)
    assert sum("no better than guesses" in str(warning.message) for warning in caught) == 1
    assert len(tuner.oracle.end_order) > PATIENCE


def test_other_oracles_on_shared_weights(tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("val_accuracy", max_trials=3, seed=1)
    tuner = search(make_tuner(tmp_path, oracle=oracle))
    assert [status for _, status, _ in trials_of(tuner)] == ["COMPLETED"] * 3
    assert len(tuner.get_best_models()) == 1
    again = make_tuner(tmp_path, oracle=keras_tuner.oracles.RandomSearchOracle("val_accuracy", max_trials=3, seed=1))
    assert state_of(again.store) == state_of(tuner.store)
