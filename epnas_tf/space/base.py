"""The interface of a search space: a table of extensions for each level.

An architecture of level d is a sequence of d extensions (layers of the macro space, blocks of the micro space), so it
can also be written as d indices into those tables. The candidates of a level are parents × extensions; they are never
built as objects, only encoded in chunks for the surrogate.
"""

import abc
import math
import operator
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from epnas_tf.arrays import Float32Array, Int64Array, IntArray
from epnas_tf.errors import ArchitectureError, ConfigError

E = TypeVar("E")
"""An extension: a frozen, hashable value that deepens an architecture by one level; its `repr` is complete."""

A = TypeVar("A")
"""An architecture: a frozen, hashable value."""


class SearchSpace(abc.ABC, Generic[A, E]):
    """A progressive search space; subclasses implement the six abstract methods.

    Levels count from 1 (paper, section 4: the search starts at L = 1 or B = 1).

    Attributes:
        name: the space's name in files and flags.
        num_levels: the deepest level, L layers or B blocks.
        num_features: the length of one level's symbol array, as `encode` returns it.

    Example:
        >>> import epnas_tf
        >>> space = epnas_tf.MacroSpace(layers=2)  # one of them
        >>> str(space.architecture([0, 1]))
        '1 max_pool_3x3 | 2 max_pool_3x3 +0'
    """

    name: str
    num_levels: int
    num_features: int

    @abc.abstractmethod
    def num_extensions(self, level: int) -> int:
        """The number of extensions from level `level` - 1 to `level`, in 1 … `num_levels`."""

    @abc.abstractmethod
    def extension(self, level: int, index: int) -> E:
        """Extension `index` of a level, `index` in 0 … `num_extensions(level)` - 1."""

    @abc.abstractmethod
    def index(self, level: int, extension: E) -> int:
        """The index of an extension of a level: the inverse of `extension`."""

    @abc.abstractmethod
    def encode(self, level: int, indices: IntArray) -> Float32Array:
        """The symbol arrays of some extensions of a level.

        Args:
            level: the level, from 1.
            indices: integers of shape [n].

        Returns:
            float32 of shape [n, `num_features`].
        """

    @abc.abstractmethod
    def extend(self, parent: A | None, extension: E) -> A:
        """The architecture one level deeper than `parent`, or of level 1 if `parent` is None."""

    @abc.abstractmethod
    def extensions(self, architecture: A) -> tuple[E, ...]:
        """The extensions of an architecture, that of level 1 first."""

    def indices(self, architecture: A) -> tuple[int, ...]:
        """The architecture as one index a level: the inverse of `architecture`.

        Raises:
            ArchitectureError: if the architecture is not of this space.
        """
        return tuple(self.index(level, extension) for level, extension in enumerate(self.extensions(architecture), 1))

    def architecture(self, indices: Sequence[int]) -> A:
        """The architecture with the given indices, one a level.

        Raises:
            ArchitectureError: if there are too few or too many indices, or one is out of range.
        """
        if not 1 <= len(indices) <= self.num_levels:
            raise ArchitectureError(
                f"An architecture of the {self.name} space has 1 to {self.num_levels} levels. Received: {len(indices)}"
            )
        architecture: A | None = None
        for level, index in enumerate(indices, 1):
            if not 0 <= index < self.num_extensions(level):
                raise ArchitectureError(
                    f"Level {level} of the {self.name} space has the extensions 0 to {self.num_extensions(level) - 1}. "
                    f"Received: {index}"
                )
            architecture = self.extend(architecture, self.extension(level, int(index)))
        return architecture  # type: ignore[return-value]  # there is at least one index

    def cardinality(self, level: int | None = None) -> int:
        """The exact number of architectures of a level (paper, section 3), by default the deepest."""
        return math.prod(self.num_extensions(depth) for depth in range(1, (level or self.num_levels) + 1))

    def sample(self, rng: np.random.Generator, level: int | None = None) -> A:
        """Draws an architecture of a level, by default the deepest, uniformly."""
        levels = range(1, (level or self.num_levels) + 1)
        return self.architecture([_uniform_integer(rng, self.num_extensions(depth)) for depth in levels])

    def validate(self, architecture: A) -> None:
        """Raises ArchitectureError, with the reason, unless the architecture is of this space."""
        self.architecture(self.indices(architecture))


def _uniform_integer(rng: np.random.Generator, bound: int) -> int:
    """Draws uniformly from 0 … bound - 1; the bound may exceed 64 bits (deep macro layers)."""
    if bound <= 2**62:
        return int(rng.integers(bound))
    num_bytes = (bound.bit_length() + 7) // 8 + 8  # 64 bits more than needed: a bias below 2^-64
    return int.from_bytes(rng.bytes(num_bytes), "little") % bound


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
