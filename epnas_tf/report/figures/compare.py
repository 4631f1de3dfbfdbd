"""The found network against others, as measured by `epnas-compare`."""

from matplotlib.axes import Axes

from epnas_tf.metrics import Mean, mean_text, points_text
from epnas_tf.report.figures.drawing import BLUE, VERMILION, Picture, percent_axis, picture, plot
from epnas_tf.report.text import MISSING, count, decimal, plural
from epnas_tf.storage.compare_directory import ComparedNetwork, Comparison


def compared_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Returns the rows of the table: title, note, accuracy, difference, parameters, multiply-adds, latency."""
    images = comparison.num_images
    return [
        (
            row.title.capitalize() if row.title.islower() else row.title,
            row.note,
            mean_text(row.accuracy, images),
            points_text(row.difference, images) if number else "",
            count(row.parameters),
            count(row.multiply_adds),
            MISSING if row.latency_ms is None else f"{decimal(row.latency_ms, 2)} ms",
        )
        for number, row in enumerate(comparison.networks)
    ]


def compare_picture(comparison: Comparison) -> Picture | None:
    """Draws the accuracy of each network with its interval; None if there are fewer than two networks to draw."""
    rows = [(row, row.accuracy) for row in comparison.networks if row.accuracy is not None]
    if len(rows) < 2:
        return None
    figure, axes = plot(70 + 30 * len(rows))
    for place, (row, mean) in enumerate(rows):
        _draw(axes, place, row, mean, VERMILION if place == 0 else BLUE)
    axes.set_yticks(range(len(rows)), [row.title for row, _ in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="test accuracy")
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x")
    percent_axis(axes.xaxis)
    caption = (
        "Each small dot is a training, the large one the mean, the line its 95 % interval over the seeds. All networks "
        f"were trained by one recipe for {plural(comparison.epochs, 'epoch')}."
    )
    alt = f"Test accuracy of {plural(len(rows), 'network')}, the found one first."
    return picture(figure, "compare", alt, caption)


def _draw(axes: Axes, place: int, row: ComparedNetwork, mean: Mean, color: str) -> None:
    known = [accuracy for accuracy in row.accuracies if accuracy is not None]
    if mean.low is not None and mean.high is not None:
        axes.plot([max(mean.low, 0.0), min(mean.high, 1.0)], [place, place], color=color, linewidth=1.6, alpha=0.7)
    axes.scatter(known, [place + 0.22] * len(known), s=12, c=color, alpha=0.6, linewidths=0)
    axes.scatter([mean.value], [place], s=44, c=color, linewidths=0, zorder=3)
