"""The micro space: cells made of blocks (paper, section 3)."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import Float32Array, Int64Array, IntArray
from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.nn.registry import check_operations
from epnas_tf.space.architecture import CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, BlockSide, MicroArchitecture, MicroBlock
from epnas_tf.space.base import SearchSpace, check_index, check_indices, check_level, check_size
from epnas_tf.space.definition import Hyperparameters, Keeps, Parameter, SpaceDefinition, register_space
from epnas_tf.space.graph import Key
from epnas_tf.space.micro_network import MicroCosts, build_micro_graph
from epnas_tf.space.picture import (
    BLUE,
    BOX_HEIGHT,
    CENTER,
    GREEN,
    GREY,
    VERMILION,
    Arcs,
    Arrow,
    Block,
    Box,
    Drawing,
    Shape,
)
from epnas_tf.space.serialization import fields, inside

MICRO_OPERATIONS: tuple[str, ...] = (
    "max_pool_3x3",
    "average_pool_3x3",
    "conv_3x3",
    "conv_5x5",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "identity",
)
"""The operations of the micro space: those of the macro space and the identity (paper, section 3)."""

SIDES = ("left", "right")
SOURCE_COLORS = {CELL_BEFORE_PREVIOUS: VERMILION, PREVIOUS_CELL: BLUE}
SOURCES = {CELL_BEFORE_PREVIOUS: "the cell before the previous", PREVIOUS_CELL: "the previous cell"}
CELL_BOX, CELL_HEIGHT, CELL_GAP = 278, 58, 15


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
            operations: the names of the operations to choose from. Any name is taken here; `make_space` takes those
                that are registered.

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
        """The number of blocks to choose from: n (n + 1) / 2 with n = operations · (level + 1).

        Raises:
            ArchitectureError: if there is no such level.
        """
        check_level(self, level)
        return math.comb(self._num_options(level) + 1, 2)

    def extension(self, level: int, index: int) -> MicroBlock:
        """Block `index` of a level.

        Raises:
            ArchitectureError: if the level or the index is out of range.
        """
        index = check_index(self, level, index)
        larger = (math.isqrt(8 * index + 1) - 1) // 2
        return MicroBlock(self._side(index - math.comb(larger + 1, 2)), self._side(larger))

    def index(self, level: int, extension: MicroBlock) -> int:
        """The index of a block.

        Raises:
            ArchitectureError: if there is no such level, or no such block at it.
        """
        check_level(self, level)
        if not isinstance(extension, MicroBlock):
            raise ArchitectureError(f"An extension of the micro space is a MicroBlock. Received: {extension!r}")
        smaller, larger = sorted(self._option(level, side) for side in extension.sides)
        return math.comb(larger + 1, 2) + smaller

    def encode(self, level: int, indices: IntArray) -> Float32Array:
        """The symbol arrays of some blocks of a level.

        Args:
            level: the level, from 1.
            indices: integers of shape [n].

        Returns:
            float32 of shape [n, 2 · (operations + B + 1)], of zeros and ones.

        Raises:
            ArchitectureError: if the level or an index is out of range.
        """
        indices = check_indices(self, level, indices)
        # An integer search, not a square root: exact.
        larger = np.searchsorted(self._first_indices, indices, side="right") - 1
        smaller = indices - self._first_indices[larger]
        # Options are numbered in the order of `operations`, the sides of a block are ordered by the operations' names.
        mirrored = self._ranks[smaller] > self._ranks[larger]
        left, right = np.where(mirrored, larger, smaller), np.where(mirrored, smaller, larger)
        return np.concatenate([self._symbols[left], self._symbols[right]], axis=1)

    def extend(self, parent: MicroArchitecture | None, extension: MicroBlock) -> MicroArchitecture:
        """The cell with one more block, or of one block if `parent` is None.

        Raises:
            ArchitectureError: if the parent is no micro architecture or has all blocks already, or the block is not one
                of its level.
        """
        blocks = () if parent is None else self.extensions(parent)
        self.index(len(blocks) + 1, extension)
        return MicroArchitecture((*blocks, extension))

    def extensions(self, architecture: MicroArchitecture) -> tuple[MicroBlock, ...]:
        """The blocks of a cell, block 1 first.

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


def _ranks(names: Sequence[str]) -> Int64Array:
    """Each name's position in alphabetical order, int64 [len(names)]."""
    ordered = sorted(names)
    return np.array([ordered.index(name) for name in names], np.int64)


def _parameters(space: MicroSpace, level: int) -> list[Parameter]:
    inputs = [CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, *range(1, level)]
    return [
        parameter
        for side in SIDES
        for parameter in (
            Parameter("Choice", f"block_{level}_{side}_operation", (list(space.operations),)),
            Parameter("Choice", f"block_{level}_{side}_input", (inputs,), PREVIOUS_CELL),
        )
    ]


def _to_block(space: MicroSpace, level: int, values: Mapping[str, Any]) -> MicroBlock:
    names = (f"block_{level}_{side}" for side in SIDES)
    return MicroBlock(*(BlockSide(values[f"{name}_operation"], values[f"{name}_input"]) for name in names))


def _to_values(space: MicroSpace, level: int, block: MicroBlock) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, side in zip(SIDES, block.sides, strict=True):
        values |= {f"block_{level}_{name}_operation": side.operation, f"block_{level}_{name}_input": side.input}
    return values


def _blocks_kept(space: MicroSpace, values: Mapping[str, tuple[Any, ...]], level: int) -> Keeps:
    inputs = [CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, *range(1, space.num_levels)]
    left, right = (
        np.concatenate(
            [
                np.isin(space.operations, values.get(f"block_{level}_{side}_operation", space.operations)),
                np.isin(inputs, values.get(f"block_{level}_{side}_input", inputs)),
            ]
        )
        for side in SIDES
    )
    if (left != right).any():
        raise ConfigError(
            "The two sides of a block are interchangeable, so both must be restricted alike. Received: "
            + "; ".join(f"{name} in {list(allowed)}" for name, allowed in values.items() if f"block_{level}_" in name)
        )
    forbidden = np.tile(~left, 2).astype(np.float32)
    return lambda indices: space.encode(level, indices) @ forbidden == 0


def _to_json(architecture: MicroArchitecture) -> list[Any]:
    return [dict(zip(SIDES, map(dataclasses.asdict, block.sides), strict=True)) for block in architecture.blocks]


def _from_json(items: list[Any]) -> MicroArchitecture:
    return MicroArchitecture(tuple(_block(item, f"blocks[{i}]") for i, item in enumerate(items)))


def _block(value: object, where: str) -> MicroBlock:
    with inside(where):
        given = fields(value, required=SIDES)
        return MicroBlock(*(_block_side(given[name], name) for name in SIDES))


def _block_side(value: object, where: str) -> BlockSide:
    with inside(where):
        given = fields(value, required=("operation", "input"))
        return BlockSide(given["operation"], given["input"])


def _reads(architecture: MicroArchitecture) -> list[list[str]]:
    return [[SOURCES.get(side.input, f"block {side.input}") for side in block.sides] for block in architecture.blocks]


def _output(architecture: MicroArchitecture) -> str:
    *others, last = map(str, architecture.unused_blocks())
    blocks = f"the blocks {', '.join(others)} and {last}, which no other uses" if others else f"block {last}"
    return f"What each operation of a block is applied to. The cell’s output is {blocks}."


def _place(key: Key) -> tuple[str | int, ...] | None:
    """The block and its side, in whichever cell; `key` is ("cell", c, "block", b, side, operation, …)."""
    return key[2:5] if key[0] == "cell" and key[2] == "block" else None


def draw_cell(architecture: MicroArchitecture) -> Drawing:
    """Draws a cell: its two inputs, its blocks and its output (paper, Fig. 5)."""
    inputs = {CELL_BEFORE_PREVIOUS: 22.0, PREVIOUS_CELL: 60.0}
    numbered = list(enumerate(architecture.blocks, 1))
    blocks = {b: 104 + (b - 1) * (CELL_HEIGHT + CELL_GAP) + CELL_HEIGHT / 2 for b, _ in numbered}
    end = 104 + len(blocks) * (CELL_HEIGHT + CELL_GAP) + 18
    rows, unused = [*inputs, *blocks], architecture.unused_blocks()

    def reach(span: int) -> float:
        """The width of a connection's bow over `span` rows: longer ones are wider, so that they nest."""
        return 14 + (CENTER - CELL_BOX / 2 - 26) * (span - 1) / max(len(rows) - 1, 1)

    arcs = []
    for b, block in numbered:
        for outward, side in zip((-1, 1), block.sides, strict=True):
            start = inputs[side.input] if side.input in inputs else blocks[side.input] + 20
            curve = (start, blocks[b] + 8, reach(rows.index(b) - rows.index(side.input)))
            arcs.append(Arcs((curve,), outward, SOURCE_COLORS.get(side.input, GREY), CELL_BOX, inward=10))
    outputs = tuple((blocks[b] + 20, end, reach(len(rows) - rows.index(b))) for b in unused[:-1])
    text = "output" if len(unused) == 1 else f"output: {len(unused)} blocks, concatenated"
    shapes: tuple[Shape, ...] = (
        *arcs,
        Arcs(outputs, 1, GREEN, CELL_BOX),
        Arrow(blocks[unused[-1]] + CELL_HEIGHT / 2, end - BOX_HEIGHT / 2, GREEN),
        Box(inputs[CELL_BEFORE_PREVIOUS], "cell before the previous", edge=VERMILION, width=CELL_BOX),
        Box(inputs[PREVIOUS_CELL], "previous cell", edge=BLUE, width=CELL_BOX),
        *(
            Block(blocks[b], f"block {b}", (block.left.operation, block.right.operation), CELL_BOX, CELL_HEIGHT)
            for b, block in numbered
        ),
        Box(end, text, edge=GREEN, width=CELL_BOX),
    )
    caption = (
        "The cell that is stacked, from its two inputs at the top to its output. A block adds the results of two "
        "operations; the line at each shows what it is applied to: the cell before the previous (orange), the previous "
        "cell (blue) or an earlier block (grey). Blocks that no other uses are the cell's output (green)."
    )
    alt = f"A cell of {len(blocks)} block{'s' * (len(blocks) != 1)}: {architecture}"
    return Drawing(end + 24, shapes, "The cell", alt, caption)


register_space(
    SpaceDefinition(
        name=MicroSpace.name,
        architecture=MicroArchitecture,
        make_space=lambda config: MicroSpace(config.blocks, config.operations),
        build_graph=build_micro_graph,
        to_json=_to_json,
        from_json=_from_json,
        default_operations=MICRO_OPERATIONS,
        level="block",
        reads=_reads,
        reads_caption=_output,
        draw=draw_cell,
        place=_place,
        summed_over="the cells, each of which has weights of its own",
        hyperparameters=Hyperparameters("blocks", _parameters, _to_block, _to_values, _blocks_kept),
        candidate_costs=MicroCosts,
        shorter_by=("blocks", "normal_cells"),
        smaller_by=("normal_cells",),
        fewer_operations=("max_pool_3x3", "conv_3x3", "sep_conv_3x3", "identity"),
    )
)
