"""How far the reading of image files is. The library itself shows nothing: a command sets what does."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

display: Callable[[Iterable[Any], int, str], Iterable[Any]] | None = None
"""What `watched` calls; None to show nothing."""


def watched(items: Iterable[T], total: int, what: str) -> Iterable[T]:
    """Passes items on, and lets the command show how far it is.

    Args:
        items: as they are done.
        total: how many there will be.
        what: what is done, to be shown.
    """
    return items if display is None else display(items, total, what)
