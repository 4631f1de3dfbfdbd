"""The best of the measured architectures when scores are noisy.

The highest of many noisy scores is partly luck. A prediction uses all scores and is less noisy, but shares the model's
errors. The estimate lies between the two: the prediction and what the architecture and those like it score beyond it,
as far as that is not noise.
"""

from collections.abc import Sequence

import numpy as np

from epnas_tf.arrays import FloatArray
from epnas_tf.surrogate.residuals import ResidualProcess

FEWEST_FOR_RESIDUALS = 50
"""Scores, if there are so many, from which it is learned what whole architectures score beyond their predictions."""

CONFIDENCE = 0.95
"""Confidence that adjusted scores vary more than raw ones, above which the raw ones are used."""


def choose_adjusted_or_raw(measured: Sequence[FloatArray], adjusted: Sequence[FloatArray]) -> Sequence[FloatArray]:
    """The scores adjusted to the latest iteration, or the raw scores if these agree significantly better.

    The adjustment should bring the scores of one architecture closer. If it drives them apart, the effect that it
    corrects is not real: without noise, and with constant weights, scores would differ by the correction alone. A few
    repeated scores may also agree by chance, so the two variances are compared by an F test. Without repeated scores,
    the adjusted ones are returned.

    Args:
        measured: all scores of each architecture.
        adjusted: the same scores, adjusted to the latest iteration.
    """
    repeats = _repeats(measured)
    if not repeats:
        return adjusted
    from scipy.special import fdtri  # slow to import, and not needed before scores are repeated

    bound = _squares(measured) * fdtri(repeats, repeats, CONFIDENCE)
    return measured if _squares(adjusted) > bound else adjusted


def residuals_of(features: FloatArray, scores: Sequence[FloatArray], predicted: FloatArray) -> ResidualProcess:
    """What architectures score beyond their predictions.

    Args:
        features: [n, L, F], the architectures' symbol arrays, n at least 1.
        scores: all scores of each architecture, as `choose_adjusted_or_raw` returns them.
        predicted: [n], the surrogate's predictions.
    """
    counts = [len(each) for each in scores]
    return ResidualProcess.fitted(
        np.repeat(features, counts, axis=0), np.concatenate(scores) - np.repeat(predicted, counts)
    )


def _repeats(scores: Sequence[FloatArray]) -> int:
    """The number of scores of architectures that had been scored before."""
    return sum(len(each) - 1 for each in scores)


def _squares(scores: Sequence[FloatArray]) -> float:
    """The sum of squared differences of the scores from the mean of their architecture."""
    return float(sum(each.var() * len(each) for each in scores))
