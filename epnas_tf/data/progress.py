"""Progress of reading image files. The library itself shows nothing; a command sets `display`."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

display: Callable[[Iterable[Any], int, str], Iterable[Any]] | None = None
"""The function that `watched` calls; None to show nothing."""

tell: Callable[[str], None] | None = None
"""The function that `announce` calls; None to say nothing."""


def announce(text: str) -> None:
    """Lets the command say a sentence, such as what it waits for."""
    if tell is not None:
        tell(text)


def watched(items: Iterable[T], total: int, what: str) -> Iterable[T]:
    """Passes items on, and lets the command show the progress.

    Args:
        items: the items, as they are done.
        total: the number of items.
        what: a description of the work.
    """
    return items if display is None else display(items, total, what)
