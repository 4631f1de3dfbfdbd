"""A measurement in parts that ends in time: a part for which none is left is skipped, with a line that says so."""

import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn


class TimeIsOver(Exception):  # noqa: N818  (no mistake)
    """The time of a measurement is over; what it has started should end."""


class Budget:
    """The time of a measurement, for the main thread.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def run(self, name: str, part: Callable[[], None]) -> None:
        """Runs a part, which is interrupted by `TimeIsOver` if it would last too long; prints if it is not finished.

        Args:
            name: of the part.
            part: prints each figure as soon as it is measured.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            print(f"skipped, the time is over: {name}", flush=True)
            return
        handler = signal.signal(signal.SIGALRM, _raise)
        timer = signal.setitimer(signal.ITIMER_REAL, left)
        try:
            part()
        except TimeIsOver:
            print(f"not finished, the time is over: {name}", flush=True)
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)


def _raise(*_: Any) -> NoReturn:
    raise TimeIsOver
