"""The best of the measured architectures when scores are noisy.

The highest of many noisy scores is partly luck. A prediction uses all scores and is less noisy, but shares the model's
errors. The estimate lies between the two, weighted by the noise: it is the posterior mean of a normal distribution
whose prior mean is the prediction.
"""

from collections.abc import Sequence

import numpy as np

from epnas_tf.arrays import FloatArray

CONFIDENCE = 0.95
"""Confidence that adjusted scores vary more than raw ones, above which the raw ones are used."""

SMALLEST_VARIANCE = 1e-10
"""Lower bound for the variance of the model's errors, for scores in [0, 1]."""


def noise_variance(scores: Sequence[FloatArray]) -> float | None:
    """The variance of a single score, from architectures that were scored several times; None if there are none."""
    repeats = _repeats(scores)
    return _squares(scores) / repeats if repeats else None


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


def estimates(scores: Sequence[FloatArray], predicted: FloatArray) -> FloatArray:
    """Estimates of the architectures' scores without noise.

    Args:
        scores: all scores of each architecture, as `choose_adjusted_or_raw` returns them.
        predicted: [n], the surrogate's predictions.

    Returns:
        float64 [n], between the mean of the scores and the prediction. If no architecture was scored twice, the noise
        is unknown, and the estimate is the mean of the scores.
    """
    means = np.array([np.mean(each) for each in scores])
    noise = noise_variance(scores)
    if noise is None:
        return means
    of_mean = noise / np.array([len(each) for each in scores])
    of_model = max(float(np.mean((means - predicted) ** 2 - of_mean)), SMALLEST_VARIANCE)
    return predicted + of_model / (of_model + of_mean) * (means - predicted)


def _repeats(scores: Sequence[FloatArray]) -> int:
    """The number of scores of architectures that had been scored before."""
    return sum(len(each) - 1 for each in scores)


def _squares(scores: Sequence[FloatArray]) -> float:
    """The sum of squared differences of the scores from the mean of their architecture."""
    return float(sum(each.var() * len(each) for each in scores))
