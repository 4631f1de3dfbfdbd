"""95 % confidence intervals of means over the runs of a benchmark."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

FloatArray = npt.NDArray[np.floating[Any]]


def student(values: FloatArray) -> tuple[float, float]:
    """Returns the interval by Student's t: for accuracies of few runs, which are about normal."""
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return float(found.low), float(found.high)


def bootstrap(values: FloatArray) -> tuple[float, float]:
    """Returns the interval by the percentiles of the bootstrap: for values of many runs that are anything but normal.

    Regrets are such: often 0, never below, and some large. Student's t would reach below 0. It is a little too narrow:
    of 20 normal values it holds the mean in 91 to 93 % of all cases.
    """
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = scipy.stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    return float(found.low), float(found.high)
