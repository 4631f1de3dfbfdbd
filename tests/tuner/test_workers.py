import socket
import threading

import pytest

from epnas_tf.errors import ConfigError
from epnas_tf.tuner.workers import (
    ChiefWatch,
    WorkerWatch,
    refuse_taken_port,
    seconds_between_signs,
    signs_of_life,
)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def watched(timeout=60.0):
    clock = Clock()
    return WorkerWatch(timeout, clock), clock


def let_pass(watch, clock, seconds, step=5.0):
    """Lets time pass as the chief's thread sees it, which looks every few seconds."""
    for _ in range(round(seconds / step)):
        clock.now += step
        watch.look()


def test_worker_is_silent_after_the_timeout_and_heard_again():
    watch, clock = watched()
    watch.hear("worker0")
    let_pass(watch, clock, 55)
    assert watch.silent == set()
    let_pass(watch, clock, 5)
    assert watch.silent == {"worker0"}
    watch.hear("worker0")
    assert watch.silent == set()
    assert watch.silence("worker0") == watch.silence_of_all == 0


def test_time_that_the_chief_was_busy_is_no_silence():
    """While it fits the surrogate, calls wait."""
    watch, clock = watched()
    watch.hear("worker0")
    let_pass(watch, clock, 30)
    clock.now += 500
    watch.look()
    assert watch.silent == set()
    assert watch.silence("worker0") == watch.silence_of_all == pytest.approx(35)


def test_silence_is_told_from_half_the_timeout_on_and_ever_less_often():
    watch, clock = watched()
    watch.hear("worker0")
    told = []
    for _ in range(60):
        let_pass(watch, clock, 5)
        if watch.is_to_be_told("worker0"):
            told.append(watch.silence("worker0"))
    assert told == [30, 60, 120, 240]


def test_nobody_was_heard_yet():
    watch, clock = watched()
    let_pass(watch, clock, 1000)
    assert watch.silence_of_all == 0
    assert watch.silent == set()


@pytest.mark.parametrize(("timeout", "seconds"), [(60, 5.0), (2, 0.5)])
def test_several_signs_within_a_timeout(timeout, seconds):
    assert seconds_between_signs(timeout) == seconds


def test_signs_of_life_go_on_after_errors_and_end_with_the_block():
    enough, calls = threading.Event(), []

    def call():
        calls.append(None)
        if len(calls) == 3:
            enough.set()
        raise ConnectionError

    with signs_of_life(call, 0.01):
        assert enough.wait(10)
    thread = next((t for t in threading.enumerate() if t.name == "epnas_signs_of_life"), None)
    if thread is not None:
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def chief(monkeypatch):
    """A socket that listens where the chief is to be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(server.getsockname()[1]))
        yield server


def test_worker_says_that_no_chief_answers(chief, capsys):
    clock = Clock()
    watch = ChiefWatch(clock)

    def lines(seconds):
        for _ in range(seconds // 5):
            clock.now += 5
            watch.look()
        return capsys.readouterr().err.splitlines()

    assert not lines(60)
    port = chief.getsockname()[1]
    chief.close()
    told = lines(60)
    assert [line.split(" (")[0] for line in told] == [
        f"No chief at 127.0.0.1:{port} for {seconds} s" for seconds in (5, 10, 20, 40)
    ]
    with socket.create_server(("127.0.0.1", port)):
        assert not lines(30)


def test_two_chiefs_at_one_port(chief):
    with pytest.raises(
        ConfigError, match=r"a port that no other process has. Received: 127.0.0.1:\d+ \(Address already"
    ):
        refuse_taken_port()
    chief.close()
    refuse_taken_port()


@pytest.mark.parametrize("port", ["", "http", "70000"])
def test_port_that_is_none(port, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", port)
    with pytest.raises(ConfigError, match="KERASTUNER_ORACLE_PORT must be a port"):
        refuse_taken_port()
