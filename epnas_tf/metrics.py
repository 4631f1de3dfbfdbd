"""Metrics of a classifier from its probabilities and the true labels, and of predicted scores. No TensorFlow.

Conventions: of equal probabilities, that of the lower class number ranks higher. The precision of a class that was
never predicted, and the recall of a class without images, are 0.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import DataError

TOP = 5
"""The k of the top-k accuracy."""

SMALLEST_PROBABILITY = 1e-12
"""Lower bound of a probability in the loss, so that one image costs at most 27.6 nats."""


@dataclasses.dataclass(frozen=True)
class ClassMetrics:
    """The metrics of one class.

    Attributes:
        name: the name of the class.
        precision: the fraction of images predicted as this class that belong to it; 0 if none was predicted.
        recall: the fraction of this class's images that are predicted as it; 0 if there are none.
        f1: the harmonic mean of the two; 0 if both are 0.
        num_images: images of this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    num_images: int

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ClassMetrics":
        """Builds the metrics from a mapping of the attributes' names to their values.

        Raises:
            KeyError, TypeError, ValueError: if a value is missing or has another form.
        """
        return cls(
            name=str(values["name"]),
            precision=float(values["precision"]),
            recall=float(values["recall"]),
            f1=float(values["f1"]),
            num_images=int(values["num_images"]),
        )


@dataclasses.dataclass(frozen=True)
class Metrics:
    """The metrics of a classifier on a set of images.

    Attributes:
        accuracy: the fraction of images whose most probable class is the true one, in [0, 1].
        top_5: the fraction whose true class is among the five most probable; None for five classes or fewer.
        loss: mean cross-entropy in nats, with probabilities of at least `SMALLEST_PROBABILITY`.
        num_images: the number of images.
        classes: the metrics of each class, in the order of the labels.
        confusion: images of each true class (rows) that were predicted as each class (columns).

    Example:
        >>> import epnas_tf
        >>> metrics = epnas_tf.evaluate("runs/demo").metrics
        >>> len(metrics.classes), sum(map(sum, metrics.confusion)) == metrics.num_images
        (10, True)
    """

    accuracy: float
    top_5: float | None
    loss: float
    num_images: int
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class, in the order of the labels."""
        return tuple(figures.name for figures in self.classes)

    def to_dict(self) -> dict[str, Any]:
        """The metrics as values for JSON: the attributes by name, tuples as lists."""
        return {
            **dataclasses.asdict(self),
            "classes": [dataclasses.asdict(figures) for figures in self.classes],
            "confusion": [list(row) for row in self.confusion],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Metrics":
        """Builds the metrics from the values of `to_dict`; further keys, such as those of metrics.json, are ignored.

        Raises:
            DataError: if a value is missing or has another form.
        """
        try:
            return cls(
                accuracy=float(values["accuracy"]),
                top_5=None if values["top_5"] is None else float(values["top_5"]),
                loss=float(values["loss"]),
                num_images=int(values["num_images"]),
                classes=tuple(ClassMetrics.from_dict(figures) for figures in values["classes"]),
                confusion=tuple(tuple(int(count) for count in row) for row in values["confusion"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "Figures must have the form of `Metrics.to_dict`. "
                f"Received: {error!r}. Take them from a file that an evaluation wrote."
            ) from error


def measure(labels: npt.NDArray[Any], probabilities: npt.NDArray[Any], class_names: Sequence[str]) -> Metrics:
    """Computes the metrics of predictions.

    Args:
        labels: the true classes, integers [n] from 0 to classes − 1, n ≥ 1.
        probabilities: floats [n, classes], finite.
        class_names: the name of each class, in the order of the labels; two or more.

    Returns:
        The metrics.

    Raises:
        DataError: if the arrays do not fit each other or the names, or a value is out of its range.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    _check(labels, probabilities, len(class_names))
    numbers = np.arange(len(class_names))
    order = np.argsort(-probabilities, axis=1, kind="stable")
    predicted = order[:, 0]
    precision, recall, f1, counts = precision_recall_fscore_support(
        labels, predicted, labels=numbers, average=None, zero_division=0
    )
    true_probability = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return Metrics(
        accuracy=float(np.mean(predicted == labels)),
        top_5=float(np.mean((order[:, :TOP] == labels[:, np.newaxis]).any(1))) if len(class_names) > TOP else None,
        loss=float(np.mean(-np.log(np.clip(true_probability, SMALLEST_PROBABILITY, 1.0)))),
        num_images=len(labels),
        classes=tuple(
            ClassMetrics(str(name), float(precision[i]), float(recall[i]), float(f1[i]), int(counts[i]))
            for i, name in enumerate(class_names)
        ),
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(labels, predicted, labels=numbers)),
    )


def _check(labels: npt.NDArray[Any], probabilities: npt.NDArray[Any], classes: int) -> None:
    if classes < 2 or labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise DataError(
            "Labels must be whole numbers [n], n at least 1, of two classes or more. Received: "
            f"{labels.dtype} {list(labels.shape)} and {classes} class names. Give one class number for each image."
        )
    if probabilities.shape != (len(labels), classes) or probabilities.dtype.kind != "f":
        raise DataError(
            f"Probabilities must be floats [{len(labels)}, {classes}], a row for each label and a column for each "
            f"class name. Received: {probabilities.dtype} {list(probabilities.shape)}. Predict the same images."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"Labels must lie within 0 and {classes - 1}, as there are {classes} class names. Received: labels from "
            f"{labels.min()} to {labels.max()}. Name every class."
        )
    if not np.all(np.isfinite(probabilities)):
        raise DataError("Probabilities must be finite. Received: NaN or infinity. The network may have diverged.")


def rank_correlation(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    """Spearman's rank correlation of pairs of a predicted and a measured score.

    None if it is undefined or meaningless: for fewer than three pairs, if a score is not finite, or if all predicted or
    all measured scores are equal.
    """
    from scipy.stats import spearmanr  # slow to import, and not needed without predictions

    values = np.array(pairs, float).reshape(-1, 2)
    if len(values) < 3 or not np.isfinite(values).all() or (np.ptp(values, axis=0) == 0).any():
        return None
    return float(spearmanr(values[:, 0], values[:, 1]).statistic)


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """The Pareto front of low costs and high scores.

    Args:
        costs: the lower the better.
        scores: one for each cost; the higher the better.

    Returns:
        The positions on the front, by rising cost, each with a higher score than all before it; of equal pairs, the
        first.
    """
    front: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i])):
        if not front or scores[i] > scores[front[-1]]:
            front.append(i)
    return front


NORMAL_QUANTILE = 1.959964
"""The 97.5 % quantile of the standard normal distribution, for 95 % intervals."""


def accuracy_interval(accuracy: float, num_images: int) -> tuple[float, float]:
    """Wilson's 95 % confidence interval of an accuracy.

    Args:
        accuracy: the measured accuracy, in [0, 1].
        num_images: the number of images, at least 1.
    """
    square = NORMAL_QUANTILE**2
    centre = (accuracy + square / (2 * num_images)) / (1 + square / num_images)
    spread = math.sqrt(accuracy * (1 - accuracy) / num_images + square / (4 * num_images**2))
    margin = NORMAL_QUANTILE * spread / (1 + square / num_images)
    return max(centre - margin, 0.0), min(centre + margin, 1.0)


def decimals(num_images: int | None) -> int:
    """The decimals of a percentage that one image more or less can change; 2 if the number of images is unknown."""
    return 2 if num_images is None or num_images > 1000 else 1 if num_images > 100 else 0


@dataclasses.dataclass(frozen=True)
class Mean:
    """The mean of several trainings' figures, and its 95 % interval; without one for fewer than two.

    Attributes:
        value: the mean.
        low: the interval's lower end.
        high: its upper end.
    """

    value: float
    low: float | None
    high: float | None


def mean_of_trainings(accuracies: Sequence[float], num_images: int) -> Mean | None:
    """The mean of the accuracies of several trainings, or of their differences; None if there are none.

    The interval is Student's, over the trainings. A spread of less than one image is taken for one image: few
    trainings that agree by chance would otherwise leave no doubt.

    Args:
        accuracies: of trainings with different seeds, on the same images.
        num_images: the number of these images.
    """
    from scipy.stats import t

    count = len(accuracies)
    if not count:
        return None
    value = float(np.mean(accuracies))
    if count < 2:
        return Mean(value, None, None)
    spread = max(float(np.std(accuracies, ddof=1)), 1 / num_images)
    margin = float(t.ppf(0.975, count - 1)) * spread / math.sqrt(count)
    return Mean(value, value - margin, value + margin)


def mean_text(mean: Mean | None, num_images: int | None) -> str:
    """A mean accuracy in per cent with its interval, such as `90.1 % (89.4 … 90.8)`."""
    return "-" if mean is None else f"{percent_of_images(mean.value, num_images)}{_ends(mean, num_images, 0.0)}"


def points_text(difference: Mean | None, num_images: int | None, signed: bool = True) -> str:
    """A mean difference of accuracies in points with its interval, such as `+0.8 (0.3 … 1.3)`."""
    if difference is None:
        return "-"
    sign = "+" if signed else ""
    value = f"{_rounded(difference.value, num_images):{sign}.{decimals(num_images)}f}".replace("-", "−")
    return f"{value}{_ends(difference, num_images, -1.0)}"


def _ends(mean: Mean, num_images: int | None, least: float) -> str:
    """The interval of a mean, in per cent, cut at the least and the largest possible value."""
    if mean.low is None or mean.high is None:
        return ""
    ends = [max(mean.low, least), min(mean.high, 1.0)]
    low, high = (f"{_rounded(end, num_images):.{decimals(num_images)}f}".replace("-", "−") for end in ends)
    return f" ({low} … {high})"


def _rounded(part: float, num_images: int | None) -> float:
    """A fraction in per cent, rounded as it is shown; zero without a minus sign."""
    return round(100 * part, decimals(num_images)) + 0.0


def percent_of_images(part: float | None, num_images: int | None) -> str:
    """An accuracy in per cent, with the decimals that the number of images justifies; "-" for None.

    A predicted accuracy may lie outside [0, 1] and is then clipped.
    """
    return "-" if part is None else f"{100 * min(max(part, 0.0), 1.0):.{decimals(num_images)}f} %"


def with_interval(accuracy: float, num_images: int) -> str:
    """An accuracy in per cent with its 95 % interval, such as `61 % (48 … 73 %)`."""
    return f"{percent_of_images(accuracy, num_images)} ({interval_text(accuracy, num_images)})"


def interval_text(accuracy: float, num_images: int) -> str:
    """The 95 % interval of an accuracy, such as `48 … 73 %`."""
    low, high = (100 * end for end in accuracy_interval(accuracy, num_images))
    digits = decimals(num_images)
    return f"{low:.{digits}f} … {high:.{digits}f} %"
