"""What accuracy costs: the trained whole architectures that none beats with as few parameters or multiply-adds."""

import dataclasses

from epnas_tf.metrics import pareto_front
from epnas_tf.report.drawing import BLUE, LETTER, VERMILION, Picture, percent_axis, picture, plot
from epnas_tf.report.search_files import Search, Trial
from epnas_tf.report.svg import MUTED
from epnas_tf.report.tables import search_cost
from epnas_tf.report.text import compact, count, percent, plural

MEASURES = {"parameters": "parameters", "multiply_adds": "multiply-adds for one image"}
"""The measures of a network's size, and how they are called."""


@dataclasses.dataclass(frozen=True)
class FrontRow:
    """An architecture of a front, as texts."""

    accuracy: str
    parameters: str
    multiply_adds: str
    child: str
    text: str


def front(search: Search, measure: str) -> list[tuple[int, Trial]]:
    """Returns the whole architectures on a Pareto front, the smallest first, each with its size.

    Args:
        search: the search; of an architecture that was trained several times the newest score counts.
        measure: a key of `MEASURES`.
    """
    sized = _sized(search, measure)
    return [sized[i] for i in pareto_front([size for size, _ in sized], [trial.score or 0.0 for _, trial in sized])]


def _sized(search: Search, measure: str) -> list[tuple[int, Trial]]:
    costs = [(search_cost(search, trial.architecture), trial) for trial in search.best_trials()]
    return [(getattr(cost, measure), trial) for cost, trial in costs if cost is not None]


def front_pictures(search: Search) -> list[Picture]:
    """Draws accuracy against each measure of size; none where fewer than two architectures can be compared."""
    return [found for measure in MEASURES if (found := _front_picture(search, measure)) is not None]


def _front_picture(search: Search, measure: str) -> Picture | None:
    sized = _sized(search, measure)
    if len(sized) < 2:
        return None
    on_front = front(search, measure)
    figure, axes = plot(270)
    axes.scatter(
        [size for size, _ in sized], [t.score or 0.0 for _, t in sized], s=16, c=BLUE, alpha=0.55, linewidths=0
    )
    sizes, scores = [size for size, _ in on_front], [trial.score or 0.0 for _, trial in on_front]
    axes.step(sizes, scores, where="post", color=VERMILION, linewidth=1.4)
    axes.scatter(sizes, scores, s=26, c=VERMILION, linewidths=0, zorder=3)
    axes.set_xlabel(MEASURES[measure], color=MUTED, size=LETTER)
    axes.set_ylabel("validation accuracy")
    axes.xaxis.set_major_formatter(lambda number, _: compact(int(number)))
    percent_axis(axes.yaxis)
    name = MEASURES[measure]
    caption = (
        f"Each dot is a whole architecture, with its newest accuracy on the shared weights and its {name}, at the "
        "channels of the search. No other is as accurate as one on the line and as small."
    )
    alt = f"Accuracy against {name} of {plural(len(sized), 'architecture')}, {len(on_front)} of them on the front."
    return picture(figure, f"front-{measure.replace('_', '-')}", alt, caption)


def _points(sized: list[tuple[int, Trial]]) -> tuple[list[int], list[float]]:
    return [size for size, _ in sized], [trial.score or 0.0 for _, trial in sized]


def front_rows(search: Search) -> list[FrontRow]:
    """Returns the architectures on any of the fronts, the one of fewest parameters first."""
    trials = {trial.child: trial for measure in MEASURES for _, trial in front(search, measure)}
    rows = [(search_cost(search, trial.architecture), trial) for trial in trials.values()]
    known = sorted(
        ((cost, trial) for cost, trial in rows if cost is not None), key=lambda row: (row[0].parameters, row[1].child)
    )
    return [
        FrontRow(
            accuracy=percent(trial.score, 2),
            parameters=count(cost.parameters),
            multiply_adds=count(cost.multiply_adds),
            child=str(trial.child),
            text=str(trial.architecture),
        )
        for cost, trial in known
    ]
