"""The hash table of measured scores that feeds the surrogate (paper, section 4, "Surrogate function")."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.space.base import SearchSpace

Indices = tuple[int, ...]
"""An architecture as one extension index a level, as `SearchSpace.indices` gives it."""


class ScoreTable:
    """Maps an architecture to its newest score, "so we can keep control of repeated network configurations".

    An architecture that is trained again, in a later iteration, overwrites its score: the shared weights have moved on,
    and the old score says less about them. So each architecture is one row of the surrogate's data.
    """

    def __init__(self) -> None:
        self._entries: dict[Indices, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def record(self, indices: Indices, number: int, score: float) -> None:
        """Notes the score of trial `number`, in place of one of an earlier trial of the same architecture."""
        self._entries[indices] = (number, score)

    def rows(self) -> list[tuple[Indices, int, float]]:
        """Returns architecture, trial number and score of each row, in the order of the trial numbers."""
        return sorted(((indices, *entry) for indices, entry in self._entries.items()), key=lambda row: row[1])

    def best(self, level: int) -> tuple[Indices, float] | None:
        """Returns the architecture of a level with the highest score, of equal ones that of the earlier trial."""
        rows = [row for row in self.rows() if len(row[0]) == level]
        if not rows:
            return None
        indices, _, score = max(rows, key=lambda row: row[2])  # the first of equal ones
        return indices, score


def encode_rows(
    space: SearchSpace[Any, Any], rows: Sequence[Indices]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Returns the symbol arrays of some architectures, as the surrogate takes them.

    Args:
        space: encodes the extensions.
        rows: the architectures, of 1 … `space.num_levels` levels each.

    Returns:
        float32 [rows, `space.num_levels`, `space.num_features`], zeros after a row's last level, and int32 [rows], the
        rows' levels.
    """
    features = np.zeros((len(rows), space.num_levels, space.num_features), np.float32)
    lengths = np.array([len(row) for row in rows], np.int32)
    for level in range(1, int(lengths.max(initial=0)) + 1):
        reaching = np.flatnonzero(lengths >= level)
        indices = np.array([rows[row][level - 1] for row in reaching.tolist()], np.int64)
        features[reaching, level - 1] = space.encode(level, indices)
    return features, lengths
