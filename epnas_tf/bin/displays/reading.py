"""The progress display of reading image files, shown only if it takes long."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")

LONG = 2.0
"""Seconds from which on it is shown."""


def show_reading(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Passes items on and shows the progress: a bar on a terminal; one line elsewhere or beside a live display.

    Args:
        items: the items, as they are completed.
        total: their number.
        what: the name of the work.
    """
    began, said, console = time.monotonic(), False, Console(stderr=True)
    # The commands with a live display do their work in another thread than the main one.
    bars = console.is_interactive and threading.current_thread() is threading.main_thread()
    with contextlib.ExitStack() as stack:
        for count, item in enumerate(items, 1):
            seconds = time.monotonic() - began
            if not said and seconds > LONG and count < total:
                said = True
                if bars:
                    bar = stack.enter_context(Progress(console=console, transient=True))
                    task = bar.add_task(what, total=total)
                else:  # not by the console, which would write past a live display
                    left = seconds / count * (total - count)
                    print(f"{what}: {count:,} of {total:,}, some {left:.0f} s left", file=sys.stderr, flush=True)
            if said and bars:
                bar.update(task, completed=count)
            yield item
