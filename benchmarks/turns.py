"""Runs two sides in turns, since a machine's speed drifts, and prints figures of all benchmarks in one form."""

import importlib.metadata
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from absl import flags
from rich.console import Console
from rich.table import Table

PACKAGES = {"tensorflow": "TensorFlow", "keras": "Keras", "keras-tuner": "KerasTuner"}

SPREAD: Mapping[str, Callable[[Sequence[float]], float]] = {"median": statistics.median, "lowest": min, "highest": max}

CLOCK = flags.DEFINE_enum(
    "clock",
    "wall",
    ["wall", "cpu"],
    "what workers' calls are timed by; cpu: the time of all threads, for a machine that is busy with other things",
)

Measure = Callable[[], float]
"""One turn of a side: does the work and returns its figure, mostly seconds."""


def seconds(function: Callable[[], object]) -> float:
    """Returns how long a call takes, in seconds."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def timed(function: Callable[[], object]) -> Measure:
    """Returns a function that calls another one and returns how long it took, in seconds."""
    return lambda: seconds(function)


def alternate(measures: Sequence[Measure], turns: int) -> list[list[float]]:
    """Calls some functions in turns, in each turn in the opposite order of the one before.

    Args:
        measures: the functions.
        turns: how often each is called.

    Returns:
        For each function its figures, in the order of the turns.
    """
    figures: list[list[float]] = [[] for _ in measures]
    for turn in range(turns):
        order = range(len(measures)) if turn % 2 == 0 else reversed(range(len(measures)))
        for side in order:
            figures[side].append(measures[side]())
    return figures


def compare(title: str, ours: Measure, theirs: Measure, turns: int, names: tuple[str, str], aim: str = "") -> None:
    """Takes figures of two sides in turns, after one call of each that is not counted, and prints them.

    Args:
        title: what is measured.
        ours: our side.
        theirs: the other side.
        turns: how often each is called.
        names: what our side is, and what the other.
        aim: what the ratio of theirs to ours should be.
    """
    ours()
    theirs()
    show(title, alternate([ours, theirs], turns), names, aim)


def show(
    title: str,
    figures: Sequence[Sequence[float]],
    names: tuple[str, str],
    aim: str = "",
    inverse: bool = False,
) -> None:
    """Prints the seconds of two sides, and their ratio pair by pair.

    Args:
        title: what was measured.
        figures: the seconds of our side, and as many of the other, each taken beside ours.
        names: what our side is, and what the other.
        aim: what the ratio should be.
        inverse: whether the ratio is ours to theirs; otherwise it is theirs to ours.
    """
    pairs = [(a, b) if inverse else (b, a) for a, b in zip(*figures, strict=True)]
    ratios = [a / b for a, b in pairs]
    first, second = names if inverse else reversed(names)
    rows = [[name, *spread(side, "{:.4g} s")] for name, side in zip(names, figures, strict=True)]
    rows.append([f"{first} / {second}", *spread(ratios, "{:.3g}")])
    show_table(
        title, ["", *SPREAD], rows, f"{len(ratios)} pair{'s' * (len(ratios) > 1)}" + (f"; aim: {aim}" if aim else "")
    )


def spread(values: Sequence[float], form: str) -> list[str]:
    """Returns the texts of the columns of `SPREAD`.

    Args:
        values: figures of one kind.
        form: how to write one, for `str.format`.
    """
    return [form.format(function(values)) for function in SPREAD.values()]


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Prints a table, and below it what it was measured with.

    Args:
        title: what was measured.
        columns: the columns' names; the first one is that of the rows' names.
        rows: texts, one a column.
        note: what else is to be said.
    """
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if os.isatty(1) else 200, highlight=False)
    console.print(title, style="italic", soft_wrap=True)
    console.print(table)
    console.print("; ".join(filter(None, [_circumstances(), note])), soft_wrap=True)


def _circumstances() -> str:
    """Returns what figures depend on beside what the title says."""
    facts = [f"{shown} {importlib.metadata.version(name)}" for name, shown in PACKAGES.items()]
    facts.append(f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}")
    return ", ".join(facts) + (", CPU time of all threads" if CLOCK.value == "cpu" else "")
