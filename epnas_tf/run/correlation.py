"""Rank correlations with confidence intervals."""

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.stats

FEWEST = 3
"""Pairs that can be in an order."""

FEWEST_FOR_INTERVAL = 10
"""Pairs; resamples of fewer say too little of what others would have given."""

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Correlation:
    """A rank correlation in [-1, 1] and its 95 % interval; None if undefined, such as among equal scores.

    With fewer than `FEWEST_FOR_INTERVAL` pairs there is no interval.

    Attributes:
        value: the correlation.
        low: the interval's lower end.
        high: its upper end.
    """

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        interval = "" if self.low is None else f" ({self.low:.2f} … {self.high:.2f})"
        return f"{self.value:.2f}{interval}"


def kendall(one: Sequence[float], other: Sequence[float]) -> Correlation:
    """Kendall's τ-b, which accounts for ties."""
    return _with_interval(one, other, scipy.stats.kendalltau)


def spearman(one: Sequence[float], other: Sequence[float]) -> Correlation:
    """Spearman's ρ."""
    return _with_interval(one, other, scipy.stats.spearmanr)


def _with_interval(one: Sequence[float], other: Sequence[float], measure: Callable[..., Any]) -> Correlation:
    """Computes a correlation and its bootstrap interval over pairs, since the architectures are a random sample."""

    def correlation(x: Any, y: Any) -> float:
        return float(measure(x, y).statistic)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample of equal scores has no correlation; the others count
        value = correlation(one, other)
        if not math.isfinite(value):
            return Correlation(None, None, None)
        if len(one) < FEWEST_FOR_INTERVAL:
            return Correlation(value, None, None)
        found = scipy.stats.bootstrap(
            (np.asarray(one), np.asarray(other)),
            correlation,
            n_resamples=RESAMPLES,
            paired=True,
            vectorized=False,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    low, high = np.nanpercentile(found.bootstrap_distribution, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return Correlation(value, float(low), float(high))
