"""Which of the measured architectures to call the best, when scores are noisy.

The highest of many noisy scores is a lucky one. A prediction is made from all scores, so it is less noisy, but it is
wrong where the model is. The estimate lies between the two, as far from the prediction as the noise allows: it is the
mean of a normal distribution with the prediction as the prior's mean.
"""

from collections.abc import Sequence

import numpy as np

from epnas_tf.arrays import FloatArray

CONFIDENCE = 0.95
"""Confidence that adjusted scores differ more than raw ones, above which the raw ones are used."""

SMALLEST_VARIANCE = 1e-10
"""Of the model's errors, in squares of a score in [0, 1]: below it a model is taken as right."""


def noise_variance(scores: Sequence[FloatArray]) -> float | None:
    """Returns the variance of a single score, from architectures that were scored several times; None without any."""
    repeats = _repeats(scores)
    return _squares(scores) / repeats if repeats else None


def choose_adjusted_or_raw(measured: Sequence[FloatArray], adjusted: Sequence[FloatArray]) -> Sequence[FloatArray]:
    """Returns the scores adjusted to one time of the search, or as measured where these significantly agree more.

    The adjustment should make the scores of one architecture alike. Where it drives them apart, the effect that it
    corrects is not real: without noise, and with weights that do not change, scores would differ by the correction
    alone. A few repeated scores may also agree by chance, so the two variances are compared by the quantile of the F
    distribution. Without repeated scores, the adjusted ones are returned.

    Args:
        measured: of each architecture, all of its scores.
        adjusted: the same, adjusted to the latest iteration.
    """
    repeats = _repeats(measured)
    if not repeats:
        return adjusted
    from scipy.special import fdtri  # slow to import, and not needed before scores are repeated

    bound = _squares(measured) * fdtri(repeats, repeats, CONFIDENCE)
    return measured if _squares(adjusted) > bound else adjusted


def estimates(scores: Sequence[FloatArray], predicted: FloatArray) -> FloatArray:
    """Returns what the architectures are worth, float64 [n].

    Args:
        scores: of each architecture, all that were measured, as `choose_adjusted_or_raw` returns them.
        predicted: [n], what the surrogate predicts.

    Returns:
        Between the mean of the scores and the prediction. Without an architecture that was measured twice nothing is
        known of the noise: then it is the mean of the scores.
    """
    means = np.array([np.mean(each) for each in scores])
    noise = noise_variance(scores)
    if noise is None:
        return means
    of_mean = noise / np.array([len(each) for each in scores])
    of_model = max(float(np.mean((means - predicted) ** 2 - of_mean)), SMALLEST_VARIANCE)
    return predicted + of_model / (of_model + of_mean) * (means - predicted)


def _repeats(scores: Sequence[FloatArray]) -> int:
    """Returns how many scores are of an architecture that had been scored before."""
    return sum(len(each) - 1 for each in scores)


def _squares(scores: Sequence[FloatArray]) -> float:
    """Returns the sum of the squares of what scores differ by from the mean of their architecture's."""
    return float(sum(each.var() * len(each) for each in scores))
