import functools
import json
import math
import shutil
import threading

import keras_tuner
import numpy as np
import pytest

from epnas_tf.config import SearchConfig
from epnas_tf.errors import ConfigError, RunDirectoryError, SearchError, StateError
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import MacroSpace
from epnas_tf.tuner import oracle as oracle_module
from epnas_tf.tuner.hyperparameters import read, to_values
from epnas_tf.tuner.oracle import EPNASOracle
from tests.space.chain_space import ChainSpace
from tests.tuner.kt_helpers import ScoringTuner, Snapshots, make_hypermodel, split_digits

SEARCH = SearchConfig(k=3, iterations=2)
SPACE = ChainSpace(layers=2)
NUM_TRIALS = 2 * (3 + 3)


def score(architecture, number):
    """Favours the last choice of every layer, and drifts with the trials as shared weights make it."""
    return 0.4 + 0.1 * sum(int(digit) for digit in architecture) / 4 + 0.001 * (number % 7)


def make_oracle(space=SPACE, search=SEARCH, seed=0, **kwargs):
    return EPNASOracle(space, search=search, seed=seed, **kwargs)


def make_tuner(directory, evaluate=score, oracle=None, **kwargs):
    return ScoringTuner(oracle or make_oracle(), evaluate, directory=directory, project_name="p", **kwargs)


def course(oracle):
    """Each trial's architecture, status and score, in order."""
    trials = [oracle.trials[trial_id] for trial_id in oracle.start_order]
    return [(read(oracle.space, t.hyperparameters.copy()), t.status, t.score) for t in trials]


@functools.cache
def direct(evaluate=score, seed=0, space=SPACE, search=SEARCH):
    """The course of the algorithm alone."""
    progressive, trials = ProgressiveSearch(space, search, seed=seed), []
    while progressive.advance():
        (candidate,) = progressive.ask()
        value = evaluate(candidate.architecture, candidate.number)
        progressive.tell(candidate, value)
        trials.append((candidate.architecture, "FAILED" if value is None else "COMPLETED", value))
    return trials


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A finished project, with a copy of it after each file that was written."""
    snapshots = Snapshots(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("copies"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle_module, "write_whole", snapshots.wrap(oracle_module.write_whole))
        tuner = make_tuner(snapshots.directory)
        tuner.search(verbose=0)
    return tuner, snapshots


class TestCourse:
    def test_is_that_of_the_algorithm(self, unbroken):
        assert course(unbroken[0].oracle) == direct()
        assert len(direct()) == NUM_TRIALS

    def test_seeds(self, tmp_path, unbroken):
        """0 is a seed like any other, although KerasTuner takes it for "any"."""
        search = SearchConfig(k=3, iterations=2, sampling="probability")
        oracle = make_oracle(search=search, seed=1)
        make_tuner(tmp_path, oracle=oracle).search(verbose=0)
        assert course(oracle) == direct(seed=1, search=search) != direct(search=search)
        assert (oracle.seed, unbroken[0].oracle.seed) == (1, 0)

    def test_values_are_of_the_architecture_alone(self, unbroken):
        for trial in unbroken[0].oracle.trials.values():
            values = trial.hyperparameters.values
            assert values == to_values(read(SPACE, trial.hyperparameters.copy()), SPACE)

    def test_shown(self, tmp_path, capsys):
        tuner = make_tuner(tmp_path)
        tuner.search(verbose=1)
        tuner.results_summary(num_trials=2)
        tuner.search_space_summary()
        shown = capsys.readouterr().out
        assert "Search: Running Trial #12" in shown
        assert f"Best val_accuracy So Far: {tuner.oracle.progressive.best[1]}" in shown

    def test_remaining_trials(self, tmp_path, unbroken):
        assert make_tuner(tmp_path).remaining_trials == NUM_TRIALS
        assert unbroken[0].remaining_trials == 0

    def test_max_trials_ends_it_early(self, tmp_path):
        tuner = make_tuner(tmp_path, oracle=make_oracle(max_trials=5))
        assert tuner.remaining_trials == 5
        tuner.search(verbose=0)
        assert [a for a, _, _ in course(tuner.oracle)] == [a for a, _, _ in direct()[:5]]


class TestBest:
    def test_whole_networks_first_and_each_once(self, unbroken):
        oracle = unbroken[0].oracle
        best = oracle.get_best_trials(100)
        architectures = [read(SPACE, trial.hyperparameters.copy()) for trial in best]
        assert len(set(architectures)) == len(architectures) == len({a for a, _, _ in direct()})
        depths = [len(a) for a in architectures]
        assert depths == sorted(depths, reverse=True)
        newest = {a: value for a, _, value in direct()}
        assert [trial.score for trial in best] == [newest[a] for a in architectures]
        whole = [ranked.architecture for ranked in oracle.progressive.ranking()]
        assert architectures[: len(whole)] == whole
        scores = [trial.score for trial in best[len(whole) :]]
        assert scores == sorted(scores, reverse=True)

    @pytest.mark.parametrize("evaluate", [score, lambda *_: 0.5], ids=["different", "equal"])
    def test_is_that_of_the_algorithm(self, tmp_path, evaluate):
        tuner = make_tuner(tmp_path, evaluate)
        tuner.search(verbose=0)
        best = tuner.oracle.get_best_trials()[0]
        architecture = read(SPACE, best.hyperparameters.copy())
        assert (architecture, best.score) == tuner.oracle.progressive.best

    def test_stays_when_a_finished_project_is_opened_again(self, tmp_path):
        def noisy(architecture, number):
            return score(architecture, number) + 0.1 * math.sin(number)

        tuner = make_tuner(tmp_path, noisy)
        tuner.search(verbose=0)
        again = make_tuner(tmp_path, noisy)
        assert [t.trial_id for t in again.oracle.get_best_trials(9)] == [
            t.trial_id for t in tuner.oracle.get_best_trials(9)
        ]
        assert again.oracle.progressive.surrogate.num_fits == tuner.oracle.progressive.surrogate.num_fits

    def test_nothing_yet(self):
        assert make_oracle().get_best_trials() == []


class TestFailures:
    def test_children_that_fail(self, tmp_path):
        """The course is the algorithm's, however many fail in a row, and failures are never the best."""

        def evaluate(architecture, number):
            if number in (1, 3, 4, 6, 7):
                return None
            return score(architecture, number)

        def raising(architecture, number):
            if evaluate(architecture, number) is None:
                raise keras_tuner.errors.FailedTrialError("diverged")
            return evaluate(architecture, number)

        tuner = make_tuner(tmp_path, raising, make_oracle(max_consecutive_failed_trials=None))
        tuner.search(verbose=0)
        assert course(tuner.oracle) == direct(evaluate)
        assert all(trial.status == "COMPLETED" for trial in tuner.oracle.get_best_trials(100))

    def test_a_whole_level_fails(self, tmp_path):
        def fail(*_):
            raise keras_tuner.errors.FailedTrialError("diverged")

        tuner = make_tuner(tmp_path, fail, make_oracle(max_consecutive_failed_trials=None))
        with pytest.raises(SearchError, match="Every child of level 1 in iteration 1 failed") as raised:
            tuner.search(verbose=0)
        assert "FailedTrialError: diverged" in raised.value.__notes__[0]
        assert [status for _, status, _ in course(tuner.oracle)] == ["FAILED"] * 3
        assert tuner.oracle.ongoing_trials == {}
        with pytest.raises(SearchError, match="Every child of level 1"):
            tuner.search(verbose=0)
        again = make_tuner(tmp_path, score, make_oracle(max_consecutive_failed_trials=None))
        assert again.oracle.get_best_trials() == []
        with pytest.raises(SearchError, match="Every child of level 1"):
            again.search(verbose=0)

    @pytest.mark.parametrize("iterations", [1, 2])
    def test_the_last_level_fails(self, tmp_path, iterations):
        """It is an error where no earlier pass has a result."""

        def evaluate(architecture, number):
            if number >= 6 * iterations - 3:
                raise keras_tuner.errors.FailedTrialError("diverged")
            return score(architecture, number)

        search = SearchConfig(k=3, iterations=iterations)
        tuner = make_tuner(tmp_path, evaluate, make_oracle(search=search, max_consecutive_failed_trials=None))
        if iterations == 1:
            with pytest.raises(SearchError, match="Every child of level 2 in iteration 1 failed"):
                tuner.search(verbose=0)
            return
        tuner.search(verbose=0)
        assert [status for _, status, _ in course(tuner.oracle)] == ["COMPLETED"] * 9 + ["FAILED"] * 3
        assert len(read(SPACE, tuner.oracle.get_best_trials()[0].hyperparameters.copy())) == 2

    def test_keras_tuners_own_limit(self, tmp_path):
        """With a tuner that takes bugs for failures, KerasTuner's limit stops the search and shows the bug."""

        def bug(*_):
            return 1 / 0

        tuner = make_tuner(tmp_path, bug)
        with pytest.raises(RuntimeError, match=r"(?s)consecutive failures exceeded the limit of 3.*ZeroDivisionError"):
            tuner.search(verbose=0)

    def test_retries(self, tmp_path):
        failed = []

        def flaky(architecture, number):
            if number % 5 == 2 and number not in failed:
                failed.append(number)
                raise ValueError("not yet")
            return score(architecture, number)

        tuner = make_tuner(tmp_path, flaky, make_oracle(max_retries_per_trial=1))
        tuner.search(verbose=0)
        assert failed == [2, 7]
        assert course(tuner.oracle) == direct()

    def test_score_that_is_no_accuracy(self, tmp_path):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\].*Received: score=1.5"):
            make_tuner(tmp_path, lambda *_: 1.5).search(verbose=0)

    def test_other_threads_are_not_locked_out(self, tmp_path):
        """KerasTuner keeps its lock where a method raises."""
        oracle = make_oracle()
        tuner = make_tuner(tmp_path, lambda *_: 1.5, oracle)
        with pytest.raises(ValueError, match="must be in"):
            tuner.search(verbose=0)
        thread = threading.Thread(target=lambda: oracle.update_trial("0000", {"val_accuracy": 0.5}), daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


class TestGoingOn:
    def test_from_every_file_that_was_written(self, unbroken):
        """A kill at any moment: the next process ends with the same trials."""
        _, snapshots = unbroken
        assert {name.split("/")[-1].split("-")[0] for name in snapshots.written} == {"oracle.json", "trial.json"}
        before, after = (
            [n for n, name in enumerate(snapshots.written) if name == f"p/trial_{trial:04d}/trial.json"]
            for trial in (8, 9)
        )
        # From the end of a level's last trial, over the fit and the choice of the next level, to its first trial's end.
        for number in range(before[-1], after[-1] + 3):
            tuner = make_tuner(snapshots.path(number))
            tuner.search(verbose=0)
            assert course(tuner.oracle) == direct(), f"after {number}: {snapshots.written[number]}"
            assert len(tuner.oracle.end_order) == len(set(tuner.oracle.end_order)) == NUM_TRIALS

    def test_after_an_error(self, tmp_path):
        calls = []

        def stop(architecture, number):
            calls.append(number)
            if number == 5 and calls.count(5) == 1:
                raise keras_tuner.errors.FatalError("stop")
            return score(architecture, number)

        tuner = make_tuner(tmp_path, stop)
        with pytest.raises(keras_tuner.errors.FatalError):
            tuner.search(verbose=0)
        again = make_tuner(tmp_path, stop)
        again.search(verbose=0)
        assert course(again.oracle) == direct()
        tuner.search(verbose=0)  # and so does the first one, which is still there
        assert course(tuner.oracle) == direct()

    def test_finished(self, unbroken):
        _, snapshots = unbroken

        def never(*_):
            raise keras_tuner.errors.FatalError("nothing is left to do")

        tuner = make_tuner(snapshots.directory, never)
        tuner.search(verbose=0)
        assert tuner.remaining_trials == 0
        assert tuner.oracle.get_best_trials()[0].score == tuner.oracle.progressive.best[1]

    def test_two_workers_under_way(self, tmp_path):
        """Trials that are out are run again, and those that had ended before them are not."""
        oracle = make_oracle()
        make_tuner(tmp_path, oracle=oracle)
        oracle.verbose = 0
        out = [oracle.create_trial(f"worker{number}") for number in range(3)]
        assert oracle.create_trial("worker3").status == "IDLE"
        out[1].status = "COMPLETED"
        oracle.update_trial(out[1].trial_id, {"val_accuracy": score(oracle._architecture(out[1]), 1)})
        oracle.end_trial(out[1])
        (tmp_path / "p" / "tuner0.json").write_text("{}")
        numbers = []

        def noting(architecture, number):
            numbers.append(number)
            return score(architecture, number)

        tuner = make_tuner(tmp_path, noting)
        tuner.search(verbose=0)
        assert sorted(numbers) == [0, *range(2, NUM_TRIALS)]
        assert course(tuner.oracle) == direct()

    def test_what_another_project_left(self, unbroken):
        """Without KerasTuner's own file of the tuner, a project starts anew."""
        _, snapshots = unbroken
        directory = snapshots.path(len(snapshots.written) - 1)
        (directory / "p" / "tuner0.json").unlink()
        tuner = make_tuner(directory, lambda *_: 0.5)
        tuner.search(verbose=0)
        assert [s for _, _, s in course(tuner.oracle)] == [0.5] * NUM_TRIALS
        assert course(make_tuner(directory).oracle) == course(tuner.oracle)

    def test_surrogate_files_do_not_grow(self, unbroken):
        names = [file.name for file in (unbroken[1].directory / "p" / "surrogate").iterdir()]
        assert sorted(names) == ["fit-000002.npz", "fit-000003.npz"]

    def test_overwrite(self, unbroken, tmp_path):
        shutil.copytree(unbroken[1].directory, tmp_path, dirs_exist_ok=True)
        tuner = make_tuner(tmp_path, overwrite=True)
        assert tuner.oracle.trials == {}
        assert tuner.remaining_trials == NUM_TRIALS


class TestProjectsOfOthers:
    def test_another_oracle(self, tmp_path):
        other = keras_tuner.oracles.RandomSearchOracle("val_accuracy", max_trials=2)
        other.space = SPACE
        read(SPACE, other.hyperparameters)
        make_tuner(tmp_path, oracle=other).search(verbose=0)
        with pytest.raises(StateError, match="belongs to another oracle"):
            make_tuner(tmp_path)

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"space": ChainSpace(layers=3)}, "must be of the space.*Received"),
            ({"space": MacroSpace(2)}, "must be of the space.*Received"),
            ({"seed": 1}, "other settings.*Received: seed: 0 there, 1 now$"),
            ({"search": SearchConfig(k=4, iterations=2)}, "k: 3 there, 4 now$"),
        ],
    )
    def test_other_settings(self, unbroken, kwargs, message):
        with pytest.raises(StateError, match=message):
            make_tuner(unbroken[1].directory, oracle=make_oracle(**kwargs))

    def test_broken_file(self, unbroken, tmp_path):
        shutil.copytree(unbroken[1].directory, tmp_path, dirs_exist_ok=True)
        file = tmp_path / "p" / "oracle.json"
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(RunDirectoryError, match=r"cannot be read. Received"):
            make_tuner(tmp_path)

    def test_lost_surrogate(self, unbroken, tmp_path):
        shutil.copytree(unbroken[1].directory, tmp_path, dirs_exist_ok=True)
        for file in (tmp_path / "p" / "surrogate").iterdir():
            file.unlink()
        with pytest.raises(StateError, match=r"surrogate that oracle.json speaks of is not there"):
            make_tuner(tmp_path)


class TestObjective:
    @pytest.mark.parametrize(
        "objective",
        ["val_loss", keras_tuner.Objective("val_accuracy", "min"), ["val_accuracy", "accuracy"], None],
        ids=str,
    )
    def test_refused(self, objective):
        with pytest.raises(ConfigError, match=r"one metric to maximise. Received"):
            EPNASOracle(SPACE, objective)

    def test_other_metric_to_maximise(self):
        assert EPNASOracle(SPACE, keras_tuner.Objective("f1", "max")).objective.name == "f1"


@pytest.mark.usefixtures("without_jit")
def test_plain_tuner_without_shared_weights(tmp_path):
    """KerasTuner's own Tuner: a fresh model for each trial, with its own fit and checkpoints."""
    hypermodel = make_hypermodel()
    oracle = make_oracle(hypermodel.space, SearchConfig(k=1, iterations=1))
    tuner = keras_tuner.Tuner(oracle, hypermodel, directory=tmp_path, project_name="plain")
    x, y, validation = split_digits(200)
    tuner.search(x, y, validation_data=validation, epochs=1, verbose=0)
    assert [status for _, status, _ in course(oracle)] == ["COMPLETED"] * 3
    model = tuner.get_best_models()[0]
    measured = model.evaluate(*validation, verbose=0)[1]
    np.testing.assert_allclose(measured, oracle.get_best_trials()[0].score, atol=1e-6)
    assert json.loads((tmp_path / "plain" / "oracle.json").read_text())["epnas"]["fits"] == 1


def test_space_of_another_type_is_refused():
    with pytest.raises(ConfigError, match=r"`space` must be a SearchSpace. Received: "):
        EPNASOracle("macro")
