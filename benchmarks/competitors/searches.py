"""Searches in a process of their own, timed by the line that they print for each child."""

import dataclasses
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from epnas_tf.arrays import FloatArray
from epnas_tf.errors import SearchError
from epnas_tf.storage.records import TRIALS_FILE, read_records

COMMAND = (sys.executable, "-m", "epnas_tf.bin.search")
PARTS = ("build_seconds", "train_seconds", "evaluate_seconds")


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a search trains children.

    Attributes:
        children: the number of those that are counted.
        seconds: from one to the next, in the mean.
        own: of a child on its worker, in the mean.
    """

    children: int
    seconds: float
    own: float


def line_times(search: str, run: Path, *more: str) -> list[float]:
    """Runs a search to its end and returns the time, in seconds, of each child's line.

    Args:
        search: its flags, as for a shell.
        run: its directory.
        more: further flags.

    Raises:
        SearchError: if it fails, or is finished already.
    """
    command = [*COMMAND, *shlex.split(search), f"--run_dir={run}", *more]
    times = []
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                if line.startswith("child "):
                    times.append(time.monotonic())
        except BaseException:
            process.terminate()
            raise
        if process.wait():
            errors.seek(0)
            raise SearchError(f"{shlex.join(command)} failed. Received: {errors.read()}")
    if len(times) < 3:
        raise SearchError(f"{run} must be the directory of a new search. Received: a finished one. Give another")
    return times


def pace(times: Sequence[float], first: int, run: Path) -> Pace:
    """Returns how fast a search trained its children from one on.

    Args:
        times: of all children's lines.
        first: the first child that counts, from 0; its time begins with the line before.
        run: the directory of the search.

    Raises:
        SearchError: if the first one of all is to count.
    """
    if first == 0:
        raise SearchError(f"The search must have children before those that count. Received: all {len(times)} count")
    count = len(times) - first
    return Pace(count, (times[-1] - times[first - 1]) / count, float(own_seconds(run, first).mean()))


def own_seconds(run: Path, first: int = 0) -> FloatArray:
    """Returns the seconds of each child that did not diverge, from one on."""
    records = read_records(run / TRIALS_FILE)[first:]
    return np.array([sum(record[part] for part in PARTS) for record in records if "score" in record])


def first_of_deeper_half(run: Path) -> int:
    """Returns the number, from 0, of the first child whose level is in the deeper half of all levels."""
    levels = [record["level"] for record in read_records(run / TRIALS_FILE)]
    return next(number for number, level in enumerate(levels) if level > max(levels) / 2)
