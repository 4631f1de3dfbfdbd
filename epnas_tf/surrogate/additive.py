"""An additive model of scores: a term for each symbol of each level, and terms of when a score was measured.

Where most of what an operation is worth does not depend on its neighbours, a sum of few terms says it from few and
noisy scores, and goes on beyond the best architecture seen. What a sum cannot say is left to the LSTM.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.surrogate.table import Rows

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

FEWEST_FOR_RISE = 4
"""Scores of a level and pass, for a slope to have an error that means something."""


@dataclasses.dataclass(frozen=True)
class AdditiveModel:
    """score ≈ intercept + Σ over levels of kernel · symbol array + terms of its depth in the passes so far.

    Shared weights get better while a search goes on, and shallow networks by more than deep ones. What a level scores
    in the mean of a pass says nothing of its architectures, so it has terms of its own; and so has what the scores of a
    level rise by from its first child to its last.

    Attributes:
        intercept: float64 [], the mean of the scores.
        kernel: float64 [L, F], a term for each number of each level's symbol array.
        depths: float64 [iterations, L + 1], a term for each number of levels in the first pass, and what each further
            pass adds. So a level that has no scores yet in a pass is predicted to be like in the one before.
        trends: float64 [iterations, L + 1], what each level of each pass rises by from its first to its last child;
            predictions are for the middle.
        newest: int64 [], the last pass with scores, from 0; predictions are for it.
    """

    intercept: FloatArray
    kernel: FloatArray
    depths: FloatArray
    trends: FloatArray
    newest: IntArray

    @classmethod
    def zero(cls, num_levels: int, num_features: int, iterations: int) -> "AdditiveModel":
        """Returns the model that predicts 0."""
        kernel, depths = np.zeros((num_levels, num_features)), np.zeros((iterations, num_levels + 1))
        return cls(np.zeros(()), kernel, depths, np.zeros_like(depths), np.zeros((), np.int64))

    def fitted(self, rows: Rows, penalty: float) -> "AdditiveModel":
        """Returns the model of some scores: least squares with a penalty on the squares of all terms (ridge).

        Args:
            rows: the scores.
            penalty: above 0; that many rows weigh as much as the belief that a term is zero.
        """
        certain = self._certain(rows)
        design, normal = self._system(rows, certain, penalty)
        intercept = np.asarray(np.mean(rows.scores, dtype=np.float64))
        terms = certain * np.linalg.solve(normal, design.T @ (rows.scores - intercept))
        kernel, depths, trends = np.split(terms, [self.kernel.size, self.kernel.size + self.depths.size])
        return AdditiveModel(
            intercept,
            kernel.reshape(self.kernel.shape),
            depths.reshape(self.depths.shape),
            trends.reshape(self.trends.shape),
            np.array(rows.passes.max(), np.int64),
        )

    def draws(self, rows: Rows, penalty: float, count: int, rng: np.random.Generator) -> FloatArray:
        """Returns kernels as they may be, float64 [count, L, F], drawn from what the scores leave open.

        The fit is the mean of a normal distribution of the terms, given the scores, with the penalty as the prior; the
        variance of a score is that of what the fit leaves, for as many rows as the fit has not used up.

        Args:
            rows: what the model was fitted to.
            penalty: with which it was.
            count: how many to draw.
            rng: source of the draws.
        """
        design, normal = self._system(rows, self._certain(rows), penalty)
        left = self.left(rows)
        used = np.trace(np.linalg.solve(normal, design.T @ design))
        variance = left @ left / max(len(left) - used, 1.0)
        # normal = C Cᵀ, so C⁻ᵀ z has its inverse as the covariance.
        noise = rng.normal(size=(design.shape[1], count))
        deviations = np.sqrt(variance) * np.linalg.solve(np.linalg.cholesky(normal).T, noise)
        return self.kernel + deviations[: self.kernel.size].T.reshape(count, *self.kernel.shape)

    def left(self, rows: Rows) -> FloatArray:
        """Returns what the model leaves of scores, brought up to the newest pass, float64 [rows]."""
        return self.brought_up(rows) - self.predict(rows.features, rows.lengths)

    def predict(self, features: FloatArray, lengths: IntArray) -> FloatArray:
        """Returns the predictions for the newest pass, float64 [rows]; the arguments are those of `Rows`."""
        at_levels = np.einsum("nlf,lf->n", features.astype(np.float64), self.kernel)
        return self.intercept + at_levels + self.of_depth(lengths)

    def of_depth(self, lengths: IntArray) -> FloatArray:
        """Returns the terms of numbers of levels in the newest pass, float64 like `lengths`."""
        return self.depths[: self.newest + 1].sum(axis=0)[lengths]

    def brought_up(self, rows: Rows) -> FloatArray:
        """Returns what scores would be in the middle of their level in the newest pass, float64 [rows]."""
        until = np.cumsum(self.depths, axis=0)
        by_pass = until[self.newest, rows.lengths] - until[rows.passes, rows.lengths]
        return rows.scores + by_pass - self.trends[rows.passes, rows.lengths] * rows.positions

    def _certain(self, rows: Rows) -> FloatArray:
        """Returns how sure it is of each term that there is such a thing, in [0, 1], float64 [terms]."""
        iterations, depths = self.depths.shape
        of_passes = np.repeat(drift(rows, iterations), depths)
        return np.concatenate([np.ones(self.kernel.size), of_passes, rise(rows, self.trends.shape).reshape(-1)])

    def _system(self, rows: Rows, certain: FloatArray, penalty: float) -> tuple[FloatArray, FloatArray]:
        """Returns float64 [rows, terms], what each row has of each term, and the matrix of the normal equations."""
        count, (iterations, depths) = len(rows.lengths), self.depths.shape
        numbers, levels = np.arange(iterations), np.eye(depths)[rows.lengths][:, np.newaxis]
        reached = rows.passes[:, np.newaxis] >= numbers
        during = (rows.passes[:, np.newaxis] == numbers) * rows.positions[:, np.newaxis]
        columns = (rows.features, reached[:, :, np.newaxis] * levels, during[:, :, np.newaxis] * levels)
        every = np.concatenate([column.reshape(count, -1) for column in columns], axis=1, dtype=np.float64)
        design = every * certain
        return design, design.T @ design + penalty * np.eye(design.shape[1])


def drift(rows: Rows, iterations: int) -> FloatArray:
    """Returns how sure it is that each pass scores otherwise than the one before it, in [0, 1], float64 [iterations].

    Later passes choose better architectures, which a model that is not quite right would take for better weights. The
    architectures of level 1 are the same in each pass: the mean of their differences d, against its standard error s,
    tells one from the other, by d² / (d² + s²). It is 1 for the first pass, and where nothing is known.
    """
    found = np.ones(iterations)
    first = rows.lengths == 1
    scores: list[dict[bytes, float]] = [{} for _ in range(iterations)]
    for features, score, number in zip(rows.features[first, 0], rows.scores[first], rows.passes[first], strict=True):
        scores[number][features.tobytes()] = float(score)
    for number, (before, now) in enumerate(itertools.pairwise(scores), 1):
        differences = np.array([now[name] - before[name] for name in now if name in before])
        if differences.size > 1:
            squared, error = differences.mean() ** 2, differences.var(ddof=1) / differences.size
            found[number] = squared / (squared + error) if squared else 0.0
    return found


def rise(rows: Rows, shape: tuple[int, ...]) -> FloatArray:
    """Returns how sure it is that scores rise or fall within each level of each pass, in [0, 1], float64 `shape`.

    The slope b of the scores over their positions, against its standard error s, tells by 1 - s² / b² (James and
    Stein's shrinkage); 0 where that is negative, or there are too few scores to tell.

    Args:
        rows: the scores.
        shape: iterations, L + 1.
    """
    found = np.zeros(shape)
    for number, level in np.ndindex(shape):
        together = (rows.passes == number) & (rows.lengths == level)
        scores, positions = (values[together].astype(np.float64) for values in (rows.scores, rows.positions))
        spread = positions @ positions
        if len(scores) < FEWEST_FOR_RISE or not spread:
            continue
        scores = scores - scores.mean()
        slope = positions @ scores / spread
        left = scores - slope * positions
        error = left @ left / (len(left) - 2) / spread
        found[number, level] = max(0.0, 1 - error / slope**2) if slope else 0.0
    return found
