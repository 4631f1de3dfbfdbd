"""Hard limits on the candidates that may be sampled, computed for all candidates of a level at once."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import BoolArray, Float64Array, Int64Array
from epnas_tf.config import LimitConfig
from epnas_tf.cost.latency import Latencies
from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import ConfigError
from epnas_tf.options import values_of
from epnas_tf.search.level_choice import Budget, Room
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.definition import build_graph, candidate_costs
from epnas_tf.space.graph import NetworkShape
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Indices


class Limits(Budget):
    """Limits on the costs of a child's network: parameters, multiply-adds, milliseconds.

    A candidate is allowed if one of the cheapest networks of the deepest level that it can grow into, as far as they
    are known (`CandidateCosts`), meets every limit. It then meets them itself, since a network only grows.

    Args:
        space: the search space.
        shape: fixes the children's networks beside their architecture.
        config: the limits.
        latencies: the layers' times, measured on demand; a search that may be resumed keeps them.

    Raises:
        ConfigError: if no architecture of the deepest level meets them; the message names the required minimum.
    """

    def __init__(
        self,
        space: SearchSpace[Any, Any],
        shape: NetworkShape,
        config: LimitConfig,
        latencies: Latencies | None = None,
    ) -> None:
        self._limits = limits = {name: limit for name, limit in values_of(config).items() if limit}
        self._space = space
        self._bounds = np.array(list(limits.values()), np.float64)
        latencies = latencies or Latencies()
        if "max_latency_ms" in limits:
            latencies.calibrate(space.sample(np.random.default_rng(0)), shape)

        def cost_of(architecture: Any) -> Float64Array:
            graph = build_graph(architecture, shape)
            arithmetic = cost(graph, shape.image_shape)
            measures: dict[str, Callable[[], float]] = {
                "max_params": lambda: arithmetic.parameters,
                "max_multiply_adds": lambda: arithmetic.multiply_adds,
                "max_latency_ms": lambda: latencies.milliseconds(graph, shape.image_shape),
            }
            return np.array([measures[name]() for name in limits], np.float64)

        self._cost_of = cost_of
        self._costs = candidate_costs(space, cost_of)
        self._refuse_impossible(self._costs.least())

    def __str__(self) -> str:
        return ", ".join(f"{name}={limit}" for name, limit in self._limits.items())

    def _refuse_impossible(self, least: Float64Array) -> None:
        """Rejects limits that none of the cheapest networks, float64 [n, m], meets, with the required minimum."""
        needs = dict(zip(self._limits, least.min(axis=0).tolist(), strict=True))
        short = [name for name, needed in needs.items() if needed > self._limits[name]]
        if short:
            raise ConfigError(
                f"{' and '.join(_at_least(name, needs[name]) for name in short)}, what the smallest network of these "
                "settings has; fewer channels or levels need less. "
                f"Received: {', '.join(f'{name}={self._limits[name]}' for name in short)}"
            )
        keeps = least <= self._bounds
        if keeps.all(axis=1).any():
            return
        enough = []  # for each limit, the value that would do if the others stay
        for measure, name in enumerate(self._limits):
            others = least[np.delete(keeps, measure, axis=1).all(axis=1), measure]
            enough += [_at_least(name, others.min())] if others.size else []
        ways = ", or ".join(enough) or "More than one of them must be larger"
        raise ConfigError(
            f"No network of these settings keeps all limits together. {ways}; fewer channels or levels need less. "
            f"Received: {self}"
        )

    def room(self, parents: Sequence[Indices], level: int) -> Room:
        """What candidates leave of the limits; see `level_choice.Budget`."""
        architectures = [self._space.architecture(indices) if indices else None for indices in parents]
        costs = self._costs.of_level(architectures, level)

        def room(start: int, count: int) -> Float64Array:
            first, last = start // len(parents), (start + count - 1) // len(parents)
            left = np.full((last + 1 - first, len(parents), len(self._bounds)), -1.0)
            # Of several ways to complete a candidate, those that meet all limits leave the most of each.
            for found in costs(np.arange(first, last + 1, dtype=np.int64)):
                keeps = self._keeps(found)
                np.maximum(left, 1 - found / self._bounds, out=left, where=keeps[..., np.newaxis])
            flat = left.reshape(left.shape[0] * len(parents), len(self._bounds))
            return flat[start - first * len(parents) :][:count]

        return room

    def parts(self, level: int, indices: Int64Array) -> Float64Array:
        """What extensions of a level take of the limits; see `level_choice.Budget`."""
        takes = self._symbol_costs.of_extensions(self._space, level, indices) / self._bounds
        return takes - takes.min(axis=0)

    @functools.cached_property
    def _symbol_costs(self) -> SymbolCosts:
        return SymbolCosts.of_space(self._space, self._cost_of)

    def _keeps(self, costs: Float64Array) -> BoolArray:
        """Whether costs, [n, parents, m], meet all limits, bool [n, parents]."""
        keeps = np.ones(costs.shape[:-1], bool)
        for measure, bound in enumerate(self._bounds):  # `all` over so short an axis takes many times as long
            keeps &= costs[..., measure] <= bound
        return keeps


def _at_least(name: str, least: float) -> str:
    needed = f"{least:,.0f}"
    if name == "max_latency_ms":
        needed = f"about {math.ceil(1000 * least) / 1000:g} on this device, as it is measured now"
    return f"`{name}` must be at least {needed}"


def constraint(
    space: SearchSpace[Any, Any], shape: NetworkShape, config: LimitConfig, latencies: Latencies | None = None
) -> Limits | None:
    """The limits of a search, or None if none is set: the choice of a level then checks nothing.

    The arguments and errors are those of `Limits`.
    """
    return Limits(space, shape, config, latencies) if any(values_of(config).values()) else None
