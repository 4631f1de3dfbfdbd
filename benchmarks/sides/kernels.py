"""What a GPU does in a training step, read from a profile."""

import collections
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from benchmarks.sides.profile import profile_of
from benchmarks.sides.steps import OurSteps

GPU, STREAM = "/device:GPU", "Stream"
"""How the names begin of what a profile has of a GPU, and in it of what ran there; its other lines sum that up."""

COPIES = ("Memcpy", "Memset")


class GpuWork(NamedTuple):
    """What a GPU did in a step, in the mean.

    Attributes:
        kernels: how many were started, copies not counted.
        copies: how many copies and fills of memory were started.
        busy: seconds in which at least one of them ran.
        longest: seconds by the name of a kernel or copy, the longest first.
    """

    kernels: float
    copies: float
    busy: float
    longest: dict[str, float]


class GpuSteps(OurSteps):
    """Our steps, and what the GPU does in them."""

    def gpu_work(self) -> GpuWork:
        """Returns what the GPU does in a training step of the network that was prepared."""
        return work_in(profile_of(self.train), self._steps)


def work_in(profile: Any, steps: int) -> GpuWork:
    """Returns a GPU's work of a step, from a profile of several."""
    events = [event for plane in profile.planes if plane.name.startswith(GPU) for event in _events(plane)]
    copies = sum(name.startswith(COPIES) for name, *_ in events)
    seconds: collections.Counter[str] = collections.Counter()
    for name, began, ended in events:
        seconds[name] += (ended - began) / steps
    busy = _covered((began, ended) for _, began, ended in events)
    return GpuWork((len(events) - copies) / steps, copies / steps, busy / steps, dict(seconds.most_common()))


def _events(plane: Any) -> Iterator[tuple[str, float, float]]:
    """Yields name, beginning and end, in seconds, of all that ran on a GPU's streams."""
    for line in plane.lines:
        if line.name.startswith(STREAM):
            for event in line.events:
                began = 1e-9 * line.timestamp_ns + 1e-12 * event.offset_ps
                yield plane.event_metadata[event.metadata_id].name, began, began + 1e-12 * event.duration_ps


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Returns the length of a union of spans."""
    covered, reached = 0.0, float("-inf")
    for began, ended in sorted(spans):
        covered += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return covered
