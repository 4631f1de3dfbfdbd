import pytest

from epnas_tf.config import SearchConfig
from epnas_tf.errors import ConfigError, SearchError
from epnas_tf.tuner import chief as chief_module
from epnas_tf.tuner.chief import FAREWELL_SECONDS, PATIENCE, ChiefOracle
from epnas_tf.tuner.oracle import EPNASOracle
from tests.space.chain_space import ChainSpace
from tests.tuner.kt_helpers import ScoringTuner
from tests.tuner.test_workers import Clock, let_pass

SPACE = ChainSpace(layers=2)
TIMEOUT = 60.0


@pytest.fixture
def chief(tmp_path, monkeypatch):
    """The oracle of a chief whose clock stands still, and which nobody watches."""
    for name, value in (("TUNER_ID", "chief"), ("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    monkeypatch.setattr(ChiefOracle, "_begin_to_watch", lambda self: None)
    return lambda **kwargs: make(tmp_path, monkeypatch, **kwargs)


def make(directory, monkeypatch, **kwargs):
    clock = Clock()
    monkeypatch.setattr(chief_module.WorkerWatch.__init__, "__defaults__", (clock,))
    search = SearchConfig(k=3, iterations=1)
    oracle = EPNASOracle(SPACE, search=search, worker_timeout=TIMEOUT, **kwargs)
    ScoringTuner(oracle, None, directory=directory, project_name="p")
    oracle.verbose = 0
    return oracle, clock


def look_for(oracle, clock, seconds):
    """Lets time pass, and returns whether the chief then has nothing more to wait for."""
    let_pass(oracle._watch, clock, seconds - 5)
    clock.now += 5
    return oracle._look_at_workers()


def report(oracle, trial, value=0.5, status="COMPLETED"):
    if status == "COMPLETED":
        oracle.update_trial(trial.trial_id, {"val_accuracy": value})
    trial.status = status
    oracle.end_trial(trial)


def test_trial_of_a_silent_worker_goes_to_the_next_that_asks(chief, capsys):
    oracle, clock = chief()
    dead, alive = oracle.create_trial("worker0"), oracle.create_trial("worker1")
    look_for(oracle, clock, 30)
    assert "trial 0000 of worker0, silent for 30 s; another gets it after 60 s" in capsys.readouterr().err
    report(oracle, alive)
    last = oracle.create_trial("worker1")
    oracle.get_trial(last.trial_id)  # shows that it lives
    look_for(oracle, clock, 30)
    report(oracle, last)
    taken = oracle.create_trial("worker1")
    assert taken.trial_id == dead.trial_id
    assert taken.hyperparameters.values == dead.hyperparameters.values
    assert "Trial 0000 of worker0, silent for 60 s, goes to worker1" in capsys.readouterr().err
    report(oracle, taken, 0.25)
    assert [oracle.trials[trial].score for trial in oracle.end_order] == [0.5, 0.5, 0.25]
    assert oracle.progressive.num_told == 3


def test_restart_under_the_same_tuner_id_goes_on(chief):
    oracle, clock = chief()
    trial = oracle.create_trial("worker0")
    look_for(oracle, clock, 90)
    assert oracle.create_trial("worker0").trial_id == trial.trial_id
    look_for(oracle, clock, 55)
    assert oracle.create_trial("worker1").trial_id != trial.trial_id


@pytest.mark.parametrize("moment", ["before it is taken", "while another runs it", "after another reported it"])
def test_report_of_a_worker_that_was_only_slow_counts_once(chief, moment, capsys):
    oracle, clock = chief()
    slow = oracle.create_trial("worker0")
    if moment == "before it is taken":
        look_for(oracle, clock, 90)
        oracle._take_from_silent_worker("worker1")
        report(oracle, slow, 0.25)
        assert oracle.create_trial("worker1").trial_id != slow.trial_id
    else:
        look_for(oracle, clock, 90)
        taken = oracle.create_trial("worker1")
        assert taken.trial_id == slow.trial_id
        first, second = (slow, taken) if moment == "while another runs it" else (taken, slow)
        report(oracle, first, 0.25)
        report(oracle, second, 0.75)
        assert "Trial 0000 was handed on, and is reported a second time" in capsys.readouterr().err
    assert oracle.end_order == ["0000"]
    assert oracle.trials["0000"].score == 0.25
    assert oracle.progressive.num_told == 1


def test_reports_that_cross(chief):
    """Both workers measure before either ends the trial."""
    oracle, clock = chief()
    slow = oracle.create_trial("worker0")
    look_for(oracle, clock, 90)
    taken = oracle.create_trial("worker1")
    oracle.update_trial("0000", {"val_accuracy": 0.25})
    oracle.update_trial("0000", {"val_accuracy": 0.75})
    for trial in (taken, slow):
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert (oracle.trials["0000"].score, oracle.end_order) == (0.25, ["0000"])


def test_dead_worker_without_a_trial_is_not_waited_for(chief, capsys):
    oracle, clock = chief()
    trials = [oracle.create_trial(f"worker{number}") for number in range(3)]
    assert oracle.create_trial("worker3").status == "IDLE"
    for number, trial in enumerate(trials):
        look_for(oracle, clock, 20)
        report(oracle, trial)
        oracle._watch.hear(f"worker{number}")
    assert "worker3" not in oracle.tuner_ids
    assert "worker3 has not asked for 60 s, and is no longer waited for" in capsys.readouterr().err


def test_worker_waits_where_others_may_fail_to_end_the_last_trials(chief):
    """KerasTuner would tell it to stop at `max_trials`, and nobody would be left to take a dead worker's trial."""
    oracle, clock = chief(max_trials=2)
    dead, alive = oracle.create_trial("worker0"), oracle.create_trial("worker1")
    report(oracle, alive)
    assert oracle.create_trial("worker1").status == "IDLE"
    look_for(oracle, clock, 60)
    taken = oracle.create_trial("worker1")
    assert taken.trial_id == dead.trial_id
    report(oracle, taken)
    assert oracle.create_trial("worker1").status == "STOPPED"
    assert look_for(oracle, clock, 5)
    oracle.get_best_trials()
    assert oracle.tuner_ids == set()


def test_chief_waits_for_the_last_question_of_workers_that_were_told_to_stop(chief):
    oracle, clock = chief(max_trials=2)
    for trial in [oracle.create_trial("worker0"), oracle.create_trial("worker1")]:
        report(oracle, trial)
    assert {oracle.create_trial(f"worker{number}").status for number in range(2)} == {"STOPPED"}
    assert oracle.tuner_ids
    oracle.get_best_trials()
    assert oracle.tuner_ids
    clock.now += FAREWELL_SECONDS  # the other one is dead, or never asks
    assert oracle.tuner_ids == set()


def test_no_worker_is_left(chief):
    oracle, clock = chief()
    oracle.create_trial("worker0")
    assert not look_for(oracle, clock, PATIENCE * TIMEOUT - 5)
    assert look_for(oracle, clock, 5)
    with pytest.raises(SearchError, match=r"No worker has called for 600 s, and 6 trials.*trial 0000 of worker0"):
        oracle.tuner_ids  # noqa: B018  (as KerasTuner's chief does)
    assert oracle.create_trial("chief").status == "STOPPED"


def test_failure_is_raised_to_the_chief_once_nobody_is_there(chief):
    oracle, clock = chief(max_consecutive_failed_trials=2)
    first, second, third = (oracle.create_trial(f"worker{number}") for number in range(3))
    report(oracle, first, status="FAILED")
    with pytest.raises(RuntimeError, match="exceeded the limit of 2"):
        report(oracle, second, status="FAILED")
    assert oracle.create_trial("worker0").status == "STOPPED"
    oracle.get_best_trials()  # as it does then
    assert oracle.tuner_ids == {"worker1", "worker2"}
    assert look_for(oracle, clock, 60)  # the two are gone, with what they ran
    with pytest.raises(SearchError, match="RuntimeError: Number of consecutive failures exceeded the limit of 2"):
        oracle.tuner_ids  # noqa: B018
    assert third.status == "RUNNING"


def test_score_that_is_no_accuracy_ends_the_chief(chief):
    """Handed on, the trial would end every worker in turn."""
    oracle, _ = chief()
    trial = oracle.create_trial("worker0")
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        report(oracle, trial, 1.5)
    assert oracle.create_trial("worker1").status == "STOPPED"
    oracle._drop("worker0")
    oracle.get_best_trials()
    with pytest.raises(SearchError, match=r"ValueError: `score` of trial 0 must be in \[0, 1\]"):
        oracle.tuner_ids  # noqa: B018


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")  # KerasTuner looks for the best of the values
def test_retried_trial_forgets_its_first_metrics(chief):
    """KerasTuner would take the mean of both times, which is NaN after a NaN."""
    oracle, _ = chief(max_retries_per_trial=1)
    trial = oracle.create_trial("worker0")
    report(oracle, trial, float("nan"))
    again = oracle.create_trial("worker0")
    assert again.trial_id == trial.trial_id
    report(oracle, again, 0.5)
    assert oracle.trials["0000"].score == 0.5


@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan"), "a", None])
def test_timeout_that_is_none(seconds):
    with pytest.raises(ConfigError, match=r"`worker_timeout` must be seconds above 0. Received"):
        EPNASOracle(SPACE, worker_timeout=seconds)
