"""An additive model of scores: a term for each symbol of each level, and for the mean of each level in each pass.

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
    """score ≈ intercept + Σ over levels of kernel · symbol array + terms of its depth in the passes so far.

    Shared weights get better while a search goes on, and shallow networks by more than deep ones. What a level scores
    in the mean of a pass says nothing of its architectures, so it has terms of its own.

    Attributes:
        intercept: float64 [], the mean of the scores.
        kernel: float64 [L, F], a term for each number of each level's symbol array.
        depths: float64 [iterations, L + 1], a term for each number of levels in the first pass, and what each further
            pass adds. So a level that has no scores yet in a pass is predicted to be like in the one before.
        newest: int64 [], the last pass with scores, from 0; predictions are for it.
    """

    intercept: FloatArray
    kernel: FloatArray
    depths: FloatArray
    newest: IntArray

    @classmethod
    def zero(cls, num_levels: int, num_features: int, iterations: int) -> "AdditiveModel":
        """Returns the model that predicts 0."""
        kernel, depths = np.zeros((num_levels, num_features)), np.zeros((iterations, num_levels + 1))
        return cls(np.zeros(()), kernel, depths, np.zeros((), np.int64))

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
        rows, (iterations, depths) = len(lengths), self.depths.shape
        reached = passes[:, np.newaxis] >= np.arange(iterations)
        of_levels = reached[:, :, np.newaxis] * np.eye(depths)[lengths][:, np.newaxis]
        design = np.concatenate([features.reshape(rows, -1), of_levels.reshape(rows, -1)], axis=1, dtype=np.float64)
        intercept = np.asarray(np.mean(scores, dtype=np.float64))
        normal = design.T @ design + penalty * np.eye(design.shape[1])
        terms = np.linalg.solve(normal, design.T @ (scores - intercept))
        kernel, of_depths = np.split(terms, [self.kernel.size])
        newest = np.array(passes.max(), np.int64)
        shaped = kernel.reshape(self.kernel.shape), of_depths.reshape(self.depths.shape)
        return AdditiveModel(intercept, *shaped, newest)

    def predict(self, features: FloatArray, lengths: IntArray) -> FloatArray:
        """Returns the predictions for the newest pass, float64 [rows]; the arguments are those of `fitted`."""
        at_levels = np.einsum("nlf,lf->n", features.astype(np.float64), self.kernel)
        return self.intercept + at_levels + self.of_depth(lengths)

    def of_depth(self, lengths: IntArray) -> FloatArray:
        """Returns the terms of numbers of levels in the newest pass, float64 like `lengths`."""
        return self.depths[: self.newest + 1].sum(axis=0)[lengths]

    def brought_up(self, scores: FloatArray, lengths: IntArray, passes: IntArray) -> FloatArray:
        """Returns what scores of earlier passes would be in the newest one, float64 [rows]."""
        until = np.cumsum(self.depths, axis=0)
        return scores + (until[self.newest, lengths] - until[passes, lengths])
