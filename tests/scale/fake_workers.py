"""Workers that train nothing, for tests of what happens around a training. Ray's processes import this module."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from epnas_tf.children.outcome import ChildOutcome, ChildResult
from epnas_tf.environment import versions
from epnas_tf.errors import ConfigError
from epnas_tf.scale.worker import ChildWorker, Worker


class Echo(ChildWorker):
    """Sends back what it was sent, doubled; a child's seed counts as its score's thousandths."""

    def ready(self):
        return Worker.ready(self) | {"host": "here"}

    def run(self, task, shared, following):
        result = ChildResult(task.seed / 1000, 1.0, 1.0, 1, 10, 0.0, 0.01, 0.0)
        doubled = {key: [2 * array for array in arrays] for key, arrays in shared.variables.items()}
        return ChildOutcome(shared._replace(variables=doubled), result, None)


class DyingAtChildThree(Echo):
    """Ends its process whenever it is sent child 3."""

    def run(self, task, shared, following):
        if task.number == 2:
            os._exit(1)
        return super().run(task, shared, following)


class DyingOnce(Echo):
    """Ends its process at the first child of all; the file `died` in the folder of the data says that it has."""

    def run(self, task, shared, following):
        mark = Path(self._setup.configs[0].data.data_dir) / "died"
        if not mark.exists():
            mark.touch()
            os._exit(1)
        return super().run(task, shared, following)


class OfAnotherVersion(Echo):
    """Has an older NumPy."""

    def ready(self):
        return super().ready() | {"versions": versions() | {"numpy": "1.0"}}


class Unready(Echo):
    """Takes a while to start."""

    def ready(self):
        time.sleep(4)
        return super().ready()


class Sending(Echo):
    """Sends back 30 MB."""

    def run(self, task, shared, following):
        outcome = super().run(task, shared, following)
        outcome.values.momentum[("stem",)] = np.full(30 * 2**18, task.seed, np.float32)
        return outcome


def slow_square(folder):
    """Squares numbers, the first ones slowest; the worker that gets the first ends at its first try."""

    def square(number):
        mark = Path(folder) / "died"
        if number == 0 and not mark.exists():
            mark.touch()
            os._exit(1)
        time.sleep(0.3 if number < 2 else 0.0)
        return number**2

    return square


def has_plugin(name):
    """Tells whether a module is imported."""
    return lambda _: name in sys.modules


def dying(_):
    """Ends its process at every task."""
    return lambda _: os._exit(1)


def refusing(_):
    """Refuses every task."""

    def refuse(number):
        raise ConfigError(f"`task` must be even. Received: {number}")

    return refuse
