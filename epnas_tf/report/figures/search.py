"""Pictures of a search: scores of the children, quality of the predictions, training steps of each operation."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from epnas_tf.arrays import Float64Array, Int64Array
from epnas_tf.metrics import percent_of_images
from epnas_tf.nn import known
from epnas_tf.report.figures.drawing import (
    BLUES,
    LETTER,
    SMALL,
    VERMILION,
    Picture,
    blend,
    canvas,
    field,
    level_colors,
    operation,
    percent_axis,
    picture,
    plot_by_level,
)
from epnas_tf.report.figures.svg import INK, MUTED
from epnas_tf.report.search_files import Search, Trial, Updates
from epnas_tf.report.text import compact, percent, plural
from epnas_tf.space import SpaceDefinition, definition_of_space
from epnas_tf.space.picture import WIDTH

MANY_OPERATIONS = 8
"""With more, a heat map has room for their short names only."""


def accuracy_picture(search: Search) -> Picture | None:
    """Draws the accuracy of every child over the search; None if there is none yet."""
    trials = search.completed
    if not trials:
        return None
    scores = np.array([t.score for t in trials], float)
    figure, axes, dots = _by_level(290, search, trials)
    axes.scatter([t.child for t in trials], scores, **dots)
    axes.set(xlabel="child", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    percent_axis(axes.yaxis)
    tempered = search.config.search.tempered
    _leave_room(axes, scores, 2 if tempered else 1)
    failed = [t.child for t in search.trials if t.score is None]
    if failed:
        axes.plot(failed, [axes.get_ylim()[0]] * len(failed), "x", color=VERMILION, ms=5, mew=1.4, clip_on=False)
    _mark_iterations(axes, search.trials, tempered)
    best = search.best_trials()
    if best:
        _ring(axes, best[0], search.num_validation)
    caption = (
        "Each dot is a child, in the order of training, with its validation accuracy "
        f"{search.config.child.on_weights}; the colour is its level, how many {search.level}s its architecture "
        "has. Lines separate the iterations"
    )
    caption += ", τ is the temperature: the higher, the more evenly architectures are drawn." if tempered else "."
    caption += f" {_ring_caption(search)}" if best else ""
    caption += " A cross is a child that diverged." if failed else ""
    children, ends = plural(len(trials), "child", "children"), (float(scores.min()), float(scores.max()))
    alt = f"Validation accuracy of {children}, from {percent(ends[0])} to {percent(ends[1])}."
    return picture(figure, "accuracy", alt, caption)


def prediction_picture(search: Search) -> Picture | None:
    """Draws measured against predicted accuracy; None if nothing was predicted yet."""
    trials = [t for t in search.completed if t.predicted is not None]
    if not trials:
        return None
    figure, axes, dots = _by_level(330, search, trials)
    predicted, measured = np.array([(t.predicted, t.score) for t in trials], float).T
    axes.scatter(predicted, measured, zorder=3, clip_on=False, **dots)  # a dot at 100 % lies on the frame
    both = np.concatenate([predicted, measured])
    margin = max(0.04 * float(np.ptp(both)), 0.005)
    ends = (max(float(both.min()) - margin, 0), min(float(both.max()) + margin, 1))
    axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    axes.set(xlim=ends, ylim=ends, xlabel="predicted accuracy", ylabel="measured accuracy")
    axes.grid(axis="x")
    for axis in (axes.xaxis, axes.yaxis):
        percent_axis(axis)
    caption = (
        "Each dot is a child: what the surrogate predicted before its training, and what was measured after it. On the "
        "dashed line the two agree; the order of the dots is what the search relies on."
    )
    alt = f"Measured against predicted accuracy of {plural(len(trials), 'child', 'children')}."
    return picture(figure, "prediction", alt, caption)


def updates_picture(search: Search) -> Picture | None:
    """Draws the training steps of each operation at each position; None if they are not known yet."""
    if not search.updates:
        return None
    definition = definition_of_space(search.config.space.space)
    rows, names, counts = updates_by_place(search.updates, definition)
    if not rows:
        return None
    caption = "Training steps that each operation has had at each position, over all children that share it there"
    caption += f"; summed over {definition.summed_over}." if definition.summed_over else "."
    caption += " The darker, the more; an empty field was never trained."
    if len(names) > MANY_OPERATIONS:
        caption += f" {'; '.join(f'{operation(name).short}: {operation(name).label}' for name in names)}."
    alt = f"Training steps of {plural(len(names), 'operation')} at {plural(len(rows), 'position')}."
    return heat_map("updates", rows, names, counts, alt, caption)


def updates_by_place(updates: Updates, definition: SpaceDefinition) -> tuple[list[str], list[str], Int64Array]:
    """Returns the positions, the operations and the training steps of each pair, int [positions, operations].

    Several keys may share a position: those of the micro space's cells, or of operations that halve the resolution.
    """
    found: dict[tuple[tuple[str | int, ...], str], int] = {}
    for key, n in updates.items():
        if placed := definition.place_of(key):
            found[placed] = found.get(placed, 0) + n
    places = sorted({place for place, _ in found})
    used = {name for _, name in found}
    names = [name for name in known() if name in used]
    counts = [[found.get((place, name), 0) for name in names] for place in places]
    return [" ".join(map(str, place)) for place in places], names, np.array(counts, np.int64)


def heat_map(name: str, rows: list[str], names: list[str], counts: Int64Array, alt: str, caption: str) -> Picture:
    """Draws a heat map of counts, int [rows, names], with the counts in its cells."""
    many = len(names) > MANY_OPERATIONS
    words = [operation(column).short if many else operation(column).label.replace(" ", "\n") for column in names]
    left, top, height = 12 + 6.8 * max(map(len, rows)), 16 + 13 * max(w.count("\n") + 1 for w in words), 27
    width = (WIDTH - left - 6) / max(len(names), 3)
    figure, axes = canvas(top + height * len(rows) + 8)
    largest = max(int(counts.max(initial=0)), 1)
    for (i, row), j in itertools.product(enumerate(rows), range(len(names))):
        x, y, value = left + j * width, top + i * height, int(counts[i, j])
        if i == 0:
            axes.text(x + width / 2, top - 6, words[j], ha="center", va="bottom", color=MUTED, size=SMALL)
        if j == 0:
            axes.text(left - 8, y + height / 2, row, ha="right", va="center", color=MUTED)
        color = blend(BLUES, value / largest) if value else None
        field(axes, x, y, width, height, color, compact(value).replace(" ", "") if value else "")
    return picture(figure, name, alt, caption)


def _by_level(height: float, search: Search, trials: Sequence[Trial]) -> tuple[Figure, Axes, dict[str, Any]]:
    """Makes a figure with a legend of the levels, and returns it with the look of each trial's dot."""
    levels, colors = [min(t.level, search.depth) for t in trials], level_colors(search.depth)
    look = {"s": np.clip(6000 / len(trials), 9, 42), "c": [colors[level - 1] for level in levels], "linewidths": 0}
    return *plot_by_level(height, sorted(set(levels)), search.depth), look


def _leave_room(axes: Axes, scores: Float64Array, lines: int) -> None:
    """Leaves room above the dots for so many lines of iteration names and for the figure of the best."""
    span = max(float(np.ptp(scores)), 0.02)
    axes.set_ylim(float(scores.min()) - 0.06 * span, float(scores.max()) + (0.22 + 0.12 * lines) * span)


def _mark_iterations(axes: Axes, trials: Sequence[Trial], tempered: bool) -> None:
    firsts = {t.iteration: t for t in reversed(trials)}
    last, num = max(t.child for t in trials), len(firsts)
    axes.set_xlim(0.5 - 0.015 * last, last + 0.5 + 0.015 * last)
    top = axes.get_ylim()[1]
    for number, first in sorted(firsts.items()):
        if number > min(firsts):
            axes.axvline(first.child - 0.5, color=MUTED, linewidth=1)
        if (number - 1) % (1 + num // 5) == 0:
            text = f"iteration {number}" if num <= 5 else f"{number}"
            if tempered:
                text += f"\nτ = {first.temperature:.3g}" if num <= 5 else f"\nτ {first.temperature:.2g}"
            axes.annotate(
                text, (first.child - 0.5, top), (5, -3), textcoords="offset points", va="top", color=MUTED, size=SMALL
            )


def _ring_caption(search: Search) -> str:
    if search.config.search.rank_by == "score":
        return "The ring is the best whole architecture, by its newest accuracy."
    return "The ring is the whole architecture that is ranked first by its estimate, with its measured accuracy."


def _ring(axes: Axes, best: Trial, num_validation: int | None) -> None:
    score = best.score or 0.0
    axes.scatter([best.child], [score], s=110, facecolors="none", edgecolors=INK, linewidths=1.4, zorder=4)
    offset, side = ((8, 8), "right") if best.child > sum(axes.get_xlim()) / 2 else ((-8, 8), "left")
    look: dict[str, Any] = {"ha": side, "va": "bottom", "color": INK, "size": LETTER, "weight": "bold", "zorder": 5}
    accuracy = percent_of_images(score, num_validation)
    axes.annotate(accuracy, (best.child, score), offset, textcoords="offset points", **look)
