"""The hash table of measured scores that feeds the surrogate (paper, section 4, "Surrogate function")."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array, FloatArray, IntArray
from epnas_tf.errors import StateError
from epnas_tf.space.base import SearchSpace

NO_LEVEL = -1
"""Padding in the index rows of shallower architectures."""

Indices = tuple[int, ...]
"""An architecture as one extension index a level, see `SearchSpace.indices`."""


class Measurement(NamedTuple):
    """One measured score.

    Attributes:
        indices: the architecture.
        number: the trial's number.
        iteration: the iteration over the levels, from 0.
        score: the validation accuracy in [0, 1].
    """

    indices: Indices
    number: int
    iteration: int
    score: float


class Rows(NamedTuple):
    """Measured scores in the form that the surrogate is fitted to.

    Attributes:
        features: float [rows, L, F], the symbol arrays, padded with zeros after a row's length.
        levels: integers [rows], the levels of each row, 1 … L.
        scores: float [rows], in [0, 1].
        iterations: integers [rows], the iteration of each measurement, from 0.
        positions: float [rows], the position of each measurement within its level and iteration, from -½ to ½.
    """

    features: FloatArray
    levels: IntArray
    scores: FloatArray
    iterations: IntArray
    positions: FloatArray


class ScoreTable:
    """All measured scores, by architecture.

    The paper keeps a hash table "so we can keep control of repeated network configurations". A repeated score either
    replaces the earlier one ("newest": the shared weights have changed since) or is kept beside it ("all": the scores
    of three epochs are noisy, and the mean of two is less so).
    """

    def __init__(self) -> None:
        self._measured: dict[Indices, list[Measurement]] = {}

    def __len__(self) -> int:
        return len(self._measured)

    def record(self, measurement: Measurement) -> None:
        """Adds a score."""
        self._measured.setdefault(measurement.indices, []).append(measurement)

    def measurements(self, repeated: str = "all") -> list[Measurement]:
        """The measurements in the order of their trial numbers: "all", or the "newest" of each architecture."""
        kept = slice(None) if repeated == "all" else slice(-1, None)
        return sorted((one for group in self._measured.values() for one in group[kept]), key=lambda one: one.number)

    def at_level(self, level: int) -> list[list[Measurement]]:
        """The measurements of each architecture of a level, in the order of the newest trial numbers."""
        groups = [group for indices, group in self._measured.items() if len(indices) == level]
        return sorted(groups, key=lambda group: group[-1].number)


def to_rows(
    space: SearchSpace[Any, Any], measurements: Sequence[Measurement], first_whole_iteration: int | None = None
) -> Rows:
    """Converts measurements, in the order of their numbers, to rows in float32 and int32.

    Args:
        space: encodes the architectures.
        measurements: the measurements.
        first_whole_iteration: from this iteration on, scores rise because architectures are chosen better and better,
            which is not a trend of the weights: all are in the middle; None for no iteration.
    """
    features, levels = encode_rows(space, [one.indices for one in measurements])
    scores = np.array([one.score for one in measurements], np.float32)
    iterations = np.array([one.iteration for one in measurements], np.int32)
    within = positions(levels, iterations)
    if first_whole_iteration is not None:
        within[iterations >= first_whole_iteration] = 0
    return Rows(features, levels, scores, iterations, within)


def positions(levels: IntArray, iterations: IntArray) -> Float32Array:
    """The `positions` of rows in the order of their measurement; 0 for the only row of its level and iteration."""
    found = np.zeros(len(levels), np.float32)
    for of_one in {(level, number) for level, number in zip(levels.tolist(), iterations.tolist(), strict=True)}:
        together = np.flatnonzero((levels == of_one[0]) & (iterations == of_one[1]))
        if together.size > 1:
            found[together] = np.linspace(-0.5, 0.5, together.size)
    return found


def to_arrays(measurements: Sequence[Measurement], num_levels: int) -> dict[str, npt.NDArray[Any]]:
    """Converts measurements to arrays by name, to be saved."""
    indices = np.full((len(measurements), num_levels), NO_LEVEL, np.int64)
    for row, measurement in zip(indices, measurements, strict=True):
        row[: len(measurement.indices)] = measurement.indices
    return {
        "indices": indices,
        "numbers": np.array([one.number for one in measurements], np.int64),
        "iterations": np.array([one.iteration for one in measurements], np.int64),
        "scores": np.array([one.score for one in measurements], np.float64),
    }


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], space: SearchSpace[Any, Any]) -> list[Measurement]:
    """Restores the measurements from the arrays of `to_arrays`.

    Raises:
        StateError: if an array is missing or does not fit the others, or an architecture is not of the space.
    """
    try:
        columns = [arrays[name].tolist() for name in ("indices", "numbers", "iterations", "scores")]
        rows = [
            Measurement(tuple(index for index in indices if index != NO_LEVEL), *rest)
            for indices, *rest in zip(*columns, strict=True)
        ]
        for row in rows:
            space.architecture(row.indices)
    except (KeyError, TypeError, ValueError) as error:  # an ArchitectureError is a ValueError
        raise StateError(f"The saved table of scores is incomplete or broken. Received: {error!r}") from error
    return rows


def encode_rows(space: SearchSpace[Any, Any], rows: Sequence[Indices]) -> tuple[Float32Array, npt.NDArray[np.int32]]:
    """Encodes some architectures as symbol arrays, the surrogate's input.

    Args:
        space: encodes the extensions.
        rows: the architectures, of 1 … `space.num_levels` levels each.

    Returns:
        float32 [rows, `space.num_levels`, `space.num_features`], zeros after a row's last level, and int32 [rows], the
        rows' levels.
    """
    features = np.zeros((len(rows), space.num_levels, space.num_features), np.float32)
    levels = np.array([len(row) for row in rows], np.int32)
    for level in range(1, int(levels.max(initial=0)) + 1):
        reaching = np.flatnonzero(levels >= level)
        indices = np.array([rows[row][level - 1] for row in reaching.tolist()], np.int64)
        features[reaching, level - 1] = space.encode(level, indices)
    return features, levels
