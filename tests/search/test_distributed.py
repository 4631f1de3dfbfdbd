"""A real chief and two workers of KerasTuner, over loopback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.search import kt_worker

NUM_TRIALS = 2 + 4
TIMEOUT = 150


def start(directory, name, port, output):
    environment = {
        **os.environ,
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.search.kt_worker", str(directory), "2"],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdout=out,
            stderr=err,
        )


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the three processes printed."""
    directory, logs = tmp_path_factory.mktemp("tuning"), tmp_path_factory.mktemp("logs")
    port, names = free_port(), ("chief", "worker0", "worker1")
    processes = {name: start(directory, name, port, logs / name) for name in names}
    try:
        codes = {name: process.wait(TIMEOUT) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
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
