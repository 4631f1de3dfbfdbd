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
    """A rank correlation, or the difference of two, with its 95 % interval; None if undefined, as among equal scores.

    With fewer than `FEWEST_FOR_INTERVAL` pairs there is no interval.

    Attributes:
        value: the correlation, in [-1, 1], or the difference, in [-2, 2].
        low: the interval's lower end.
        high: its upper end.
    """

    value: float | None
    low: float | None
    high: float | None

    def reversed(self) -> "Correlation":
        """The same difference, taken the other way round."""
        value, low, high = (None if each is None else -each for each in (self.value, self.high, self.low))
        return Correlation(value, low, high)

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        interval = "" if self.low is None else f" ({self.low:.2f} … {self.high:.2f})"
        return f"{self.value:.2f}{interval}"


def kendall(one: Sequence[float], other: Sequence[float], less: Sequence[float] | None = None) -> Correlation:
    """Kendall's τ-b, which accounts for ties; see `spearman` for `less`."""
    return _with_interval(scipy.stats.kendalltau, one, other, less)


def spearman(one: Sequence[float], other: Sequence[float], less: Sequence[float] | None = None) -> Correlation:
    """Spearman's ρ of one with the other; with `less`, how much more that is than the ρ of `less` with the other."""
    return _with_interval(scipy.stats.spearmanr, one, other, less)


def _with_interval(measure: Callable[..., Any], *columns: Sequence[float] | None) -> Correlation:
    """Computes a correlation and its bootstrap interval over pairs, since the architectures are a random sample."""
    given = [np.asarray(column) for column in columns if column is not None]

    def correlation(one: Any, other: Any, *less: Any) -> float:
        return float(measure(one, other).statistic - sum(measure(each, other).statistic for each in less))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample of equal scores has no correlation; the others count
        value = correlation(*given)
        if not math.isfinite(value):
            return Correlation(None, None, None)
        if len(given[0]) < FEWEST_FOR_INTERVAL:
            return Correlation(value, None, None)
        found = scipy.stats.bootstrap(
            given,
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
