"""What the symbols of a space cost, which is known before anything is trained."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from epnas_tf.arrays import Float64Array, FloatArray, Int64Array
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.table import Rows, encode_rows

MIN_SAMPLES = 256
"""The fewest whole architectures to learn costs from; two for each term, if that is more."""

NEGLIGIBLE = 1e-9
"""A cost whose standard deviation is below this fraction of its mean tells no architectures apart."""

RIDGE = 1e-3
"""Penalty of the least squares, in architectures: a level's symbols are not independent of each other."""


@dataclasses.dataclass(frozen=True)
class SymbolCosts:
    """Costs of whole architectures as sums over the symbols of their levels, fitted by least squares.

    Attributes:
        of_symbols: float64 [costs, L, F], what each number of a level's symbol array adds.
        level_means: float64 [costs, L], the mean over the architectures of what a level adds.

    Example:
        >>> import numpy as np
        >>> from epnas_tf.space import MacroSpace
        >>> from epnas_tf.surrogate import SymbolCosts
        >>> space = MacroSpace(layers=2, operations=("conv_3x3", "max_pool_3x3"))
        >>> convolutions = SymbolCosts.of_space(space, lambda a: np.array([str(a).count("conv")]))
        >>> convolutions.of_extensions(space, 1, np.arange(2)).round(1)
        array([[ 0.5],
               [-0.5]])
    """

    of_symbols: FloatArray
    level_means: FloatArray

    @classmethod
    def none(cls, num_levels: int, num_features: int) -> "SymbolCosts":
        """No costs."""
        return cls(np.zeros((0, num_levels, num_features)), np.zeros((0, num_levels)))

    @classmethod
    def of_space(
        cls, space: SearchSpace[Any, Any], costs_of: Callable[[Any], Float64Array], *, scaled: bool = False
    ) -> "SymbolCosts":
        """Learns the costs from architectures of all levels, drawn uniformly; the same each time.

        Args:
            space: the search space.
            costs_of: maps a whole architecture to its costs, float64 [costs].
            scaled: whether to divide each cost by its standard deviation, and to leave out those that have none.
        """
        rng = np.random.default_rng(0)
        count = max(MIN_SAMPLES, 2 * space.num_levels * space.num_features)
        architectures = [space.sample(rng) for _ in range(count)]
        costs = np.array([costs_of(architecture) for architecture in architectures], np.float64)
        features, _ = encode_rows(space, [space.indices(architecture) for architecture in architectures])
        means = features.mean(axis=0, dtype=np.float64)
        design = (features - means).reshape(count, -1)
        targets = costs - costs.mean(axis=0)
        if scaled:
            deviations = costs.std(axis=0)
            differ = deviations > NEGLIGIBLE * np.abs(costs).mean(axis=0)
            targets = targets[:, differ] / deviations[differ]
        normal = design.T @ design + RIDGE * np.eye(design.shape[1])
        of_symbols = np.linalg.solve(normal, design.T @ targets).T.reshape(-1, *means.shape)
        return cls(of_symbols, np.einsum("clf,lf->cl", of_symbols, means))

    def __len__(self) -> int:
        return len(self.of_symbols)

    def of_rows(self, rows: Rows) -> Float64Array:
        """What architectures cost beyond the mean of their levels, float64 [rows, costs]."""
        until = np.cumsum(self.level_means, axis=1)[:, rows.levels - 1].T
        return np.asarray(np.einsum("nlf,clf->nc", rows.features.astype(np.float64), self.of_symbols) - until)

    def of_extensions(self, space: SearchSpace[Any, Any], level: int, indices: Int64Array) -> Float64Array:
        """What extensions of a level add, beyond a constant, float64 [extensions, costs]."""
        encoded = space.encode(level, indices)
        return np.asarray(encoded.astype(np.float64) @ self.of_symbols[:, level - 1].T)
