"""Runs two sides in turns, since a machine's speed drifts, and prints both and their ratio."""

import statistics
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table


def seconds(function: Callable[[], object]) -> float:
    """Returns how long a call takes, in seconds."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def compare(
    title: str, ours: Callable[[], object], theirs: Callable[[], object], turns: int, ours_name: str, theirs_name: str
) -> None:
    """Times two functions in turns, after one call of each that is not counted, and prints a table.

    Args:
        title: what is measured.
        ours: our side.
        theirs: the other side.
        turns: how often each is called.
        ours_name: what our side is.
        theirs_name: what the other side is.
    """
    ours()
    theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(turns)]
    table = Table("", "median", "fastest", "slowest", title=title, title_justify="left", box=None, pad_edge=False)
    for name, values in ((ours_name, [a for a, _ in pairs]), (theirs_name, [b for _, b in pairs])):
        figures = (statistics.median(values), min(values), max(values))
        table.add_row(name, *(f"{figure:.3f} s" for figure in figures))
    ratios = [b / a for a, b in pairs]
    table.add_row("ratio, pair by pair", *(f"{f(ratios):.1f}" for f in (statistics.median, min, max)))
    Console().print(table)
