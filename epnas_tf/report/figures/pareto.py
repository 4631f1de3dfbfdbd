"""The Pareto fronts: the trained whole architectures that no smaller or equally large one beats in accuracy."""

from matplotlib.ticker import MaxNLocator

from epnas_tf.metrics import pareto_front
from epnas_tf.nn.costs import Cost
from epnas_tf.report.figures.drawing import BLUE, VERMILION, Picture, percent_axis, picture, plot
from epnas_tf.report.search_files import Search, Trial
from epnas_tf.report.tables import search_cost
from epnas_tf.report.text import compact, plural

MEASURES = {"parameters": "parameters", "multiply_adds": "multiply-adds for one image"}
"""The measures of a network's size, and how they are called."""


Sized = list[tuple[Cost, Trial]]
"""Trials, each with what its network costs."""


def sized(search: Search) -> Sized:
    """Returns the whole architectures of a search whose costs are known, each with its newest trial."""
    costs = [(search_cost(search, trial.architecture), trial) for trial in search.best_trials()]
    return [(cost, trial) for cost, trial in costs if cost is not None]


def front(trials: Sized, measure: str) -> Sized:
    """Returns the architectures on a Pareto front, smallest first.

    Args:
        trials: the trials to compare.
        measure: a key of `MEASURES`.
    """
    return [trials[i] for i in pareto_front(*_points(trials, measure))]


def _points(trials: Sized, measure: str) -> tuple[list[int], list[float]]:
    return [getattr(cost, measure) for cost, _ in trials], [trial.score or 0.0 for _, trial in trials]


def front_pictures(search: Search) -> list[Picture]:
    """Draws accuracy against each measure of size; nothing if fewer than two architectures can be compared."""
    trials = sized(search)
    if len(trials) < 2:
        return []
    return [_front_picture(trials, measure, search.config.child.on_weights) for measure in MEASURES]


def _front_picture(trials: Sized, measure: str, on_weights: str) -> Picture:
    name, on_front = MEASURES[measure], front(trials, measure)
    figure, axes = plot(270)
    axes.scatter(*_points(trials, measure), s=16, c=BLUE, alpha=0.55, linewidths=0)
    sizes, scores = _points(on_front, measure)
    axes.step(sizes, scores, where="post", color=VERMILION, linewidth=1.4)
    axes.scatter(sizes, scores, s=26, c=VERMILION, linewidths=0, zorder=3)
    axes.set(xlabel=name, ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))  # "3.85 k" is wide
    axes.xaxis.set_major_formatter(lambda number, _: compact(int(number)))
    percent_axis(axes.yaxis)
    caption = (
        f"Each dot is a whole architecture, with its newest accuracy {on_weights} and its {name}, at the "
        "channels of the search. No other is as accurate as one on the line and as small."
    )
    alt = f"Accuracy against {name} of {plural(len(trials), 'architecture')}, {len(on_front)} of them on the front."
    return picture(figure, f"front-{measure.replace('_', '-')}", alt, caption)


def all_fronts(search: Search) -> Sized:
    """Returns the architectures on any of the fronts, the one with the fewest parameters first."""
    trials = sized(search)
    found = {trial.child: (cost, trial) for measure in MEASURES for cost, trial in front(trials, measure)}
    return sorted(found.values(), key=lambda sized: (sized[0].parameters, sized[1].child))
