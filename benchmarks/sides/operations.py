"""Which of TensorFlow's operations the time of a side's steps goes into."""

import collections
import pkgutil
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from benchmarks.sides.profile import profile_of

EXECUTORS = "tf_Compute"
"""How the names of the threads begin that run a graph's operations on the CPU."""

OPERATION = re.compile("[^:]*:(?:_MklNative|_Mkl)?([^:]+)")
"""The name of an operation's event, and in it its type. The executor's own events have "::" in their names, or none."""


class Cost(NamedTuple):
    """What the operations of one type cost in a call.

    Attributes:
        milliseconds: from the beginning of each to its end, added up, without what runs inside it.
        count: how many there are.
    """

    milliseconds: float = 0.0
    count: int = 0


class Profiled:
    """A side whose calls are profiled, on the CPU: a GPU is left alone.

    Args:
        maker: what makes the side, as "module:name".
        *arguments: of the maker.
    """

    def __init__(self, maker: str, *arguments: Any) -> None:
        tf.config.set_visible_devices([], "GPU")
        self._side = pkgutil.resolve_name(maker)(*arguments)

    def prepare(self, architecture: Any) -> None:
        """Makes the network that is measured from now on."""
        self._side.prepare(architecture)

    def costs(self, method: str) -> dict[str, Cost]:
        """Returns the costs of a call of the side's method, by type of operation."""
        return costs_in(profile_of(getattr(self._side, method)))


def costs_in(profile: Any) -> dict[str, Cost]:
    """Returns the costs in a profile, by type of operation."""
    costs: dict[str, Cost] = collections.defaultdict(Cost)
    for name, milliseconds in times_in(profile):
        if operation := OPERATION.fullmatch(name):
            total, count = costs[operation[1]]
            costs[operation[1]] = Cost(total + milliseconds, count + 1)
    return dict(costs)


def times_in(profile: Any) -> Iterator[tuple[str, float]]:
    """Yields the name of each event of the executors' threads, and its own milliseconds."""
    for plane in profile.planes:
        names = {number: metadata.name for number, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            if line.name.startswith(EXECUTORS):
                yield from own_times(line.events, names)


def own_times(events: Iterable[Any], names: dict[int, str]) -> Iterable[tuple[str, float]]:
    """Returns the name of each event of a thread and its milliseconds without those of the events inside it."""
    open_: list[tuple[int, int]] = []  # the end of each event that has not ended, and its place in `times`
    times: list[tuple[str, float]] = []
    for event in sorted(events, key=lambda event: (event.offset_ps, -event.duration_ps)):
        while open_ and open_[-1][0] <= event.offset_ps:
            open_.pop()
        milliseconds = event.duration_ps / 1e9
        if open_:
            outer, own = times[open_[-1][1]]
            times[open_[-1][1]] = (outer, own - milliseconds)
        open_.append((event.offset_ps + event.duration_ps, len(times)))
        times.append((names[event.metadata_id], milliseconds))
    return times
