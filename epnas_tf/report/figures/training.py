"""Pictures of a final training: its curves and the confusion of classes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from epnas_tf.arrays import Int64Array
from epnas_tf.config import RecipeConfig
from epnas_tf.report.figures.drawing import (
    BLUE,
    BLUES,
    GREEN,
    ORANGES,
    SMALL,
    VERMILION,
    Picture,
    blend,
    canvas,
    field,
    picture,
    plot,
)
from epnas_tf.report.figures.svg import MUTED, PAPER
from epnas_tf.report.text import clean, decimal, letters_wide, percent, plural, shortened
from epnas_tf.report.training_files import TestFigures
from epnas_tf.space.picture import WIDTH
from epnas_tf.storage.training_directory import Epoch

Curves = Mapping[str, Sequence[float | None]]
"""The values of each curve, one an epoch."""

CLASSES_WITH_NUMBERS = 16
"""A confusion matrix of more classes has no room for numbers, and is drawn as an image."""

CLASSES_WITH_NAMES = 40


def loss_picture(epochs: Sequence[Epoch], recipe: RecipeConfig) -> Picture:
    """Draws the losses over one epoch or more."""
    curves: Curves = {"training": [e.training_loss for e in epochs], "validation": [e.validation_loss for e in epochs]}
    caption = _what_loss(recipe) + _judged(epochs, recipe, "loss")
    alt = f"Training loss over {plural(len(epochs), 'epoch')}, last {decimal(epochs[-1].training_loss)} nats."
    return _curves("loss", epochs, curves, "loss in nats", caption, alt)


def training_accuracy_picture(epochs: Sequence[Epoch], recipe: RecipeConfig) -> Picture:
    """Draws the accuracies over one epoch or more."""
    curves: Curves = {
        "training": [e.training_accuracy for e in epochs],
        "validation": [e.validation_accuracy for e in epochs],
    }
    caption = "The part of the images that is classified right in each epoch. " + _judged(epochs, recipe, "accuracy")
    alt = f"Training accuracy over {plural(len(epochs), 'epoch')}, last {percent(epochs[-1].training_accuracy)}."
    return _curves("training-accuracy", epochs, curves, "accuracy", caption, alt, in_percent=True)


def learning_rate_picture(epochs: Sequence[Epoch], recipe: RecipeConfig) -> Picture:
    """Draws the learning rate over one epoch or more."""
    rates = [e.learning_rate for e in epochs]
    caption = "The step size of each epoch: a cosine that falls, and starts anew where the curve jumps up."
    caption += " It rises over the warm-up first." if recipe.warmup_epochs else ""
    alt = f"Learning rate over {plural(len(epochs), 'epoch')}, between {max(rates):.3g} and {min(rates):.3g}."
    return _curves("learning-rate", epochs, {"learning rate": rates}, "learning rate", caption, alt, height=200)


def confusion_picture(figures: TestFigures) -> Picture:
    """Draws the confusion matrix."""
    names = [shortened(clean(name), 14) for name in figures.metrics.class_names]
    counts, classes = np.array(figures.metrics.confusion), plural(len(names), "class", "classes")
    alt = f"Confusion matrix of {classes}: {np.trace(counts):,} of {figures.metrics.num_images:,} are right."
    caption = "Rows are true classes, columns what the network says. What is right lies on the diagonal, in blue. "
    if len(names) <= CLASSES_WITH_NUMBERS:
        caption += "Every other field counts mistakes: the darker the orange, the larger the part of its row."
        return _confusion_fields(counts, names, alt, caption)
    caption += "Every other dot is mistakes: the darker the orange, the larger the part of that row."
    return _confusion_image(counts, names, alt, caption)


def _curves(
    name: str,
    epochs: Sequence[Epoch],
    curves: Curves,
    label: str,
    caption: str,
    alt: str,
    in_percent: bool = False,
    height: float = 250,
) -> Picture:
    figure, axes = plot(height)
    drawn = {title: np.array(values, float) for title, values in curves.items()}
    drawn = {title: values for title, values in drawn.items() if np.isfinite(values).any()}
    numbers = [e.epoch for e in epochs]
    for (title, values), color in zip(drawn.items(), (BLUE, VERMILION), strict=False):
        shown = GREEN if name == "learning-rate" else color
        axes.plot(numbers, values, color=shown, label=title, marker="o" if len(epochs) < 12 else None, ms=4)
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=3))
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %" if in_percent else f"{value:.4g}")
    if len(drawn) > 1:
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.02), labelcolor=MUTED)
    return picture(figure, name, alt, caption)


def _judged(epochs: Sequence[Epoch], recipe: RecipeConfig, what: str) -> str:
    """Explains how the figures on training images differ from those on images without augmentation."""
    kept = {"dropout": recipe.dropout_keep, "drop-path": recipe.drop_path_keep}
    dropped = [name for name, keep in kept.items() if keep < 1]
    mixed = "mixed and " if recipe.mixup or recipe.cutmix else ""
    measured = f"on {mixed}augmented images" + (f" with {' and '.join(dropped)}" if dropped else "")
    if any(e.validation_loss is not None for e in epochs):
        averaged = " It is that of the averaged weights." if recipe.ema_decay else ""
        return f"The training {what} is measured {measured}, so the validation {what} may be the better one.{averaged}"
    rising = " Drop-path grows with every step, so it may get worse towards the end." if "drop-path" in dropped else ""
    return f"The training {what} is measured {measured}; no validation images were held out.{rising}"


def _what_loss(recipe: RecipeConfig) -> str:
    changes = {"smoothed": recipe.label_smoothing, "mixed": recipe.mixup or recipe.cutmix}
    changed = " and ".join(name for name, value in changes.items() if value)
    labels = f" of the {changed} labels" if changed else ""
    beside = "L2 and the auxiliary head’s loss are" if recipe.auxiliary_weight else "L2 is"
    return f"Mean cross-entropy{labels} of each epoch, {beside} not counted: the lower, the better. "


def _confusion_fields(counts: Int64Array, names: list[str], alt: str, caption: str) -> Picture:
    number, longest = len(names), max(map(letters_wide, names))
    upright = longest <= 3
    left, top = 14 + 7.8 * longest, 26 if upright else 12 + 7.0 * longest
    side = min((WIDTH - left - 4) / number, 60)
    left += (WIDTH - left - side * number) / 2
    figure, axes = canvas(top + side * number + 6)
    colors = _confusion_colors(counts)
    turned = 0 if upright else 90
    for i, name in enumerate(names):
        middle = (i + 0.5) * side
        axes.text(left - 7, top + middle, name, ha="right", va="center", color=MUTED)
        axes.text(left + middle, top - 6, name, ha="center", va="bottom", color=MUTED, rotation=turned, size=SMALL)
        for j in range(number):
            field(axes, left + j * side, top + i * side, side, side, colors[i][j], _in_field(counts[i, j]))
    return picture(figure, "confusion", alt, caption)


def _confusion_image(counts: Int64Array, names: list[str], alt: str, caption: str) -> Picture:
    named = len(names) <= CLASSES_WITH_NAMES
    left = top = 12 + 6.4 * max(map(letters_wide, names)) if named else 24
    side = WIDTH - left - 4
    figure, axes = canvas(top + side + 6)
    pixels = np.array([[to_rgb(color or PAPER) for color in row] for row in _confusion_colors(counts)])
    axes.imshow(pixels, extent=(left, left + side, top + side, top), interpolation="nearest", aspect="auto")
    axes.plot([left, left + side, left + side, left, left], [top, top, top + side, top + side, top], color=MUTED, lw=1)
    if named:
        step = side / len(names)
        size = min(SMALL, step)
        for i, name in enumerate(names):
            axes.text(left - 5, top + (i + 0.5) * step, name, ha="right", va="center", color=MUTED, size=size)
            place = (left + (i + 0.5) * step, top - 5)
            axes.text(*place, name, ha="center", va="bottom", color=MUTED, size=size, rotation=90)
    else:
        axes.text(left + side / 2, top - 7, "predicted", ha="center", va="bottom", color=MUTED)
        axes.text(left - 7, top + side / 2, "true", ha="right", va="center", color=MUTED, rotation=90)
    return picture(figure, "confusion", alt, caption)


def _confusion_colors(counts: Int64Array) -> list[list[str | None]]:
    """Returns a colour for each cell, None for empty ones; mistakes are shaded by their fraction of the row."""
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mistakes = parts - np.diag(np.diag(parts))
    largest = max(float(mistakes.max()), 1e-9)
    ramp_blue, ramp_orange = ([blend(ramp, i / 32) for i in range(33)] for ramp in (BLUES, ORANGES))

    def color(i: int, j: int) -> str | None:
        if not counts[i, j]:
            return None
        return ramp_blue[round(32 * parts[i, j])] if i == j else ramp_orange[round(32 * parts[i, j] / largest)]

    return [[color(i, j) for j in range(len(counts))] for i in range(len(counts))]


def _in_field(value: int) -> str:
    return "" if not value else str(value) if value < 10_000 else f"{value / 1000:.0f}k"
