"""Architectures as frozen, hashable values that are validated on construction (paper, section 3).

The constructors normalise: the skips of a layer are sorted, and the two sides of a block are put in a fixed order. So
every value is canonical, and equal architectures are equal values. Cells that differ only in the numbering of their
blocks stay different values, as in PNAS.

The hashes are Python's, which differ between processes: use them in memory, not in files.
"""

import dataclasses
import operator
from collections.abc import Sequence
from typing import Protocol, TypeVar

from epnas_tf.errors import ArchitectureError
from epnas_tf.nn.registry import is_operation_name

T = TypeVar("T")

CELL_BEFORE_PREVIOUS = -2
"""Input of a block: H^{c-2}, the output of the cell before the previous one."""

PREVIOUS_CELL = -1
"""Input of a block: H^{c-1}, the output of the previous cell."""


class Architecture(Protocol):
    """An architecture of any space: a frozen, hashable value, whose `str` is a line of text."""

    @property
    def num_levels(self) -> int:
        """The number of levels."""

    def __hash__(self) -> int: ...


@dataclasses.dataclass(frozen=True, slots=True)
class MacroLayer:
    """One layer (O_l, S_l) of the macro space (paper, section 3).

    Attributes:
        operation: the name of the operation O_l.
        skips: the earlier outputs that the layer reads besides the output right before it, which it always reads: 0 for
            the stem, from 1 for a layer. Stored ascending, given in any order.

    Raises:
        ArchitectureError: if the operation is not a name, or a skip is no integer, negative or given twice.
    """

    operation: str
    skips: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_operation(self.operation)
        if isinstance(self.skips, str) or not isinstance(self.skips, Sequence):
            raise ArchitectureError(f"`skips` must be a sequence of integers. Received: skips={self.skips!r}")
        skips = tuple(sorted(_integer("skips", skip) for skip in self.skips))
        if skips and skips[0] < 0:
            raise ArchitectureError(
                f"`skips` must be 0 (the stem) or numbers of layers, from 1. Received: skips={self.skips!r}"
            )
        if len(set(skips)) != len(skips):
            raise ArchitectureError(f"`skips` must name each output once. Received: skips={self.skips!r}")
        object.__setattr__(self, "skips", skips)

    def __str__(self) -> str:
        return f"{self.operation} +{','.join(map(str, self.skips))}" if self.skips else self.operation


def _reach(number: int) -> str:
    """The outputs that a layer may skip from, as a sentence."""
    if number == 1:
        return "Layer 1 always takes the stem and there are no other outputs before it, so its skips are []"
    before, others = number - 1, "0" if number == 2 else f"0 to {number - 2}"
    return f"Layer {number} always takes the output of layer {before} and may skip from {others} besides; 0 is the stem"


@dataclasses.dataclass(frozen=True, slots=True)
class MacroArchitecture:
    """A whole network of the macro space, layer by layer (paper, section 3).

    Attributes:
        layers: the layers, layer 1 first. Layer l may skip from the outputs 0 (the stem) to l - 2.

    Raises:
        ArchitectureError: if there is no layer, or one skips from an output that does not come before it.

    Example:
        >>> from epnas_tf.space import MacroArchitecture, MacroLayer
        >>> str(MacroArchitecture((MacroLayer("conv_3x3"), MacroLayer("sep_conv_5x5", skips=(0,)))))
        '1 conv_3x3 | 2 sep_conv_5x5 +0'
    """

    layers: tuple[MacroLayer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _values("layers", self.layers, MacroLayer))
        for number, layer in enumerate(self.layers, 1):
            if layer.skips and layer.skips[-1] > number - 2:
                raise ArchitectureError(f"{_reach(number)}. Received: skips={list(layer.skips)}")

    @property
    def num_levels(self) -> int:
        """The number of layers."""
        return len(self.layers)

    def sources(self, number: int) -> tuple[int, ...]:
        """All inputs of layer `number` (from 1), ascending: its skips, then the output right before it.

        Raises:
            ArchitectureError: if there is no such layer.
        """
        if not 1 <= number <= len(self.layers):
            raise ArchitectureError(f"The architecture has the layers 1 to {len(self.layers)}. Received: {number}")
        return (*self.layers[number - 1].skips, number - 1)

    def __str__(self) -> str:
        """One line, such as `1 conv_3x3 | 2 sep_conv_5x5 +0 | 3 max_pool_3x3 +0,1` (after "+": the skips)."""
        return " | ".join(f"{number} {layer}" for number, layer in enumerate(self.layers, 1))


@dataclasses.dataclass(frozen=True, slots=True)
class BlockSide:
    """One of the two sides of a block: an operation and its input (paper, section 3).

    Attributes:
        operation: the name of the operation O_i.
        input: the input S_i: -2 for H^{c-2} and -1 for H^{c-1}, the outputs of the two previous cells, or the number of
            an earlier block of the same cell, from 1 as in the paper. There is no input 0.

    Raises:
        ArchitectureError: if the operation is not a name, or the input is none of the above.
    """

    operation: str
    input: int

    def __post_init__(self) -> None:
        _check_operation(self.operation)
        source = _integer("input", self.input)
        if source < CELL_BEFORE_PREVIOUS or source == 0:
            raise ArchitectureError(
                "`input` must be -2 or -1 (the two previous cells) or the number of an earlier block, from 1. "
                f"Received: input={source}"
            )
        object.__setattr__(self, "input", source)

    def __str__(self) -> str:
        return f"{self.operation}({f'c{self.input}' if self.input < 0 else f'b{self.input}'})"


@dataclasses.dataclass(frozen=True, slots=True)
class MicroBlock:
    """One block (O_1, O_2, S_1, S_2) of a cell: the sum of its two sides (paper, section 3).

    A sum has no order, so mirrored blocks are one value (136 instead of 256 in PNAS): the constructor stores the side
    with the smaller (input, operation) as `left`.

    Attributes:
        left: the first side.
        right: the second side; both may be equal.

    Raises:
        ArchitectureError: if one of the two is not a side.
    """

    left: BlockSide
    right: BlockSide

    def __post_init__(self) -> None:
        sides = _values("left, right", (self.left, self.right), BlockSide)
        left, right = sorted(sides, key=lambda side: (side.input, side.operation))
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", right)

    @property
    def sides(self) -> tuple[BlockSide, BlockSide]:
        """The two sides, left first."""
        return (self.left, self.right)

    def __str__(self) -> str:
        return f"{self.left} + {self.right}"


@dataclasses.dataclass(frozen=True, slots=True)
class MicroArchitecture:
    """A cell of the micro space, block by block (paper, section 3).

    Attributes:
        blocks: the blocks, block 1 first. Block b may read the two previous cells and the blocks 1 to b - 1.

    Raises:
        ArchitectureError: if there is no block, or one reads a block that does not come before it.

    Example:
        >>> from epnas_tf.space import BlockSide, MicroArchitecture, MicroBlock
        >>> block = MicroBlock(BlockSide("sep_conv_3x3", -1), BlockSide("identity", -2))
        >>> MicroArchitecture((block,)).num_levels
        1
    """

    blocks: tuple[MicroBlock, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", _values("blocks", self.blocks, MicroBlock))
        for number, block in enumerate(self.blocks, 1):
            if block.right.input >= number:  # the right side has the larger input
                earlier = f"-2, -1 and the blocks 1 to {number - 1}" if number > 1 else "-2 and -1"
                raise ArchitectureError(f"Block {number} has the inputs {earlier}. Received: input={block.right.input}")

    @property
    def num_levels(self) -> int:
        """The number of blocks."""
        return len(self.blocks)

    def unused_blocks(self) -> tuple[int, ...]:
        """The numbers (from 1, ascending) of the blocks that no other block reads.

        Their outputs are concatenated into the cell's output (paper, section 3). The last block is always one of them.
        """
        used = {side.input for block in self.blocks for side in block.sides}
        return tuple(number for number in range(1, len(self.blocks) + 1) if number not in used)

    def __str__(self) -> str:
        """One line, such as `1 identity(c-2) + conv_3x3(c-1) | 2 conv_3x3(c-1) + identity(b1)`."""
        return " | ".join(f"{number} {block}" for number, block in enumerate(self.blocks, 1))


@dataclasses.dataclass(frozen=True, slots=True)
class StagedArchitecture:
    """A network of the staged space: blocks in stages, each of half the height and width and twice the channels.

    The blocks are given in the order of the levels, which take turns among the stages: block 1 is the first of stage 1,
    block 2 the first of stage 2, and so on. So the shallowest network reaches every resolution.

    Attributes:
        blocks: the names of the operations, that of level 1 first.
        stages: the number of stages.

    Raises:
        ArchitectureError: if there is no block or no stage, or a block is not a name.

    Example:
        >>> from epnas_tf.space import StagedArchitecture
        >>> resnet_20 = StagedArchitecture(("residual",) * 9, stages=3)
        >>> str(StagedArchitecture(("residual", "inverted_5x5_e3", "none"), stages=2))
        '1.1 residual | 2.1 inverted_5x5_e3 | 1.2 none'
    """

    blocks: tuple[str, ...]
    stages: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", _values("blocks", self.blocks, str))
        for operation in self.blocks:
            _check_operation(operation)
        object.__setattr__(self, "stages", _integer("stages", self.stages))
        if self.stages < 1:
            raise ArchitectureError(f"`stages` must be at least 1. Received: stages={self.stages}")

    @property
    def num_levels(self) -> int:
        """The number of blocks."""
        return len(self.blocks)

    def place(self, level: int) -> tuple[int, int]:
        """The stage of a level's block, and its number in the stage, both from 1."""
        number, stage = divmod(level - 1, self.stages)
        return stage + 1, number + 1

    def of_stage(self, stage: int) -> tuple[str, ...]:
        """The operations of a stage, from 1, in the order of the network."""
        return self.blocks[stage - 1 :: self.stages]

    def __str__(self) -> str:
        """One line, such as `1.1 residual | 2.1 none`: stage, number in the stage, operation."""
        places = (self.place(level) for level in range(1, len(self.blocks) + 1))
        return " | ".join(f"{s}.{b} {name}" for (s, b), name in zip(places, self.blocks, strict=True))


def _check_operation(operation: object) -> None:
    if not is_operation_name(operation):
        raise ArchitectureError(
            f'`operation` must be a name made of letters, digits, "_", "." and "-". Received: operation={operation!r}'
        )


def _integer(name: str, value: object) -> int:
    """Converts an integer, also one of NumPy, to a plain int; rejects bools."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]  # what has no index raises TypeError
    except TypeError:
        raise ArchitectureError(f"`{name}` must be an integer. Received: {value!r}") from None


def _values(name: str, values: object, kind: type[T]) -> tuple[T, ...]:
    """Converts values to a tuple after checking their number and types."""
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise ArchitectureError(f"`{name}` must be a sequence of at least one {kind.__name__}. Received: {values!r}")
    for value in values:
        if not isinstance(value, kind):
            raise ArchitectureError(f"`{name}` must hold values of type {kind.__name__}. Received: {value!r}")
    return tuple(values)
