"""The network of a micro architecture, one cell stacked (paper, section 3 and Fig. 2), and the costs of candidates."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import Float64Array, Int64Array
from epnas_tf.errors import ArchitectureError
from epnas_tf.space.architecture import CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, BlockSide, MicroArchitecture, MicroBlock
from epnas_tf.space.candidate_costs import CandidateCosts, LevelCosts, sums_of_cheapest
from epnas_tf.space.graph import Graph, Key, NetworkShape, add_head, add_stem, check_image_size

Description = tuple[tuple[bool, bool], Int64Array, Float64Array]
"""A parent: whether it reads the cell before the previous, and the previous cell; its unused blocks by position among a
block's inputs, int64 [B + 2] of zeros and ones; the costs of its sides for each set in `READ`, float64 [sets, m]."""

NUM_REDUCTIONS = 2


@dataclasses.dataclass(frozen=True)
class _Output:
    """The output of a cell (or the stem): its parts by the end of their keys, and its number of halvings."""

    parts: dict[Key, Key]
    halvings: int


def reductions(normal_cells: int) -> tuple[int, ...]:
    """The reduction cells, from 1: N normal, reduction, N normal, reduction, N normal (PNAS)."""
    return tuple(i * (normal_cells + 1) for i in range(1, NUM_REDUCTIONS + 1))


def build_micro_graph(architecture: MicroArchitecture, shape: NetworkShape) -> Graph:
    """Builds the network of a micro architecture; see `build_graph`.

    All cells have the architecture's structure. A reduction cell doubles the channels and has stride 2 on its inputs
    from the two previous cells. An input that no block uses is left out, and so is a cell that no later one reads.
    """
    if len(architecture.blocks) > shape.num_levels:
        raise ArchitectureError(
            f"The largest cell has {shape.num_levels} blocks. Received: {len(architecture.blocks)} blocks"
        )
    check_image_size(shape, NUM_REDUCTIONS)
    graph = Graph()
    before = last = _Output({("stem",): add_stem(graph, shape)}, halvings=0)
    reduced_at = reductions(shape.normal_cells)
    behind_last_halving = []
    num_cells = shape.normal_cells * (NUM_REDUCTIONS + 1) + NUM_REDUCTIONS
    for cell in range(1, num_cells + 1):
        halved = last.halvings + (cell in reduced_at)
        # Channels double where height and width halve (PNAS).
        channels = shape.channels * 2**halved
        inputs = {
            -2: _add_input(graph, cell, -2, before, last.halvings, channels),
            -1: _add_input(graph, cell, -1, last, last.halvings, channels),
        }
        parts = _add_blocks(
            graph, cell, architecture, inputs, channels, reduction=cell in reduced_at, path_depth=cell / num_cells
        )
        if cell >= reduced_at[-1]:
            behind_last_halving.append(tuple(parts.values()))
        before, last = last, _Output(parts, halved)
    add_head(graph, last.parts, shape)
    graph = graph.without_unread()
    # Perhaps no cell reads the last reduction: if none reads the previous cell, every second cell is left out.
    graph.taps = next(parts for parts in behind_last_halving if set(parts) <= set(graph.keys))
    return graph


def _add_input(graph: Graph, cell: int, number: int, output: _Output, halvings: int, channels: int) -> Key:
    """Projects an earlier cell's output to this cell's channels and to the size of the previous cell's output."""
    # Behind a reduction cell, the cell before the previous is still twice as large.
    stride = 2 if output.halvings < halvings else 1
    position: Key = ("cell", cell, "input", number)
    projections = [
        graph.add((*position, *end), "source_projection", node, channels=channels, stride=stride)
        for end, node in output.parts.items()
    ]
    return graph.add((*position, "sources"), "sum_batch_norm", *projections, channels=channels)


def _add_blocks(
    graph: Graph,
    cell: int,
    architecture: MicroArchitecture,
    inputs: dict[int, Key],
    channels: int,
    reduction: bool,
    path_depth: float,
) -> dict[Key, Key]:
    """Adds the blocks of a cell and returns its output: the blocks that no other uses (paper, section 3)."""
    outputs = dict(inputs)
    for b, block in enumerate(architecture.blocks, 1):
        sides = []
        for name, side in (("left", block.left), ("right", block.right)):
            stride = 2 if reduction and side.input < 0 else 1
            key: Key = ("cell", cell, "block", b, name, side.operation)
            # An operation that halves is a different one, with weights of its own.
            if stride == 2:
                key = (*key, "halving")
            sides.append(
                graph.add(
                    key,
                    side.operation,
                    outputs[side.input],
                    channels=channels,
                    stride=stride,
                    path_depth=0.0 if side.operation == "identity" else path_depth,  # ENAS never drops the identity
                )
            )
        outputs[b] = graph.add(("cell", cell, "block", b, "sum"), "sum", *sides, channels=channels)
    return {("block", b): outputs[b] for b in architecture.unused_blocks()}


READ = ((CELL_BEFORE_PREVIOUS, PREVIOUS_CELL), (PREVIOUS_CELL, PREVIOUS_CELL), (CELL_BEFORE_PREVIOUS,) * 2)
"""The sets of earlier cells that an architecture may read, each as the inputs of a first block."""


class MicroCosts(CandidateCosts):
    """Costs by sides and outputs: those of the blocks' sides, and of the projections of each cell's outputs.

    The cost of a side depends on its operation and on whether it reads an earlier cell. The cost of the projections
    depends on the number of outputs, the blocks that no other uses. Both depend on the set of earlier cells that are
    read: if none reads the previous cell, every second cell is left out.
    """

    space: Any  # a `MicroSpace`

    def of_level(self, parents: Sequence[MicroArchitecture | None], level: int) -> LevelCosts:
        """See the base class. Costs are looked up by a candidate's sides and its number of outputs.

        Further blocks are taken to read the block before them on both sides: the number of outputs stays.
        """
        if self.space.num_levels == 1:
            return super().of_level(parents, level)
        outputs, sides = self._tables
        described = [self._describe(parent) for parent in parents]
        num_operations = len(self.space.operations)

        def costs(indices: Int64Array) -> Iterator[Float64Array]:
            symbols = self.space.encode(level, indices)
            left, right = np.split(symbols.astype(bool), 2, axis=1)
            # The operation and the input of each side, as positions, int64 [n] each.
            ends = [(np.argmax(s[:, :num_operations], 1), np.argmax(s[:, num_operations:], 1)) for s in (left, right)]
            # The costs of the new block's two sides; positions 0 and 1 are the earlier cells.
            own = [sides[:, operation, (source < 2).astype(int)] for operation, source in ends]  # [sets, n, m]
            sources = np.stack([source for _, source in ends])
            rows = np.arange(len(indices))
            whole = np.empty((len(indices), len(parents), sides.shape[-1]))
            sets = np.empty(whole.shape[:2], np.int64)
            for place, (reads, unused, parents_sides) in enumerate(described):
                # Parent's blocks that this block is the first to use, int64 [n]; one on both sides counts once.
                newly_used = unused[sources].sum(axis=0) - unused[sources[0]] * (sources[0] == sources[1])
                # The set of earlier cells that parent and block read together, as an index of `READ`, int64 [n].
                reads_each = [reads[end] | (sources == end).any(axis=0) for end in (0, 1)]
                which = np.where(reads_each[0], np.where(reads_each[1], 0, 2), 1)
                # Outputs: those of the parent and the new block, less the ones that it uses.
                joined = outputs[which, unused.sum() + 1 - newly_used] + parents_sides[which]
                whole[:, place] = joined + own[0][which, rows] + own[1][which, rows]
                sets[:, place] = which
            for rest in self._rests[level - 1]:
                yield whole + rest[sets]

        return costs

    @functools.cached_property
    def _rests(self) -> list[Float64Array]:
        """For each level, the lowest costs of the sides of the blocks after it, [ways, sets, m]."""
        side = self._tables[1][:, :, 0].swapaxes(0, 1)  # [operations, sets, m], of sides that read a block
        # Two sides a block: every second entry begins at a whole block.
        return sums_of_cheapest([side] * 2 * (self.space.num_levels - 1), side.shape[1:])[::2]

    def _describe(self, parent: MicroArchitecture | None) -> Description:
        all_sides = [side for block in parent.blocks for side in block.sides] if parent else []
        inputs = {side.input for side in all_sides}
        unused = np.zeros(self.space.num_levels + 2, np.int64)
        # Positions 0 and 1 are the earlier cells, so block b is at 1 + b.
        unused[[1 + block for block in (parent.unused_blocks() if parent else ())]] = 1
        index = {operation: i for i, operation in enumerate(self.space.operations)}
        _, sides = self._tables
        costs = np.zeros((len(READ), sides.shape[-1]))
        for side in all_sides:
            costs += sides[:, index[side.operation], int(side.input < 0)]
        return (CELL_BEFORE_PREVIOUS in inputs, PREVIOUS_CELL in inputs), unused, costs

    @functools.cached_property
    def _tables(self) -> tuple[Float64Array, Float64Array]:
        """The costs of outputs, [sets, outputs, m], and of sides, [sets, operations, whether of an earlier cell, m]."""
        outputs, sides = zip(*(self._tables_of(read) for read in READ), strict=True)
        return np.stack(outputs), np.stack(sides)

    def _tables_of(self, read: tuple[int, int]) -> tuple[Float64Array, Float64Array]:
        reference = self.space.operations[0]
        first = MicroBlock(BlockSide(reference, read[0]), BlockSide(reference, read[1]))

        def cost(*blocks: MicroBlock) -> Float64Array:
            return self.cost_of(MicroArchitecture((first, *blocks)))

        # The base of all differences: a single block that reads the set.
        alone = cost()

        def second(operation: str, source: int) -> Float64Array:
            """The cost of a second block that uses the first one, so that there is still one output."""
            return cost(MicroBlock(BlockSide(operation, source), BlockSide(reference, 1))) - alone

        # Two equal sides on block 1: half is the cost of one. The rest of a second block is then the other side's.
        half = second(reference, 1) / 2
        sides = np.array(
            [[second(operation, source) - half for source in (1, read[0])] for operation in self.space.operations]
        )
        # Networks of 1, 2, … blocks that no other uses, less the costs of their sides: the costs of the outputs.
        unused = MicroBlock(BlockSide(reference, read[0]), BlockSide(reference, read[0]))
        numbers = range(1, self.space.num_levels + 1)
        outputs = [cost(*[unused] * (number - 1)) - 2 * number * sides[0, 1] for number in numbers]
        return np.array([np.zeros_like(outputs[0]), *outputs]), sides
