"""A real chief and two workers of KerasTuner, over loopback."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuner import kt_worker

NUM_TRIALS = 2 + 4
TIMEOUT = 300
"""Seconds, of which a quiet machine needs a tenth."""


def start(directory, name, port, output, module="kt_worker", arguments=("2",)):
    environment = {
        **os.environ,
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", f"tests.tuner.{module}", str(directory), *arguments],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdout=out,
            stderr=err,
        )


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def exit_codes(processes):
    """Waits for all processes, and leaves none behind."""
    try:
        return {name: process.wait(TIMEOUT) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the three processes printed."""
    directory, logs = tmp_path_factory.mktemp("tuning"), tmp_path_factory.mktemp("logs")
    port, names = free_port(), ("chief", "worker0", "worker1")
    processes = {name: start(directory, name, port, logs / name) for name in names}
    codes = exit_codes(processes)
    assert codes == dict.fromkeys(names, 0), {name: (logs / f"{name}.err").read_text()[-2000:] for name in names}
    return directory, {name: (logs / name).read_text().splitlines() for name in names}


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
    port, project = free_port(), tmp_path / "tuning"
    project.mkdir()
    roles = {"chief": "steady"} | {f"worker{n}": behaviour for n, behaviour in enumerate(behaviours)}
    processes = {
        name: start(project, name, port, tmp_path / name, "kt_mortal", (kind, behaviour, str(len(behaviours))))
        for name, behaviour in roles.items()
    }
    codes = exit_codes(processes)
    printed = {name: (tmp_path / name).read_text().splitlines() for name in roles}
    return codes, printed, {name: (tmp_path / f"{name}.err").read_text() for name in roles}


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
