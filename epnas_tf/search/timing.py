"""How long the rest of a search will take."""

from collections.abc import Mapping

import numpy as np


class TimeLeft:
    """Estimates the time left from the children so far: deeper levels have larger networks, so take longer."""

    def __init__(self) -> None:
        self._levels: list[int] = []
        self._seconds: list[float] = []

    def add(self, level: int, seconds: float) -> None:
        """Notes how long a child of a level took, in seconds."""
        self._levels.append(level)
        self._seconds.append(seconds)

    def estimate(self, remaining: Mapping[int, int]) -> float | None:
        """Returns the seconds left, or None before the first child.

        Args:
            remaining: for each level, how many children are still to be trained.
        """
        if not self._levels:
            return None
        total = 0.0
        for level, count in remaining.items():
            total += count * max(self._seconds_at(level), 0.0)
        return total

    def _seconds_at(self, level: int) -> float:
        """Returns the mean of a level that was seen, else the value of a line through all children.

        While only one level was seen, the time is taken to grow in proportion to the level.
        """
        levels, seconds = np.array(self._levels), np.array(self._seconds)
        if level in levels:
            return float(seconds[levels == level].mean())
        seen = np.unique(levels)
        if len(seen) == 1:
            return float(seconds.mean()) * level / float(seen[0])
        slope, intercept = np.polyfit(levels, seconds, 1)
        return float(slope * level + intercept)


def format_seconds(seconds: float | None) -> str:
    """Returns a time as h:mm:ss or m:ss, "?" for None."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
