"""Several searches of the same images beside each other, like the paper's figure 6."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from epnas_tf.arrays import Float64Array
from epnas_tf.metrics import percent_of_images
from epnas_tf.report.figures.drawing import BLUE, VERMILION, Picture, percent_axis, picture, plot
from epnas_tf.report.search_files import Search
from epnas_tf.report.text import MISSING, count, plural
from epnas_tf.report.training_files import Training
from epnas_tf.space.architecture import Architecture


def searches_rows(
    searches: Sequence[Search], training: Training | None
) -> list[tuple[str, str, str, str, str, Architecture | None]]:
    """Returns the rows of the table: seed, children, estimate, measured, own training, the best architecture.

    Args:
        searches: the searches.
        training: the final training, among whose candidates their best ones are.
    """
    own = {} if training is None else {one.architecture: one.accuracy for one in training.candidates}
    rows = []
    for search in searches:
        best, images = search.best_trials()[:1], search.num_validation
        figures = [(search.estimate(trial), trial.score, own.get(trial.architecture)) for trial in best]
        texts = [percent_of_images(each, images) for each in figures[0]] if figures else [MISSING] * 3
        found = best[0].architecture if best else None
        rows.append((str(search.config.seed), count(len(search.trials)), texts[0], texts[1], texts[2], found))
    return rows


def best_by_iteration(search: Search) -> Float64Array:
    """The best accuracy of a whole network by the end of each iteration so far, NaN before there is one."""
    whole = [trial for trial in search.completed if trial.level == search.depth]
    iterations = range(1, max((trial.iteration for trial in search.trials), default=0) + 1)
    scores = [[trial.score or 0.0 for trial in whole if trial.iteration == number] for number in iterations]
    return np.fmax.accumulate([max(each, default=np.nan) for each in scores]) if scores else np.zeros(0)


def searches_picture(searches: Sequence[Search]) -> Picture | None:
    """Draws the best network of each search after each iteration, with their mean; None before there are any."""
    iterations = max(search.config.search.iterations for search in searches)
    table = np.full([len(searches), iterations], np.nan)
    for row, search in zip(table, searches, strict=True):
        known = best_by_iteration(search)
        row[: len(known)] = known
    known = ~np.isnan(table)
    columns = np.flatnonzero(known.sum(axis=0) > 1)
    if not len(columns):
        return None
    mean, spread = (np.array([of(table[known[:, n], n]) for n in columns]) for of in (np.mean, np.std))
    figure, axes = plot(270)
    axes.fill_between(columns + 1, mean - spread, np.minimum(mean + spread, 1), color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(columns + 1, mean, color=BLUE)
    axes.scatter(np.nonzero(known)[1] + 1, table[known], s=26, c=VERMILION, alpha=0.7, linewidths=0, zorder=3)
    axes.plot(columns + 1, mean, "*", color=BLUE, ms=11, zorder=4)
    axes.set(xlabel="iterations", ylabel="validation accuracy", xlim=(0.5, iterations + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    percent_axis(axes.yaxis)
    where = searches[0].config.child.on_weights
    caption = (
        "Each dot is a search: the highest accuracy of a whole network by the end of an iteration"
        f"{where and ', '}{where}. The star is their mean, the shadow one standard deviation to each side."
    )
    alt = f"The best accuracy of {plural(len(searches), 'search', 'searches')} by iteration."
    return picture(figure, "searches", alt, caption)
