"""What whole architectures score beyond a prediction: a Gaussian process on their symbols.

Scores without noise say much about architectures nearby, and noisy ones little. How much is learned from the scores.
"""

import dataclasses
import math

import numpy as np

from epnas_tf.arrays import Float64Array, FloatArray

RATIOS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4)
"""Variances of the residuals that are tried, in variances of a score's noise."""

DECAYS = (np.log(2.0), np.log(4.0))
"""How fast residuals become unlike, for each symbol that differs; the correlation of two is exp(-decay · symbols)."""

DOUBT = 3.0
"""The logarithm of how much likelier noise alone is than any other ratio, before a score says so."""

LEAST_NOISE = 0.01
"""Share of noise in the variance of what is beyond predictions, below which a second score would tell nothing new."""

SMALLEST_SQUARES = 1e-18
"""Lower bound of a sum of squares, so that it has a logarithm."""


@dataclasses.dataclass(frozen=True)
class ResidualProcess:
    """The posterior mean of a Gaussian process, averaged over its variances and decays by their evidence.

    Two architectures that differ in one operation differ by one symbol; a skip connection counts half.

    Attributes:
        features: float64 [n, L, F], the symbol arrays of the scored architectures; one may be there several times.
        mean: the mean of the residuals.
        weights: float64 [decays, n], what each score adds to the prediction for its own architecture.
        noise: the expected share of a score's noise in the variance of the residuals, in [0, 1].

    Example:
        >>> import numpy as np
        >>> from epnas_tf.surrogate import ResidualProcess
        >>> features = np.eye(4).reshape(4, 1, 4)
        >>> ResidualProcess.fitted(features, np.full(4, 0.5)).predict(features)
        array([0.5, 0.5, 0.5, 0.5])
    """

    features: FloatArray
    mean: float
    weights: Float64Array
    noise: float

    @classmethod
    def fitted(cls, features: FloatArray, residuals: FloatArray) -> "ResidualProcess":
        """Returns the process given some residuals.

        Args:
            features: [n, L, F], the symbol arrays of whole architectures, n at least 1.
            residuals: [n], their scores minus a prediction.
        """
        mean = float(np.mean(residuals, dtype=np.float64))
        differences, count = residuals - mean, len(residuals)
        symbols = differing_symbols(features, features)
        logs, weights = np.empty((len(DECAYS), len(RATIOS))), np.empty((len(DECAYS), len(RATIOS), count))
        for number, decay in enumerate(DECAYS):
            # The scores' covariance is noise · (I + ratio · correlations); the noise is the likeliest one. In the
            # directions of the correlations' eigenvectors it is diagonal, whatever the ratio.
            values, vectors = np.linalg.eigh(np.exp(-decay * symbols))
            along = vectors.T @ differences
            variances = 1 + np.outer(RATIOS, values.clip(0))
            squares = np.maximum((along**2 / variances).sum(axis=1), SMALLEST_SQUARES)
            logs[number] = -count / 2 * np.log(squares) - np.log(variances).sum(axis=1) / 2 - DOUBT * np.sign(RATIOS)
            weights[number] = (np.array(RATIOS)[:, np.newaxis] * along / variances) @ vectors.T
        evidence = np.exp(logs - logs.max())
        evidence /= evidence.sum()
        noise = float((evidence / (1 + np.array(RATIOS))).sum())
        return cls(features, mean, np.einsum("dr,drn->dn", evidence, weights), noise)

    @property
    def noisy(self) -> bool:
        """Whether a second score of an architecture would tell something new."""
        return self.noise > LEAST_NOISE

    def predict(self, features: FloatArray) -> Float64Array:
        """The residuals to be expected of whole architectures, float64 [m], by their symbol arrays, [m, L, F]."""
        return self._sum(np.zeros((1, len(self.weights[0]))), differing_symbols(features, self.features))[:, 0]

    def of_extensions(self, parents: FloatArray, extensions: FloatArray) -> Float64Array:
        """The residuals to be expected of all extensions of some parents to whole architectures, float64 [n, parents].

        Args:
            parents: [parents, L, F], the symbol arrays of the parents, zeros in the last level.
            extensions: [n, F], those of the last level's extensions.
        """
        of_parents = differing_symbols(parents[:, :-1], self.features[:, :-1])
        return self._sum(of_parents, differing_symbols(extensions[:, np.newaxis], self.features[:, -1:]))

    def _sum(self, first: Float64Array, second: Float64Array) -> Float64Array:
        """The prediction for symbols that differ in a first, [a, n], and a second part, [b, n]: float64 [b, a]."""
        parts = (
            (weights * np.exp(-decay * second)) @ np.exp(-decay * first).T
            for decay, weights in zip(DECAYS, self.weights, strict=True)
        )
        return np.asarray(self.mean + sum(parts))


def differing_symbols(first: FloatArray, second: FloatArray) -> Float64Array:
    """The number of symbols in which architectures differ, float64 [a, b], by their symbol arrays, [a or b, …]."""
    flat = [
        features.reshape(len(features), math.prod(features.shape[1:])).astype(np.float64)
        for features in (first, second)
    ]
    squares = [np.einsum("nf,nf->n", each, each) for each in flat]
    # A changed symbol changes two numbers of an array by one.
    return np.asarray((squares[0][:, np.newaxis] + squares[1] - 2 * flat[0] @ flat[1].T) / 2)
