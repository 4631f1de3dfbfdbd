"""Which of the measured architectures to call the best, when scores are noisy.

The highest of many noisy scores is a lucky one. A prediction is made from all scores, so it is less noisy, but it is
wrong where the model is. The estimate lies between the two, as far from the prediction as the noise allows: it is the
mean of a normal distribution with the prediction as the prior's mean.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

SURE = 0.95
"""How sure it must be that scores differ more after a correction than before, for it to be left out."""

SMALLEST_VARIANCE = 1e-10
"""Of the model's errors, in squares of a score in [0, 1]: below it a model is taken as right."""


def noise_variance(scores: Sequence[FloatArray]) -> float | None:
    """Returns the variance of a single score, from architectures that were scored several times; None without any."""
    repeats = _repeats(scores)
    return _squares(scores) / repeats if repeats else None


def agreeing(measured: Sequence[FloatArray], brought_up: Sequence[FloatArray]) -> Sequence[FloatArray]:
    """Returns the scores brought up to one moment of the search, or as measured where these surely agree more.

    To bring scores up is to make those of the same architecture alike. Where it drives them apart, what it corrects is
    not there: without noise, and with weights that do not change, a correction is all that they would differ by. Few
    repeated scores are also alike by chance, so the two variances are compared by the quantile of the F distribution.
    Without any, nothing speaks against bringing them up.

    Args:
        measured: of each architecture, all of its scores.
        brought_up: the same, brought up.
    """
    repeats = _repeats(measured)
    if not repeats:
        return brought_up
    from scipy.special import fdtri  # slow to import, and not needed before scores are repeated

    bound = _squares(measured) * fdtri(repeats, repeats, SURE)
    return measured if _squares(brought_up) > bound else brought_up


def estimates(scores: Sequence[FloatArray], predicted: FloatArray) -> FloatArray:
    """Returns what the architectures are worth, float64 [n].

    Args:
        scores: of each architecture, all that were measured, as `agreeing` returns them.
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
