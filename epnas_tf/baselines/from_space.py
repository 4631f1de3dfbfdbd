"""Networks of a search space that need no search: the largest one, and a random one of a size."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import BoolArray, Float64Array, Int64Array
from epnas_tf.errors import ConfigError
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.definition import candidate_costs

SizeOf = Callable[[Any], float]
"""The size of a whole architecture's network."""

Allowed = Callable[[Sequence[tuple[int, ...]], int], Callable[[int, int], BoolArray]]
"""The rule of a search's limits, `Limits.allowed`."""

BEAM = 64
"""Architectures of each level that are kept."""

AT_ONCE = 2**20
"""Candidates whose sizes are computed together."""

DRAWS = 1000
TOLERANCE = 0.1
"""Relative difference of the sizes of a random network and of the one that it is compared with."""


def largest(space: SearchSpace[Any, Any], size_of: SizeOf, allowed: Allowed | None = None) -> Any:
    """Finds the largest architecture of the deepest level, by a beam over the levels.

    Of each level the largest candidates are kept, and with limits others of all sizes too, since the largest leave the
    levels after them little. Where a level adds what does not depend on the others and nothing is limited, it is exact.

    Args:
        space: the search space.
        size_of: the size of an architecture, also of one that is not whole.
        allowed: the limits; None for none.

    Raises:
        ConfigError: if none is found within the limits, which can be where a space does not say its candidates' costs.
    """
    costs = candidate_costs(space, lambda architecture: np.array([size_of(architecture)], np.float64))
    parents: list[tuple[int, ...]] = [()]
    for level in range(1, space.num_levels + 1):
        architectures = [space.architecture(indices) if indices else None for indices in parents]
        of_level, rule = costs.of_level(architectures, level), None if allowed is None else allowed(parents, level)
        extensions = space.num_extensions(level)
        numbers, sizes = np.zeros(0, np.int64), np.zeros(0)
        step = max(1, AT_ONCE // len(parents))
        for start in range(0, extensions, step):
            indices = np.arange(start, min(start + step, extensions), dtype=np.int64)
            found = np.min([way[..., 0] for way in of_level(indices)], axis=0).reshape(-1)
            own = start * len(parents) + np.arange(len(found), dtype=np.int64)
            keeps = np.ones(len(found), bool) if rule is None else rule(int(own[0]), len(own))
            numbers, sizes = _kept(np.append(numbers, own[keeps]), np.append(sizes, found[keeps]))
        if not len(numbers):
            raise ConfigError(
                "No large network within the search's limits was found: in this space they cannot be foreseen. Leave "
                f"largest out of --networks. Received: none of level {level}"
            )
        # Deep macro levels have so many candidates for each parent that few parents are enough.
        following = space.num_extensions(level + 1) if level < space.num_levels else 1
        few = numbers[: max(1, min(BEAM, 4 * AT_ONCE // following))]
        parents = [(*parents[number % len(parents)], number // len(parents)) for number in few.tolist()]
    return space.architecture(parents[0])


def _kept(numbers: Int64Array, sizes: Float64Array) -> tuple[Int64Array, Float64Array]:
    """The candidates that are kept of some, the largest first; half of them, with all sizes, behind."""
    order = np.argsort(-sizes, kind="stable")
    half = BEAM // 2
    if len(order) > BEAM:
        evenly = np.linspace(half, len(order) - 1, half).round().astype(np.int64)
        order = np.concatenate([order[:half], order[np.unique(evenly)]])
    return numbers[order], sizes[order]


def draw(
    space: SearchSpace[Any, Any],
    size_of: SizeOf,
    target: float,
    rng: np.random.Generator,
    taken: Sequence[Any] = (),
    allowed: Allowed | None = None,
) -> Any:
    """Draws an architecture of the deepest level uniformly from those whose size is within 10 % of a target.

    If none of `DRAWS` is, the nearest of them is taken.

    Args:
        space: the search space.
        size_of: the size of an architecture.
        target: the size to have.
        rng: makes the draw.
        taken: architectures to leave out, unless no other is drawn.
        allowed: the limits of a search; None for none.
    """
    distances: dict[Any, tuple[bool, float]] = {}
    for _ in range(DRAWS):
        architecture = space.sample(rng)
        if architecture in distances or (allowed is not None and not keeps_limits(space, architecture, allowed)):
            continue
        distance = abs(size_of(architecture) / target - 1)
        distances[architecture] = architecture in taken, distance
        if architecture not in taken and distance <= TOLERANCE:
            return architecture
    if not distances:  # the limits leave less than one in a thousand
        return taken[0] if taken else space.sample(rng)
    return min(distances, key=distances.__getitem__)


def keeps_limits(space: SearchSpace[Any, Any], architecture: Any, allowed: Allowed) -> bool:
    """Whether a whole architecture keeps the limits."""
    *before, last = space.indices(architecture)
    return bool(allowed([tuple(before)], space.num_levels)(last, 1)[0])
