"""Signs of life of KerasTuner's workers, which may die in the middle of a trial.

A worker shows that it lives with each call that reaches the chief's oracle. `EPNASTuner` calls every few seconds
(`signs_of_life`); KerasTuner's own tuners only when a trial begins and ends.
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
"""How often a worker of `EPNASTuner` shows that it lives, and how often the chief looks, at most."""

SIGNS = 4
"""How many signs of life a worker gives, at least, until it counts as silent."""


def seconds_between_signs(timeout: float) -> float:
    """Returns how often a worker calls that counts as silent after `timeout` seconds."""
    return min(SIGN_SECONDS, timeout / SIGNS)


class WorkerWatch:
    """How long each worker has been silent, as the chief sees it.

    Args:
        timeout: seconds after which a worker counts as silent.
        clock: seconds, growing.

    Attributes:
        silent: the workers that count as silent; brought up to date by `look`.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self.silent: set[str] = set()
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._anybody: float | None = None  # when any worker was heard last
        self._looked = clock()
        self._told: dict[str, float] = {}  # the silence that is to be told of next, in seconds

    def hear(self, worker: str) -> None:
        """Notes a sign of life."""
        self._heard[worker] = self._anybody = self._clock()
        self._told.pop(worker, None)
        self.silent.discard(worker)

    def forget(self, worker: str) -> None:
        """No longer counts a worker's silence."""
        self._heard.pop(worker, None)
        self._told.pop(worker, None)
        self.silent.discard(worker)

    def look(self) -> None:
        """Finds the silent workers. The time that the chief itself was busy or stopped is no silence of theirs."""
        now, interval = self._clock(), seconds_between_signs(self.timeout)
        busy = now - self._looked - interval
        if busy > interval:
            self._heard = {worker: heard + busy for worker, heard in self._heard.items()}
            self._anybody = self._anybody and self._anybody + busy
        self._looked = now
        self.silent = {worker for worker in self._heard if self.silence(worker) >= self.timeout}

    def silence(self, worker: str) -> float:
        """Returns for how many seconds a worker has been silent."""
        return self._clock() - self._heard.setdefault(worker, self._clock())

    @property
    def silence_of_all(self) -> float:
        """For how many seconds no worker at all was heard; 0 before the first one."""
        return 0.0 if self._anybody is None else self._clock() - self._anybody

    def is_to_be_told(self, worker: str) -> bool:
        """Tells whether a worker's silence is worth a line: from half the timeout on, each time it has doubled."""
        silence, due = self.silence(worker), self._told.get(worker, self.timeout / 2)
        if silence < due:
            return False
        self._told[worker] = 2 * silence
        return True


def chief_address() -> tuple[str, int]:
    """Returns the chief's host and port, as KerasTuner's environment variables say.

    Raises:
        ConfigError: if the port is no number.
    """
    host, port = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ConfigError(f"KERASTUNER_ORACLE_PORT must be a port, 1 to 65535. Received: {port!r}")
    return host, int(port)


def refuse_tuner_id() -> None:
    """Refuses a KERASTUNER_TUNER_ID that is no part of a file's name: the files of a worker are called by it.

    Raises:
        ConfigError: if it has a slash.
    """
    tuner_id = os.environ.get("KERASTUNER_TUNER_ID", "")
    if os.sep in tuner_id:
        raise ConfigError(f"KERASTUNER_TUNER_ID must have no slash. Received: {tuner_id}. Choose a name like worker0.")


def refuse_taken_port() -> None:
    """Refuses to be the chief at a port that another process serves: of two chiefs, workers would get both's trials.

    gRPC lets several processes serve one port.

    Raises:
        ConfigError: if the port is taken, or the host is none of this machine's.
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
    """Says on a worker that no chief answers, for which KerasTuner's client waits in silence, an hour for each call.

    Args:
        clock: seconds, growing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = chief_address()
        self._clock = clock
        self._heard = clock()
        self._told = SIGN_SECONDS  # the silence that is told of next, in seconds

    def look(self) -> None:
        """Knocks at the chief's port; a line comes after `SIGN_SECONDS` of silence, and whenever that has doubled."""
        try:
            socket.create_connection(self._address, timeout=SIGN_SECONDS).close()
        except OSError as error:
            silence = self._clock() - self._heard
            if silence >= self._told:
                where = f"{self._address[0]}:{self._address[1]}"
                say(f"No chief at {where} for {silence:.0f} s ({error}); waiting. Started again, it goes on.")
                self._told = 2 * silence
        else:
            self._heard, self._told = self._clock(), SIGN_SECONDS


@contextlib.contextmanager
def signs_of_life(call: Callable[[], Any], seconds: float) -> Iterator[None]:
    """Calls something every few seconds, in a thread of its own, as long as the block runs.

    Args:
        call: what to call. If it fails, as it does without a chief, the block's own calls will tell.
        seconds: how often.
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
    """Prints a line where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def signs_of_worker(oracle: Any, running: Callable[[], str | None]) -> Iterator[None]:
    """Lets the chief know that this worker lives, and the person whether the chief does.

    Args:
        oracle: KerasTuner's client of the chief's oracle.
        running: gives the id of the trial under way, None between two.
    """
    timeout = getattr(oracle, "_oracle", oracle)  # the oracle that KerasTuner's client was made of
    seconds = seconds_between_signs(getattr(timeout, "worker_timeout", WORKER_TIMEOUT))

    def show() -> Any:
        trial_id = running()
        return trial_id and oracle.get_trial(trial_id)

    with signs_of_life(show, seconds), signs_of_life(ChiefWatch().look, SIGN_SECONDS):
        yield
