"""What the candidates of a level cost, by arithmetic over all of them at once: none is built.

A network's parameters and multiply-adds are sums over its nodes. So the candidates of one parent differ by few terms,
which are taken from the graphs of a few architectures; `tests/cost/test_candidate_costs.py` compares the sums with
the graphs of all.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.space.architecture import (
    CELL_BEFORE_PREVIOUS,
    PREVIOUS_CELL,
    BlockSide,
    MacroArchitecture,
    MacroLayer,
    MicroArchitecture,
    MicroBlock,
)
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.macro import MacroSpace
from epnas_tf.space.micro import MicroSpace

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CostOf = Callable[[Any], FloatArray]
"""The costs of an architecture, float64 [m]: sums over the nodes of its graph."""

Description = tuple[tuple[bool, bool], npt.NDArray[np.int64], FloatArray]
"""Of an architecture: whether it reads the cell before the previous and the previous one; its unused blocks by their
place among a block's inputs, int64 [B + 2] of zeros and ones; the costs of its sides for each set in `READ`."""

LevelCosts = Callable[[IntArray], Iterable[FloatArray]]
"""The costs float64 [n, parents, m] of n extensions, given by their indices, of some parents: once for each of the ways
to go on from them to the deepest level that may be the cheapest, with what that way adds."""

MAX_WAYS = 100
"""Ways to go on that are looked at. Where costs pull in different directions, there are more with every level."""


def cheapest(costs: FloatArray) -> FloatArray:
    """Returns the rows of costs [n, m] for which no other is as low in all and lower in one.

    Of more than `MAX_WAYS` these are the lowest in each, and others evenly in the order of the first.
    """
    rows = np.unique(costs, axis=0)
    rows = rows[[not ((rows <= row).all(1) & (rows < row).any(1)).any() for row in rows]]
    if len(rows) <= MAX_WAYS:
        return rows
    lowest = rows.argmin(axis=0)
    evenly = np.linspace(0, len(rows) - 1, MAX_WAYS - len(lowest)).round().astype(np.int64)
    return rows[np.union1d(lowest, evenly)]


def sums_of_cheapest(added: Sequence[FloatArray], shape: tuple[int, ...]) -> list[FloatArray]:
    """Returns what is added from each place on at least, [ways, *shape] for each, the last of which is one way of 0.

    Every way is a choice at its place and a way of the next one, so that who takes the one still has the other.

    Args:
        added: the costs of each place's choices, [choices, *shape].
        shape: of costs.
    """
    ways = [np.zeros((1, *shape))]
    for choices in reversed(added):
        sums = (choices[:, None] + ways[0]).reshape(len(choices) * len(ways[0]), math.prod(shape))
        kept = cheapest(sums)
        ways.insert(0, kept.reshape(len(kept), *shape))
    return ways


class CandidateCosts:
    """The costs of candidates of any space: each one's graph is built, which takes a millisecond.

    A candidate's costs are those of the cheapest architectures of the deepest level that it can become, as far as those
    are known; in the base class its own.

    Args:
        space: the search space.
        cost_of: gives the costs of an architecture.
    """

    def __init__(self, space: SearchSpace[Any, Any], cost_of: CostOf) -> None:
        self.space = space
        self.cost_of = cost_of

    def of_level(self, parents: Sequence[Any], level: int) -> LevelCosts:
        """Returns a function that gives the costs of extensions of some parents.

        Args:
            parents: architectures of the level before; [None] before the first level.
            level: the level of the extensions.
        """

        def costs(indices: IntArray) -> Iterator[FloatArray]:
            extensions = [self.space.extension(level, index) for index in indices.tolist()]
            rows = [[self.cost_of(self.space.extend(parent, e)) for parent in parents] for e in extensions]
            yield np.array(rows, np.float64)

        return costs

    def least(self) -> FloatArray:
        """Returns what the cheapest architectures of the deepest level cost, float64 [n, m]; see `cheapest`."""
        everything = np.arange(self.space.num_extensions(1), dtype=np.int64)
        return cheapest(np.concatenate([costs[:, 0] for costs in self.of_level([None], 1)(everything)]))


class MacroCosts(CandidateCosts):
    """A layer costs its operation and, for each skip connection, a projection and the halvings on the way to it."""

    space: MacroSpace

    def of_level(self, parents: Sequence[MacroArchitecture | None], level: int) -> LevelCosts:
        """See the base. Skips add up, so a parent's candidates are a product of symbol arrays and these costs."""
        weights = np.stack([self._weights(parent, level) for parent in parents], axis=1)  # [features, parents, m]
        rests = self._rests[level - 1]

        def costs(indices: IntArray) -> Iterator[FloatArray]:
            # Not a product of matrices: after one, BLAS's threads spin and take the scoring beside it its cores.
            own = np.einsum("nf,fpm->npm", self.space.encode(level, indices).astype(np.float64), weights)
            for rest in rests:
                yield own + rest

        return costs

    @functools.cached_property
    def _rests(self) -> list[FloatArray]:
        """For each level, the least that the layers after it cost, [ways, m]: by one operation each, without skips."""
        operations = self.space.operations
        architecture = self._extended(None, operations[0])
        added = []
        for _ in range(1, self.space.num_levels):
            after = [self.cost_of(self._extended(architecture, operation)) for operation in operations]
            added.append(np.array(after) - self.cost_of(architecture))
            architecture = self._extended(architecture, operations[0])
        return sums_of_cheapest(added, self.cost_of(architecture).shape)

    def _extended(self, parent: MacroArchitecture | None, operation: str, *skips: int) -> MacroArchitecture:
        return self.space.extend(parent, MacroLayer(operation, skips))

    def _weights(self, parent: MacroArchitecture | None, level: int) -> FloatArray:
        """Returns float64 [features, m]: the whole network for each operation, and what each skip adds to it."""
        operations = self.space.operations
        without = [self.cost_of(self._extended(parent, operation)) for operation in operations]
        added = [self.cost_of(self._extended(parent, operations[0], s)) - without[0] for s in range(level - 1)]
        unused = [np.zeros_like(without[0])] * (self.space.num_features - len(operations) - len(added))
        return np.array([*without, *added, *unused])


READ = ((CELL_BEFORE_PREVIOUS, PREVIOUS_CELL), (PREVIOUS_CELL, PREVIOUS_CELL), (CELL_BEFORE_PREVIOUS,) * 2)
"""The sets of earlier cells that an architecture may read, each as what the sides of a first block read."""


class MicroCosts(CandidateCosts):
    """A network of cells costs what its blocks' sides do, and the projections of each cell's outputs.

    A side's cost depends on its operation and on whether it reads an earlier cell; that of the projections on how many
    blocks no other uses, which are the cell's outputs. Both depend on which earlier cells are read at all: where none
    reads the previous one, every second cell is left out.
    """

    space: MicroSpace

    def of_level(self, parents: Sequence[MicroArchitecture | None], level: int) -> LevelCosts:
        """See the base. Candidates are looked up by their sides and the number of their outputs.

        Further blocks whose sides both read the block before them leave the number of outputs as it is.
        """
        if self.space.num_levels == 1:
            return super().of_level(parents, level)
        outputs, sides = self._tables
        described = [self._describe(parent) for parent in parents]
        num_operations = len(self.space.operations)

        def costs(indices: IntArray) -> Iterator[FloatArray]:
            symbols = self.space.encode(level, indices)
            left, right = np.split(symbols.astype(bool), 2, axis=1)
            ends = [(np.argmax(s[:, :num_operations], 1), np.argmax(s[:, num_operations:], 1)) for s in (left, right)]
            own = [sides[:, operation, (source < 2).astype(int)] for operation, source in ends]  # [sets, n, m]
            sources = np.stack([source for _, source in ends])
            rows = np.arange(len(indices))
            whole = np.empty((len(indices), len(parents), sides.shape[-1]))
            sets = np.empty(whole.shape[:2], np.int64)
            for place, (reads, unused, parents_sides) in enumerate(described):
                newly_used = unused[sources].sum(axis=0) - unused[sources[0]] * (sources[0] == sources[1])
                reads_each = [reads[end] | (sources == end).any(axis=0) for end in (0, 1)]
                which = np.where(reads_each[0], np.where(reads_each[1], 0, 2), 1)
                joined = outputs[which, unused.sum() + 1 - newly_used] + parents_sides[which]
                whole[:, place] = joined + own[0][which, rows] + own[1][which, rows]
                sets[:, place] = which
            for rest in self._rests[level - 1]:
                yield whole + rest[sets]

        return costs

    @functools.cached_property
    def _rests(self) -> list[FloatArray]:
        """For each level, the least that the sides of the blocks after it cost, [ways, sets, m]."""
        side = self._tables[1][:, :, 0].swapaxes(0, 1)  # [operations, sets, m], of sides that read a block
        return sums_of_cheapest([side] * 2 * (self.space.num_levels - 1), side.shape[1:])[::2]

    def _describe(self, parent: MicroArchitecture | None) -> Description:
        all_sides = [side for block in parent.blocks for side in block.sides] if parent else []
        inputs = {side.input for side in all_sides}
        unused = np.zeros(self.space.num_levels + 2, np.int64)
        unused[[1 + block for block in (parent.unused_blocks() if parent else ())]] = 1
        index = {operation: i for i, operation in enumerate(self.space.operations)}
        _, sides = self._tables
        costs = np.zeros((len(READ), sides.shape[-1]))
        for side in all_sides:
            costs += sides[:, index[side.operation], int(side.input < 0)]
        return (CELL_BEFORE_PREVIOUS in inputs, PREVIOUS_CELL in inputs), unused, costs

    @functools.cached_property
    def _tables(self) -> tuple[FloatArray, FloatArray]:
        """The costs of outputs, [sets, outputs, m], and of sides, [sets, operations, reads an earlier cell, m]."""
        outputs, sides = zip(*(self._tables_of(read) for read in READ), strict=True)
        return np.stack(outputs), np.stack(sides)

    def _tables_of(self, read: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        reference = self.space.operations[0]
        first = MicroBlock(BlockSide(reference, read[0]), BlockSide(reference, read[1]))

        def cost(*blocks: MicroBlock) -> FloatArray:
            return self.cost_of(MicroArchitecture((first, *blocks)))

        alone = cost()

        def second(operation: str, source: int) -> FloatArray:
            """What a second block adds that uses the first one, so that there is still one output."""
            return cost(MicroBlock(BlockSide(operation, source), BlockSide(reference, 1))) - alone

        half = second(reference, 1) / 2
        sides = np.array(
            [[second(operation, source) - half for source in (1, read[0])] for operation in self.space.operations]
        )
        unused = MicroBlock(BlockSide(reference, read[0]), BlockSide(reference, read[0]))
        numbers = range(1, self.space.num_levels + 1)
        outputs = [cost(*[unused] * (number - 1)) - 2 * number * sides[0, 1] for number in numbers]
        return np.array([np.zeros_like(outputs[0]), *outputs]), sides


@functools.singledispatch
def candidate_costs(space: SearchSpace[Any, Any], cost_of: CostOf) -> CandidateCosts:
    """Returns the costs of a space's candidates; a space of one's own may register faster ones than `CandidateCosts`.

    Args:
        space: the search space.
        cost_of: gives the costs of an architecture, float64 [m].
    """
    return CandidateCosts(space, cost_of)


candidate_costs.register(MacroSpace, MacroCosts)
candidate_costs.register(MicroSpace, MicroCosts)
