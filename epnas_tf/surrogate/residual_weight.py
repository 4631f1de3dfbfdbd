"""The weight of predicted residuals in a prediction, learned from scores measured after the prediction."""

import dataclasses

import numpy as np

from epnas_tf.arrays import Float64Array, FloatArray

FIRST_FACTOR = 0.5
PRIOR_RESULTS = 10
"""The factor before any result, and the number of results that this prior counts as."""

FEWEST = 4
"""Fewest results of a level to learn from: results are compared around their mean."""

MOST = 10
"""Bound of a result's influence: the most times that the variance of predictions may exceed that of results."""


@dataclasses.dataclass(frozen=True)
class ResidualWeight:
    """The factor of predicted residuals: least squares over all levels so far.

    Levels differ in their mean, since shared weights improve, and in their spread. Neither tells how good a prediction
    was, so each level is centred and scaled by its own variance. A level with almost equal results would outweigh a
    thousand others, so `MOST` bounds it.

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
        """The weight before any result."""
        return cls(0.0, 0.0, 0.0)

    @property
    def factor(self) -> float:
        """The factor, in [0, 1]."""
        if not self.squares:
            return FIRST_FACTOR
        # The prior acts like PRIOR_RESULTS results of the mean square whose best factor is FIRST_FACTOR.
        prior = PRIOR_RESULTS * self.squares / self.results
        return float(np.clip((self.products + FIRST_FACTOR * prior) / (self.squares + prior), 0, 1))

    def updated(self, residuals: FloatArray, predicted: FloatArray) -> "ResidualWeight":
        """The weight after the results of a level.

        Args:
            residuals: [n], the scores minus their predictions without residuals.
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
        """The attributes as float64 [3]."""
        return np.array(dataclasses.astuple(self))
