"""What a search costs on this machine as one quantity at a time grows: layers, blocks, channels, images, K, iterations.

python -m benchmarks scaling
python -m benchmarks scaling --only=layers,channels --architectures=2 --steps=2

Everything else stays as in the paper's search. Steps are measured on a few children at levels that stand for all of a
search's (`benchmarks.cases.spread_levels`): a median over turns, then a mean over children. Building, tracing, the
first step's extra and saving are what two trials of different lengths have in common. The seconds of a search are

    children · (steps · step + validation steps · evaluation step + beside)  +  iterations · scoring,

with the scoring of all levels in proportion to their candidates. The surrogate's fits, a second or so a level,
and the input pipeline, some percent of a step, are not in it.

The images are random; each row of another depth has children of its own, which differ by chance too.
"""

import dataclasses
import functools
import itertools
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from absl import flags

from benchmarks.cases import (
    Case,
    Figures,
    Point,
    candidates_of_levels,
    child_seconds,
    children_of_levels,
    mean_cost,
    search_seconds,
    spread_children,
    steps_of_child,
)
from benchmarks.interleaved import show_table
from benchmarks.worker import Worker
from epnas_tf.config import ChildConfig, SearchConfig

MACRO, MICRO = Case("macro", 12, 24), Case("micro", 5, 24)


def _macro(name: str, **changes: Any) -> Point:
    return Point(name, dataclasses.replace(MACRO, **changes))


QUANTITIES: dict[str, list[Point]] = {
    "layers": [_macro(f"{layers} layers", levels=layers) for layers in (6, 12, 20)],
    "blocks": [Point(f"micro, {blocks} blocks", dataclasses.replace(MICRO, levels=blocks)) for blocks in (2, 5)],
    "channels": [_macro(f"{channels} channels", channels=channels) for channels in (24, 48)],
    "side": [_macro(f"{side}×{side} pixels", image_shape=(side, side, 3)) for side in (16, 32)],
    "images": [Point(f"{images:,} images", MACRO, images=images) for images in (22_500, 45_000)],
    "k": [Point(f"K = {k}", MACRO, k=k) for k in (25, 50)],
    "iterations": [Point(f"{iterations} iterations", MACRO, iterations=iterations) for iterations in (3, 5)],
}
"""The points of each quantity."""

COSTS_DRAWN = 200
"""Children whose parameters and multiply-adds are taken the mean of."""

_ONLY = flags.DEFINE_list("only", list(QUANTITIES), f"quantities to vary, among {', '.join(QUANTITIES)}")
_ARCHITECTURES = flags.DEFINE_integer("architectures", 3, "children that are measured of a point", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 4, "steps of a turn; of fewer images in proportion", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 3, "turns of each child", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", ChildConfig.batch_size, "images of a training step", lower_bound=1)
flags.register_validator(
    "only", lambda names: set() < set(names) <= set(QUANTITIES), f"must be among {', '.join(QUANTITIES)}"
)


def steps_of_turn(point: Point, steps: int) -> int:
    """Returns the steps of a turn: a longer training has more of them, so that what grows otherwise would show."""
    return max(1, round(steps * point.images / Point.images))


def mean_of_medians(turns_of_children: Iterable[Sequence[float]]) -> float:
    """Returns the mean over children of each one's median over turns."""
    return statistics.mean(statistics.median(turns) for turns in turns_of_children)


def measure(point: Point, call: Callable[..., Any]) -> Figures:
    """Measures a point.

    Args:
        point: the search.
        call: of a worker with the case's `benchmarks.competitors.scaling.Children`; it may remember what it was asked.
    """
    # The same children for every K: it moves their levels by little, and the figures are to be compared.
    children = tuple(spread_children(point.case, SearchConfig.k, _ARCHITECTURES.value))
    steps = call("steps", children, steps_of_turn(point, _STEPS.value), _TURNS.value)
    return Figures(
        train=mean_of_medians(train for train, _ in steps),
        evaluate=mean_of_medians(evaluate for _, evaluate in steps),
        beside=statistics.mean(call("beside_the_steps", children)),
        choice=call("choice_seconds", children_of_levels(point.case.make_space(), point.k)[-2]),
        state=call("state_bytes"),
    )


def measure_all(points: Iterable[Point]) -> dict[Point, Figures]:
    """Measures points, those of one case one after the other in one process, nothing twice."""
    found: dict[Point, Figures] = {}
    order = sorted(points, key=lambda point: repr(point.case))
    for case, of_case in itertools.groupby(order, key=lambda point: point.case):
        with Worker("benchmarks.competitors.scaling:Children", case, _BATCH_SIZE.value) as worker:
            call = functools.cache(worker.call)
            found |= {point: measure(point, call) for point in of_case}
    return found


def row(point: Point, figures: Figures, batch_size: int) -> list[str]:
    """Returns the texts of a point."""
    of_child = mean_cost(point.case, point.k, COSTS_DRAWN)
    return [
        point.name,
        f"{point.children:,}",
        f"{steps_of_child(point.images, batch_size, ChildConfig.epochs):,}",
        f"{figures.train:.3f} s",
        f"{figures.evaluate:.3f} s",
        f"{figures.beside:.2f} s",
        f"{child_seconds(point, figures, batch_size):.0f} s",
        f"{candidates_of_levels(point.case.make_space(), point.k)[-1]:,}",
        f"{figures.choice:.2f} s",
        f"{figures.state / 1e6:.1f} MB",
        f"{of_child.parameters:,}",
        f"{of_child.multiply_adds / 1e6:.1f} million",
        f"{search_seconds(point, figures, batch_size) / 3600:.1f} hours",
    ]


COLUMNS = (
    "",
    "children",
    "steps",
    "training",
    "evaluation",
    "beside",
    "a child",
    "candidates",
    "scoring",
    "state",
    "parameters",
    "multiply-adds",
    "search",
)


def main() -> None:
    batch_size = _BATCH_SIZE.value
    points = [point for name in _ONLY.value for point in QUANTITIES[name]]
    figures = measure_all(points)
    title = f"{MACRO}, {Point.images:,} images, batch {batch_size}, K = {Point.k}, {Point.iterations} iterations"
    note = (
        f"{_ARCHITECTURES.value} children a row, {_TURNS.value} turns of {_STEPS.value} steps; steps, beside, "
        "parameters and multiply-adds are a child's, candidates and scoring those of the deepest level"
    )
    rows = [row(point, figures[point], batch_size) for point in points]
    show_table(f"what a search costs: {title}, unless the row says otherwise", COLUMNS, rows, note)
