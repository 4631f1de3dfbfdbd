"""Signs of life of KerasTuner's workers, which may die in the middle of a trial.

Each call to the chief's oracle is a sign of life. `EPNASTuner` calls every few seconds (`signs_of_life`), KerasTuner's
own tuners only when a trial begins and ends.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from epnas_tf.errors import ConfigError

WORKER_TIMEOUT = 60.0
"""Seconds that a worker may be silent; it gives a sign of life every 5 of them."""

SIGN_SECONDS = 5.0
"""The maximum interval between signs of life of an `EPNASTuner` worker, and between the chief's checks."""

SIGNS = 4
"""The minimum number of signs of life within the timeout."""


def seconds_between_signs(timeout: float) -> float:
    """Returns the interval between signs of life for a timeout, in seconds."""
    return min(SIGN_SECONDS, timeout / SIGNS)


class WorkerWatch:
    """The chief's record of how long each worker has been silent; in `ChiefWatch`, a worker's of the chief.

    Args:
        timeout: seconds after which a worker counts as silent.
        clock: returns increasing seconds.

    Attributes:
        now: the clock.
        silent: the workers that count as silent; updated by `look`.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self.silent: set[str] = set()
        self.now = clock
        self._heard: dict[str, float] = {}
        self._anybody: float | None = None  # when any worker was heard last
        self._looked = clock()
        self._told: dict[str, float] = {}  # the silence that is to be told of next, in seconds

    def hear(self, worker: str) -> None:
        """Records a sign of life."""
        self.forget(worker)
        self._heard[worker] = self._anybody = self.now()

    def forget(self, worker: str) -> None:
        """Stops tracking a worker."""
        self._heard.pop(worker, None)
        self._told.pop(worker, None)
        self.silent.discard(worker)

    def look(self) -> None:
        """Updates the silent workers. Time in which the chief itself was busy or stopped does not count as silence."""
        now, interval = self.now(), seconds_between_signs(self.timeout)
        busy = now - self._looked - interval
        if busy > interval:
            self._heard = {worker: heard + busy for worker, heard in self._heard.items()}
            self._anybody = self._anybody and self._anybody + busy
        self._looked = now
        self.silent = {worker for worker in self._heard if self.silence(worker) >= self.timeout}

    def silence(self, worker: str) -> float:
        """Returns the seconds since a worker's last sign of life."""
        return self.now() - self._heard.setdefault(worker, self.now())

    @property
    def silence_of_all(self) -> float:
        """The seconds since the last sign of life of any worker; 0 before the first one."""
        return 0.0 if self._anybody is None else self.now() - self._anybody

    def is_to_be_told(self, worker: str) -> bool:
        """Whether to report a worker's silence: from half the timeout on, each time it has doubled."""
        silence, due = self.silence(worker), self._told.get(worker, self.timeout / 2)
        if silence < due:
            return False
        self._told[worker] = 2 * silence
        return True


def chief_address() -> tuple[str, int]:
    """Reads the chief's host and port from KerasTuner's environment variables.

    Raises:
        ConfigError: if the port is not a number.
    """
    host, port = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ConfigError(f"KERASTUNER_ORACLE_PORT must be a port, 1 to 65535. Received: {port!r}")
    return host, int(port)


def refuse_taken_port() -> None:
    """Refuses to start a chief at a port that another process serves, since workers would get trials of both.

    gRPC lets several processes serve one port.

    Raises:
        ConfigError: if the port is taken, or the host is not one of this machine.
    """
    host, port = chief_address()
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ConfigError(
            "The chief serves KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT: an address of this machine, and a port "
            f"that no other process has. Received: {host}:{port} ({str(error.strerror).split(' (')[0]})"
        ) from error


class ChiefWatch:
    """A worker's message that no chief answers, for whom KerasTuner's client waits silently, up to an hour per call.

    Args:
        clock: returns increasing seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._host, self._port = chief_address()
        self._watch = WorkerWatch(2 * SIGN_SECONDS, clock)  # which tells from half of that on
        self._watch.hear("chief")

    def look(self) -> None:
        """Probes the chief's port, and prints a line after `SIGN_SECONDS` of silence and whenever that has doubled."""
        try:
            socket.create_connection((self._host, self._port), timeout=SIGN_SECONDS).close()
            self._watch.hear("chief")
        except OSError as error:
            if self._watch.is_to_be_told("chief"):
                where, silence = f"{self._host}:{self._port}", self._watch.silence("chief")
                say(f"No chief at {where} for {silence:.0f} s ({error}); waiting. Started again, it goes on.")


@contextlib.contextmanager
def signs_of_life(call: Callable[[], Any], seconds: float) -> Iterator[None]:
    """Calls a function every few seconds from another thread while the block runs.

    Args:
        call: the function. Its failures, such as without a chief, are left to the block's own calls to report.
        seconds: the interval.
    """
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(seconds):
            with contextlib.suppress(Exception):
                call()

    threading.Thread(target=run, name="epnas_signs_of_life", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def say(line: str) -> None:
    """Prints a line to standard error, apart from results."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def signs_of_worker(oracle: Any, running: Callable[[], str | None]) -> Iterator[None]:
    """Sends signs of life to the chief, and warns the user if the chief does not answer.

    Args:
        oracle: KerasTuner's client of the chief's oracle.
        running: returns the id of the running trial, None between trials.
    """
    seconds = seconds_between_signs(getattr(oracle._oracle, "worker_timeout", WORKER_TIMEOUT))

    def show() -> Any:
        trial_id = running()
        return trial_id and oracle.get_trial(trial_id)

    with signs_of_life(show, seconds), signs_of_life(ChiefWatch().look, SIGN_SECONDS):
        yield
