"""What the candidates of a level cost, by arithmetic over all of them at once: none is built.

A network's parameters and multiply-adds are sums over its nodes. So the candidates of one parent differ by few terms,
which are taken from the graphs of a few architectures; `tests/space/test_candidate_costs.py` compares the sums with
the graphs of all.
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
"""The costs float64 [n, parents, m] of n extensions, given by their indices, of some parents: once for each of the ways
to go on from them to the deepest level that may be the cheapest, with what that way adds."""

MAX_WAYS = 100
"""Ways to go on that are looked at. Where costs pull in different directions, there are more with every level."""


def cheapest(costs: Float64Array) -> Float64Array:
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


def sums_of_cheapest(added: Sequence[Float64Array], shape: tuple[int, ...]) -> list[Float64Array]:
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

        def costs(indices: Int64Array) -> Iterator[Float64Array]:
            extensions = [self.space.extension(level, index) for index in indices.tolist()]
            rows = [[self.cost_of(self.space.extend(parent, e)) for parent in parents] for e in extensions]
            yield np.array(rows, np.float64)

        return costs

    def least(self) -> Float64Array:
        """Returns what the cheapest architectures of the deepest level cost, float64 [n, m]; see `cheapest`."""
        everything = np.arange(self.space.num_extensions(1), dtype=np.int64)
        return cheapest(np.concatenate([costs[:, 0] for costs in self.of_level([None], 1)(everything)]))
