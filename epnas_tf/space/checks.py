"""Checks that all search spaces share: levels, indices and sizes in range."""

import operator
from typing import Any

import numpy as np

from epnas_tf.arrays import Int64Array, IntArray
from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.space.base import SearchSpace


def check_level(space: SearchSpace[Any, Any], level: int) -> None:
    """Raises ArchitectureError unless the space has this level."""
    if not 1 <= level <= space.num_levels:
        raise ArchitectureError(
            f"The {space.name} space has the levels 1 to {space.num_levels}. Received: level={level}"
        )


def check_index(space: SearchSpace[Any, Any], level: int, index: int) -> int:
    """Checks an index and returns it as a plain int.

    Raises:
        ArchitectureError: if the level has no extension of this index.
    """
    bound = space.num_extensions(level)
    if not 0 <= index < bound:
        raise ArchitectureError(
            f"Level {level} of the {space.name} space has the extensions 0 to {bound - 1}. Received: {index}"
        )
    return operator.index(index)


def check_indices(space: SearchSpace[Any, Any], level: int, indices: IntArray) -> Int64Array:
    """Checks indices and returns them as int64.

    Args:
        space: the space.
        level: one of its levels.
        indices: integers of shape [n]; n may be 0.

    Raises:
        ArchitectureError: if they are not integers of one dimension, or one is out of range.
    """
    bound = space.num_extensions(level)
    indices = np.asarray(indices)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        raise ArchitectureError(
            f"`indices` must be integers of shape [n]. Received: shape={list(indices.shape)}, dtype={indices.dtype}"
        )
    if indices.size:
        smallest, largest = int(indices.min()), int(indices.max())
        if smallest < 0 or largest >= bound:
            check_index(space, level, smallest if smallest < 0 else largest)
    return indices.astype(np.int64, copy=False)


def check_size(name: str, size: int, maximum: int | None = None) -> int:
    """Checks the number of levels of a space and returns it.

    Raises:
        ConfigError: if it is not an integer from 1 to `maximum`.
    """
    expected = "an integer of at least 1" if maximum is None else f"an integer from 1 to {maximum}"
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1 or size > (maximum or size):
        raise ConfigError(f"`{name}` must be {expected}. Received: {name}={size!r}")
    return int(size)
