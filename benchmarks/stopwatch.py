"""Takes apart what the time of a program goes into, by watching some of its methods."""

import collections
import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock


class Stopwatch:
    """Adds up the time of several parts; a part that is called within another one counts for itself only.

    Args:
        clock: returns the time in seconds.

    Attributes:
        laps: the seconds of each part, by name, a mapping for each lap that has ended.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.laps: list[dict[str, float]] = []
        self._seconds: dict[str, float] = collections.defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    def lap(self) -> None:
        """Ends a lap."""
        self._note()
        self.laps.append(dict(self._seconds))
        self._seconds.clear()

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts what happens within for a part."""
        self._note()
        self._running.append(name)
        try:
            yield
        finally:
            self._note()
            self._running.pop()

    @contextlib.contextmanager
    def watching(self, parts: Mapping[str, Sequence[tuple[type, str]]]) -> Iterator[None]:
        """Counts the calls of some methods, given as (class, name), for parts."""
        with contextlib.ExitStack() as stack:
            for part, methods in parts.items():
                for owner, name in methods:
                    watched = self._watched(part, getattr(owner, name))
                    stack.enter_context(mock.patch.object(owner, name, watched))
            yield

    def _watched(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.part(part):
                return method(*args, **kwargs)

        return watched

    def _note(self) -> None:
        now = self._clock()
        if self._running:
            self._seconds[self._running[-1]] += now - self._since
        self._since = now
