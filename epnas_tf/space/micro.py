"""The micro space: cells made of blocks (paper, section 3)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError
from epnas_tf.space.architecture import CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, BlockSide, MicroArchitecture, MicroBlock
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.checks import check_index, check_indices, check_level, check_size
from epnas_tf.space.operations import MICRO_OPERATIONS, check_operations


class MicroSpace(SearchSpace[MicroArchitecture, MicroBlock]):
    """All cells of up to B blocks: an unordered pair of (operation, input) for each block.

    A side of block b has n = operations · (b + 1) options: the inputs -2, -1 and 1 … b - 1, each with every operation.
    A block is one of the n (n + 1) / 2 unordered pairs of options, since mirrored blocks are one block.

    Option o has the input `o // operations` of that list and the operation `o % operations`; the block of the options
    a <= b has the index `b (b + 1) / 2 + a`. Deeper levels append inputs, so a block keeps its index at every level
    that allows it.

    The symbol array of a block is, for its left and then its right side, the operation, one-hot, and the input, one-hot
    among the B + 1 of the last level.

    Attributes:
        operations: the names of the operations to choose from; their order is that of the indices.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.MicroSpace(blocks=5).num_extensions(1)
        105
    """

    name = "micro"

    def __init__(self, blocks: int = SpaceConfig.blocks, operations: Sequence[str] = MICRO_OPERATIONS) -> None:
        """Makes the space.

        Args:
            blocks: the number B of blocks of the largest cell, at least 1.
            operations: the names of the operations to choose from. Any name is taken here, so that a space can have
                operations of its own; `make_space` takes only those of the paper.

        Raises:
            ConfigError: if `blocks` is out of range, or the operations are none or not distinct.
        """
        self.num_levels = check_size("blocks", blocks)
        self.operations = check_operations(operations)
        self.num_features = 2 * (len(self.operations) + self.num_levels + 1)
        self._inputs = (CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, *range(1, self.num_levels))
        self._operation_indices = {name: index for index, name in enumerate(self.operations)}
        # Tables over the options of the last level, of which those of every other level are the first entries.
        options = np.arange(self._num_options(self.num_levels))
        input_indices, operation_indices = np.divmod(options, len(self.operations))
        # int64 [n]: the smallest index of a pair whose larger option this is.
        self._first_indices = options * (options + 1) // 2
        # int64 [n]: the option's place in the order in which a block puts its sides.
        self._ranks = _ranks(self.operations)[operation_indices] + input_indices * len(self.operations)
        # float32 [n, operations + B + 1].
        self._symbols = np.concatenate(
            [
                np.eye(len(self.operations), dtype=np.float32)[operation_indices],
                np.eye(len(self._inputs), dtype=np.float32)[input_indices],
            ],
            axis=1,
        )

    def num_extensions(self, level: int) -> int:
        """Returns the number of blocks to choose from: n (n + 1) / 2 with n = operations · (level + 1).

        Raises:
            ArchitectureError: if there is no such level.
        """
        check_level(self, level)
        return math.comb(self._num_options(level) + 1, 2)

    def extension(self, level: int, index: int) -> MicroBlock:
        """Returns block `index` of a level.

        Raises:
            ArchitectureError: if the level or the index is out of range.
        """
        index = check_index(self, level, index)
        larger = (math.isqrt(8 * index + 1) - 1) // 2
        return MicroBlock(self._side(index - math.comb(larger + 1, 2)), self._side(larger))

    def index(self, level: int, extension: MicroBlock) -> int:
        """Returns the index of a block.

        Raises:
            ArchitectureError: if there is no such level, or no such block at it.
        """
        check_level(self, level)
        if not isinstance(extension, MicroBlock):
            raise ArchitectureError(f"An extension of the micro space is a MicroBlock. Received: {extension!r}")
        smaller, larger = sorted(self._option(level, side) for side in extension.sides)
        return math.comb(larger + 1, 2) + smaller

    def encode(self, level: int, indices: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """Returns the symbol arrays of some blocks of a level.

        Args:
            level: the level, from 1.
            indices: integers of shape [n].

        Returns:
            float32 of shape [n, 2 · (operations + B + 1)], of zeros and ones.

        Raises:
            ArchitectureError: if the level or an index is out of range.
        """
        indices = check_indices(self, level, indices)
        # Searched among integers, not computed with a square root: exact.
        larger = np.searchsorted(self._first_indices, indices, side="right") - 1
        smaller = indices - self._first_indices[larger]
        # Options are numbered in the order of `operations`, the sides of a block are ordered by the operations' names.
        mirrored = self._ranks[smaller] > self._ranks[larger]
        left, right = np.where(mirrored, larger, smaller), np.where(mirrored, smaller, larger)
        return np.concatenate([self._symbols[left], self._symbols[right]], axis=1)

    def extend(self, parent: MicroArchitecture | None, extension: MicroBlock) -> MicroArchitecture:
        """Returns the cell with one more block, or of one block for `parent` None.

        Raises:
            ArchitectureError: if the parent is no micro architecture or has all blocks already, or the block is not one
                of its level.
        """
        blocks = () if parent is None else self.extensions(parent)
        self.index(len(blocks) + 1, extension)
        return MicroArchitecture((*blocks, extension))

    def extensions(self, architecture: MicroArchitecture) -> tuple[MicroBlock, ...]:
        """Returns the blocks of a cell, block 1 first.

        Raises:
            ArchitectureError: if it is not a micro architecture.
        """
        if not isinstance(architecture, MicroArchitecture):
            raise ArchitectureError(f"The micro space holds micro architectures. Received: {architecture!r}")
        return architecture.blocks

    def _num_options(self, level: int) -> int:
        return len(self.operations) * (level + 1)

    def _side(self, option: int) -> BlockSide:
        source, operation = divmod(option, len(self.operations))
        return BlockSide(self.operations[operation], self._inputs[source])

    def _option(self, level: int, side: BlockSide) -> int:
        operation = self._operation_indices.get(side.operation)
        if operation is None:
            raise ArchitectureError(
                f"Block {level} has the operations {', '.join(self.operations)}. Received: {side.operation!r}"
            )
        inputs = self._inputs[: level + 1]
        if side.input not in inputs:
            raise ArchitectureError(
                f"Block {level} has the inputs {', '.join(map(str, inputs))}. Received: input={side.input}"
            )
        return inputs.index(side.input) * len(self.operations) + operation


def _ranks(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns int64 of shape [len(names)]: each name's place in alphabetical order."""
    ordered = sorted(names)
    return np.array([ordered.index(name) for name in names], np.int64)
