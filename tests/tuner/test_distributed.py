"""A real chief and two workers of KerasTuner, over loopback."""

import json
import re
import signal

import pytest

from tests.bin import runs
from tests.tuner import kt_worker

NUM_TRIALS = 2 + 4


def run_fleet(logs, module, arguments):
    """Runs a process for each name in `arguments`; returns the exit codes, what was printed, and the errors."""
    named = [f"{name}={json.dumps(list(map(str, values)))}" for name, values in arguments.items()]
    done = runs.program("tests.tuner.kt_fleet", logs, f"tests.tuner.{module}", *named)
    assert done.returncode == 0, done.stderr
    printed = {name: (logs / name).read_text().splitlines() for name in arguments}
    return json.loads(done.stdout), printed, {name: (logs / f"{name}.err").read_text() for name in arguments}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the three processes printed."""
    directory, logs = tmp_path_factory.mktemp("tuning"), tmp_path_factory.mktemp("logs")
    names = ("chief", "worker0", "worker1")
    codes, printed, errors = run_fleet(logs, "kt_worker", dict.fromkeys(names, (directory, 2)))
    assert codes == dict.fromkeys(names, 0), {name: text[-2000:] for name, text in errors.items()}
    return directory, printed


def test_every_child_is_trained_once_and_told(outputs):
    _, lines = outputs
    results = {name: json.loads(printed[-1]) for name, printed in lines.items()}
    assert sorted(results["worker0"]["trials"] + results["worker1"]["trials"]) == [
        f"{n:04d}" for n in range(NUM_TRIALS)
    ]
    assert sorted(results["chief"]["trials"]) == [f"{n:04d}" for n in range(NUM_TRIALS)]
    assert results["chief"]["told"] == NUM_TRIALS
    for name in ("worker0", "worker1"):
        levels = {int(trial) >= 2 for trial in results[name]["trials"]}
        assert levels == {False, True}, f"{name} has trained {results[name]['trials']}"
    assert results["worker0"]["best"] == results["worker1"]["best"]
    assert results["worker0"]["best"]["layers"] == 2
    assert "own" in {results[name]["models"] for name in ("worker0", "worker1")}


def test_waiting_workers_sleep(outputs):
    """Worker 0 waits some seconds for worker 1 at the end of the first level, and asks a few times only."""
    results = {name: json.loads(printed[-1]) for name, printed in outputs[1].items()}
    waits = results["worker0"]["questions"] - len(results["worker0"]["trials"])
    assert 3 <= waits <= (kt_worker.SLOW_SECONDS + 20) / kt_worker.IDLE_SECONDS


def test_nothing_else_is_printed(outputs):
    """KerasTuner 1.4.8 has left a `print` in what it sends."""
    for name in ("worker0", "worker1", "chief"):
        assert len(outputs[1][name]) == 1, outputs[1][name][:5]


def test_each_worker_has_its_own_store(outputs):
    names = {file.name.split("-")[0] for file in (outputs[0] / "project" / "shared_weights").iterdir()}
    assert names == {"worker0", "worker1"}


def run_mortal(tmp_path, kind, behaviours):
    """Runs a chief and a worker for each behaviour, and returns the exit codes and what was printed."""
    project = tmp_path / "tuning"
    project.mkdir()
    roles = {"chief": "steady"} | {f"worker{n}": behaviour for n, behaviour in enumerate(behaviours)}
    arguments = {name: (project, kind, behaviour, len(behaviours)) for name, behaviour in roles.items()}
    return run_fleet(tmp_path, "kt_mortal", arguments)


def test_trial_of_a_worker_that_was_killed_goes_to_another(tmp_path):
    codes, printed, errors = run_mortal(tmp_path, "epnas", ["steady", "dies"])
    assert codes == {"chief": 0, "worker0": 0, "worker1": -signal.SIGKILL}, errors
    trials = [f"{number:04d}" for number in range(2 + 3)]
    assert sorted(json.loads(printed["worker0"][-1])) == trials
    chief = json.loads(printed["chief"][-1])
    assert (sorted(chief["ended"]), chief["told"]) == (trials, len(trials))
    lines = errors["chief"]
    assert re.search(r"Waiting for trial 000\d of worker1, silent for \d+ s; another gets it after 8 s", lines)
    assert len(re.findall(r"Trial 000\d of worker1, silent for \d+ s, goes to worker0", lines)) == 1


def test_keras_tuners_own_tuner_with_a_late_worker_that_dies(tmp_path):
    """A report that comes too late counts no second time; after it the worker dies, and its next trial is handed on."""
    codes, printed, errors = run_mortal(tmp_path, "plain", ["steady", "late"])
    assert codes == {"chief": 0, "worker0": 0, "worker1": -signal.SIGKILL}, errors
    trials = [f"{number:04d}" for number in range(2 + 3)]
    chief = json.loads(printed["chief"][-1])
    assert (sorted(chief["ended"]), chief["told"]) == (trials, len(trials))
    assert chief["scores"] == {trial: pytest.approx(0.5 + 0.01 * int(trial)) for trial in trials}
    assert "was handed on, and is reported a second time" in errors["chief"]
    assert re.search(r"Trial 000\d of worker1, silent for \d+ s, goes to worker0", errors["chief"])


def test_chief_without_a_worker_that_lives_ends_with_an_error(tmp_path):
    codes, _, errors = run_mortal(tmp_path, "plain", ["dies"])
    assert codes == {"chief": 1, "worker0": -signal.SIGKILL}, errors
    message = r"SearchError: No worker has called for \d+ s, and 5 trials are left.*Received: trial 0000 of worker0"
    assert re.search(message, errors["chief"])


def test_the_documented_program_searches_as_chief_and_as_worker(tmp_path):
    names = ("chief", "worker0", "worker1")
    codes, printed, errors = run_fleet(tmp_path, "kt_documented", dict.fromkeys(names, (tmp_path,)))
    assert codes == dict.fromkeys(names, 0), {name: text[-2000:] for name, text in errors.items()}
    assert all("Results summary" in lines for lines in printed.values())
    assert len(list((tmp_path / "tuning" / "digits").glob("trial_*"))) == 6  # one layer, for speed
