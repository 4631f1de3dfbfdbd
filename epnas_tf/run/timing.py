"""Estimation of the time that the rest of a search takes."""

from collections.abc import Mapping

EXPECTED_CHILDREN = 2
"""Children that what was expected counts as, beside those that were measured."""


class TimeLeft:
    """Estimates the time left from the children so far, by level, since deeper networks take longer."""

    def __init__(self) -> None:
        self._expected: Mapping[int, float] = {}
        self._levels: list[int] = []
        self._seconds: list[float] = []

    def expect(self, expected: Mapping[int, float], at_a_time: float = 1) -> None:
        """Sets what is expected, before the first child of this start.

        Args:
            expected: the seconds for a child of each level, divided by the children that are trained at a time.
            at_a_time: how many these are; the children recorded so far count as if they had been trained so.
        """
        self._expected = expected
        self._seconds = [seconds / at_a_time for seconds in self._seconds]

    def add(self, level: int, seconds: float) -> None:
        """Records the seconds of a child of a level."""
        self._levels.append(level)
        self._seconds.append(seconds)

    def estimate(self, remaining: Mapping[int, int]) -> float | None:
        """Estimates the seconds left; None before the first child if there are no expected seconds.

        Args:
            remaining: number of children still to be trained, for each level.
        """
        if not self._levels and not self._expected:
            return None
        return sum(count * self._seconds_at(level) for level, count in remaining.items())

    def _seconds_at(self, level: int) -> float:
        """Corrects the expected time of a level by its own children, or by all if it has had none.

        Where nothing is expected, time is taken for proportional to the level, which then weighs nothing.
        """
        weight = EXPECTED_CHILDREN if self._expected else 0
        expected = self._expected or {seen: float(seen) for seen in (level, *self._levels)}
        own = [seconds for seen, seconds in zip(self._levels, self._seconds, strict=True) if seen == level]
        if own:
            return (sum(own) + weight * expected[level]) / (len(own) + weight)
        before = sum(expected[seen] for seen in self._levels)
        more = weight * max(expected.values())
        return expected[level] * (sum(self._seconds) + more) / (before + more)


def format_seconds(seconds: float | None) -> str:
    """Formats a time as h:mm:ss or m:ss, and None as "?"."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
