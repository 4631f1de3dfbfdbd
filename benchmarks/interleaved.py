"""Runs competitors interleaved, since a machine's speed drifts, and prints figures of all benchmarks in one form."""

import importlib.metadata
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats
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

FloatArray = npt.NDArray[np.floating[Any]]

Measure = Callable[[], float]
"""One turn of a competitor: does the work and returns its figure, mostly seconds."""


def seconds(function: Callable[[], object]) -> float:
    """Returns how long a call takes, in seconds."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def timed(function: Callable[[], object]) -> Measure:
    """Returns a function that calls another one and returns how long it took, in seconds."""
    return lambda: seconds(function)


def interleave(measures: Sequence[Measure], turns: int) -> list[list[float]]:
    """Calls each function once a turn, every second turn in the opposite order; returns each one's figures."""
    figures: list[list[float]] = [[] for _ in measures]
    for turn in range(turns):
        order = range(len(measures)) if turn % 2 == 0 else reversed(range(len(measures)))
        for number in order:
            figures[number].append(measures[number]())
    return figures


def compare(title: str, ours: Measure, theirs: Measure, turns: int, names: tuple[str, str], aim: str = "") -> None:
    """Takes figures of two competitors interleaved, after one call of each that is not counted, and shows them."""
    ours()
    theirs()
    show(title, interleave([ours, theirs], turns), names, aim)


def show(
    title: str, figures: Sequence[Sequence[float]], names: tuple[str, str], aim: str = "", inverse: bool = False
) -> None:
    """Prints the seconds of two competitors, and their ratio pair by pair.

    Args:
        title: what was measured.
        figures: our seconds, and as many of the other's, each taken beside ours.
        names: of ours, and of the other.
        aim: what the ratio should be.
        inverse: whether the ratio is ours to theirs; otherwise it is theirs to ours.
    """
    ratios = [a / b if inverse else b / a for a, b in zip(*figures, strict=True)]
    first, second = names if inverse else reversed(names)
    rows = [[name, *spread(values, "{:.4g} s")] for name, values in zip(names, figures, strict=True)]
    rows.append([f"{first} / {second}", *spread(ratios, "{:.3g}")])
    note = f"{len(ratios)} pair{'s' * (len(ratios) > 1)}" + (f"; aim: {aim}" if aim else "")
    show_table(title, ["", *SPREAD], rows, note)


def spread(values: Sequence[float], form: str) -> list[str]:
    """Returns the texts of the columns of `SPREAD`; `form` writes one value, for `str.format`."""
    return [form.format(function(values)) for function in SPREAD.values()]


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Prints a table, and below it what it was measured with and a note."""
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if os.isatty(1) else 200, highlight=False)
    console.print(title, style="italic", soft_wrap=True)
    console.print(table)
    console.print("; ".join(filter(None, [circumstances(), note])), soft_wrap=True)


def circumstances() -> str:
    """Describes the packages and the machine, on which figures depend."""
    facts = [f"{shown} {importlib.metadata.version(name)}" for name, shown in PACKAGES.items()]
    facts.append(f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}")
    return ", ".join(facts) + (", CPU time of all threads" if CLOCK.value == "cpu" else "")


def student(values: FloatArray) -> tuple[float, float]:
    """Returns the 95 % interval of the mean by Student's t: for accuracies of few runs, which are about normal."""
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(found.low), float(found.high)


def bootstrap(values: FloatArray) -> tuple[float, float]:
    """Returns the 95 % interval of the mean by the bootstrap: for values of many runs that are anything but normal.

    Regrets are such: often 0, never below, and some large. Student's t would reach below 0. It is a little too narrow:
    of 20 normal values it holds the mean in 91 to 93 % of all cases.
    """
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = scipy.stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    return float(found.low), float(found.high)
