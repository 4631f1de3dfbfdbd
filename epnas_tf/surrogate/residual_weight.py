"""The weight of predicted residuals in a prediction, learned from scores that were measured after the prediction."""

import dataclasses

import numpy as np

from epnas_tf.arrays import Float64Array, FloatArray

FIRST_FACTOR = 0.5
PRIOR_RESULTS = 10
"""The factor before there are results, and how many results it weighs as much as."""

FEWEST = 4
"""Results of a level below which nothing is learned: results are compared around their mean."""

MOST = 10
"""Bound of a result's influence: predictions count as if they had at most so many times the variance of results."""


@dataclasses.dataclass(frozen=True)
class ResidualWeight:
    """The factor of predicted residuals, by least squares over all levels so far.

    Levels differ in their mean, since shared weights improve, and in their spread. Neither says how good a prediction
    was, so each level is centred and counts in units of its own variance. A level whose results hardly differ would
    count as much as a thousand others: hence `MOST`.

    Attributes:
        products: Σ residual · predicted residual.
        squares: Σ predicted residual².
        results: number of results in the sums.
    """

    products: float
    squares: float
    results: float

    @classmethod
    def none(cls) -> "ResidualWeight":
        """Returns the weight before any result."""
        return cls(0.0, 0.0, 0.0)

    @property
    def factor(self) -> float:
        """The factor, in [0, 1]."""
        if not self.squares:
            return FIRST_FACTOR
        # The prior acts like so many results of the mean square, for which FIRST_FACTOR was the best factor.
        prior = PRIOR_RESULTS * self.squares / self.results
        return float(np.clip((self.products + FIRST_FACTOR * prior) / (self.squares + prior), 0, 1))

    def updated(self, residuals: FloatArray, predicted: FloatArray) -> "ResidualWeight":
        """Returns the weight after the results of a level.

        Args:
            residuals: [n], what the scores differed by from the prediction without residuals.
            predicted: [n], the predicted residuals.
        """
        if residuals.size < FEWEST or not np.ptp(residuals):
            return self
        residuals, predicted = residuals - residuals.mean(), predicted - predicted.mean()
        variance = max(float(residuals @ residuals), float(predicted @ predicted) / MOST) / residuals.size
        return ResidualWeight(
            self.products + float(residuals @ predicted) / variance,
            self.squares + float(predicted @ predicted) / variance,
            self.results + residuals.size,
        )

    def sums(self) -> Float64Array:
        """Returns the attributes as float64 [3]."""
        return np.array(dataclasses.astuple(self))
