"""The costs of a level's candidates, computed for all of them at once; no candidate is built.

A network's parameters and multiply-adds are sums over its nodes. The candidates of one parent differ by few terms,
which come from the graphs of a few architectures. `tests/space/test_candidate_costs.py` compares the sums with the
graphs of all candidates.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import Float64Array, Int64Array
from epnas_tf.space.base import SearchSpace

CostOf = Callable[[Any], Float64Array]
"""The costs of an architecture, float64 [m]: sums over the nodes of its graph."""

LevelCosts = Callable[[Int64Array], Iterable[Float64Array]]
"""Maps the indices of n extensions to costs, float64 [n, parents, m]: one array for each way to complete the candidates
to the deepest level that may be the cheapest, including the cost of that way."""

MAX_WAYS = 100
"""Completions that are kept. Where costs conflict, their number grows with every level."""


def cheapest(costs: Float64Array) -> Float64Array:
    """The Pareto front of costs [n, m]: the rows that no other row dominates.

    If there are more than `MAX_WAYS`, the lowest in each cost, and others evenly spaced along the first cost.
    """
    # Equal rows count once; `unique` also sorts them by their first cost.
    rows = np.unique(costs, axis=0)
    # A row is dominated if another is as low in every cost and lower in one.
    rows = rows[[not ((rows <= row).all(1) & (rows < row).any(1)).any() for row in rows]]
    if len(rows) <= MAX_WAYS:
        return rows
    # Too many: the lowest in each cost, and the rest evenly spaced.
    lowest = rows.argmin(axis=0)
    evenly = np.linspace(0, len(rows) - 1, MAX_WAYS - len(lowest)).round().astype(np.int64)
    return rows[np.union1d(lowest, evenly)]


def sums_of_cheapest(added: Sequence[Float64Array], shape: tuple[int, ...]) -> list[Float64Array]:
    """The cheapest sums of choices from each place to the end: [ways, *shape] for each place, then one way of cost 0.

    A way is one choice at its place and a way from the next place on.

    Args:
        added: for each place, the costs of its choices, [choices, *shape].
        shape: the shape of a cost.
    """
    ways = [np.zeros((1, *shape))]
    # From the last place to the first: each choice with each way from the next place on.
    for choices in reversed(added):
        # Flattened to [choices · ways, costs]: a way is dropped only if another is as low in every number.
        sums = (choices[:, None] + ways[0]).reshape(len(choices) * len(ways[0]), math.prod(shape))
        kept = cheapest(sums)
        ways.insert(0, kept.reshape(len(kept), *shape))
    return ways


class CandidateCosts:
    """The costs of the candidates of any space. This base class builds each graph, which takes a millisecond.

    A candidate's costs are those of the cheapest architectures of the deepest level that it can grow into, as far as
    they are known; in this base class, its own.

    Args:
        space: the search space.
        cost_of: maps an architecture to its costs.
    """

    def __init__(self, space: SearchSpace[Any, Any], cost_of: CostOf) -> None:
        self.space = space
        self.cost_of = cost_of

    def of_level(self, parents: Sequence[Any], level: int) -> LevelCosts:
        """A function from the indices of extensions to their costs with some parents.

        Args:
            parents: architectures of the level before; [None] before the first level.
            level: the level of the extensions.
        """

        def costs(indices: Int64Array) -> Iterator[Float64Array]:
            # Every extension with every parent: float64 [n, parents, m], in one way.
            extensions = [self.space.extension(level, index) for index in indices.tolist()]
            rows = [[self.cost_of(self.space.extend(parent, e)) for parent in parents] for e in extensions]
            yield np.array(rows, np.float64)

        return costs

    def least(self) -> Float64Array:
        """The costs of the cheapest architectures of the deepest level, float64 [n, m]; see `cheapest`."""
        everything = np.arange(self.space.num_extensions(1), dtype=np.int64)
        return cheapest(np.concatenate([costs[:, 0] for costs in self.of_level([None], 1)(everything)]))
