"""An additive model of scores: a term for each symbol of each level, for the depth and for the pass over the levels.

Where most of what an operation is worth does not depend on its neighbours, a sum of few terms says it from few and
noisy scores, and goes on beyond the best architecture seen. What a sum cannot say is left to the LSTM.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclasses.dataclass(frozen=True)
class AdditiveModel:
    """score ≈ intercept + Σ over levels of kernel · symbol array + depth's term + terms of the passes so far.

    Attributes:
        intercept: float64 [], the mean of the scores.
        kernel: float64 [L, F], a term for each number of each level's symbol array.
        depths: float64 [L + 1], a term for each number of levels.
        passes: float64 [iterations], what each pass over the levels adds to the one before it: shared weights get
            better while a search goes on. So a pass without scores is predicted to be like the last one.
        newest: int64 [], the last pass with scores, from 0; predictions are for it.
    """

    intercept: FloatArray
    kernel: FloatArray
    depths: FloatArray
    passes: FloatArray
    newest: IntArray

    @classmethod
    def zero(cls, num_levels: int, num_features: int, iterations: int) -> "AdditiveModel":
        """Returns the model that predicts 0."""
        return cls(
            np.zeros(()), np.zeros((num_levels, num_features)), np.zeros(num_levels + 1), np.zeros(iterations), _last(0)
        )

    def fitted(
        self, features: FloatArray, lengths: IntArray, scores: FloatArray, passes: IntArray, penalty: float
    ) -> "AdditiveModel":
        """Returns the model of these scores: least squares with a penalty on the squares of all terms (ridge).

        Args:
            features: [rows, L, F], the symbol arrays, padded with zeros after a row's length.
            lengths: [rows], the levels of each row.
            scores: [rows].
            passes: [rows], the pass in which each score was measured, from 0.
            penalty: above 0; that many rows weigh as much as the belief that a term is zero.
        """
        design = np.concatenate(
            [
                features.reshape(len(lengths), -1),
                np.eye(len(self.depths))[lengths],
                passes[:, np.newaxis] >= np.arange(1, len(self.passes)),
            ],
            axis=1,
            dtype=np.float64,
        )
        intercept = np.asarray(np.mean(scores, dtype=np.float64))
        normal = design.T @ design + penalty * np.eye(design.shape[1])
        terms = np.linalg.solve(normal, design.T @ (scores - intercept))
        kernel, depths, increments = np.split(terms, [self.kernel.size, self.kernel.size + self.depths.size])
        return AdditiveModel(
            intercept, kernel.reshape(self.kernel.shape), depths, np.append(0.0, increments), _last(passes.max())
        )

    def predict(self, features: FloatArray, lengths: IntArray) -> FloatArray:
        """Returns the predictions for the newest pass, float64 [rows]; the arguments are those of `fitted`."""
        at_levels = np.einsum("nlf,lf->n", features.astype(np.float64), self.kernel)
        return self.intercept + at_levels + self.depths[lengths] + self.passes[: self.newest + 1].sum()

    def brought_up(self, scores: FloatArray, passes: IntArray) -> FloatArray:
        """Returns what scores of earlier passes would be in the newest one, float64 [rows]."""
        until = np.cumsum(self.passes)
        return scores + (until[self.newest] - until[passes])


def _last(number: int) -> IntArray:
    return np.array(number, np.int64)
