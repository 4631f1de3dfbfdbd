"""The networks of a comparison: the found one, others of its space, and hand-made ones of its size."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from epnas_tf.baselines.from_space import DRAWS, TOLERANCE, draw, largest
from epnas_tf.baselines.matching import match
from epnas_tf.config import FOUND, LARGEST, RANDOM, CompareConfig, RunConfig
from epnas_tf.cost.latency import Latencies
from epnas_tf.cost.network_cost import cost
from epnas_tf.nn.costs import Cost
from epnas_tf.search.limits import constraint
from epnas_tf.seeds import COMPARED, derived_seed
from epnas_tf.space import NetworkShape, build_graph, make_space
from epnas_tf.space.graph import Graph
from epnas_tf.storage.data_file import load_description
from epnas_tf.storage.state_files import State


@dataclasses.dataclass(frozen=True)
class Opponent:
    """A network of a comparison.

    Attributes:
        name: its name in the flag `networks`.
        title: what it is called.
        graph: its layers.
        cost: its parameters and multiply-adds.
        architecture: its architecture; None for a hand-made network.
        note: its channels, or how its size differs.
    """

    name: str
    title: str
    graph: Graph
    cost: Cost
    architecture: Any = None
    note: str = ""

    @property
    def text(self) -> str:
        """What identifies it in the lines of trainings.jsonl."""
        return f"{self.title}, {self.note}" if self.architecture is None else str(self.architecture)


class Opponents:
    """Makes the networks of a comparison.

    Args:
        run: the directory of the search.
        search: its settings.
        state: its last state.
        found: the found architecture.
        shape: the shape of its final network.
        config: the settings of the comparison.
    """

    def __init__(
        self, run: Path, search: RunConfig, state: State, found: Any, shape: NetworkShape, config: CompareConfig
    ) -> None:
        self._config, self._shape, self._found = config, shape, found
        self._space = make_space(search.space)
        shape_in_search = NetworkShape.of(search.network, self._space.num_levels, load_description(run))
        limits = constraint(self._space, shape_in_search, search.limits, Latencies(state.values.get("latencies")))
        self._allowed = None if limits is None else limits.allowed
        self._target = self._size(found, shape)

    def of_seeds(self) -> dict[str, list[Opponent]]:
        """The networks by name, one for each seed; all but the random ones are the same for every seed."""
        return {
            name: self._random() if name == RANDOM else [self._single(name)] * self._config.seeds
            for name in self._config.networks
        }

    def _single(self, name: str) -> Opponent:
        if name == FOUND:
            return self._of(FOUND, "found network", self._found, self._shape)
        return self._largest() if name == LARGEST else self._hand_made(name)

    def _size(self, architecture: Any, shape: NetworkShape) -> int:
        size: int = getattr(cost(build_graph(architecture, shape), shape.image_shape), self._config.match)
        return size

    @property
    def _shape_of_space(self) -> NetworkShape:
        """The shape of the final networks of the search's space, which an architecture of one's own may not be of."""
        return dataclasses.replace(self._shape, num_levels=self._space.num_levels)

    def _of(self, name: str, title: str, architecture: Any, shape: NetworkShape, note: str = "") -> Opponent:
        graph = build_graph(architecture, shape)
        return Opponent(name, title, graph, cost(graph, shape.image_shape), architecture, note)

    def _largest(self) -> Opponent:
        shape = self._shape_of_space
        architecture = largest(self._space, lambda one: self._size(one, shape), self._allowed)
        times = self._size(architecture, shape) / self._target
        what = self._config.match.replace("_", "-")
        note = "the found network itself" if architecture == self._found else f"{times:.2f} times the {what}"
        return self._of(LARGEST, "largest network of the space", architecture, shape, note)

    def _random(self) -> list[Opponent]:
        """Draws another network for each seed."""
        shape, drawn = self._shape_of_space, [self._found]
        for seed in range(self._config.seeds):
            rng = np.random.default_rng(derived_seed(self._config.training.seed, COMPARED, seed))
            drawn.append(
                draw(self._space, lambda one: self._size(one, shape), self._target, rng, tuple(drawn), self._allowed)
            )
        furthest = max(abs(self._size(one, shape) / self._target - 1) for one in drawn[1:])
        note = "another one for each seed" if len(set(drawn)) == len(drawn) else "the space has too few of this size"
        if furthest > TOLERANCE:
            note = f"the nearest of {DRAWS:,} drawn, up to {100 * furthest:.0f} % off in size"
        return [self._of(RANDOM, "random network of the space", one, shape, note) for one in drawn[1:]]

    def _hand_made(self, name: str) -> Opponent:
        shape = self._shape
        made = match(
            name, self._target, self._config.match, image_shape=shape.image_shape, num_classes=shape.num_classes
        )
        note = f"{', '.join(map(str, made.form.channels))} channels"
        size = getattr(made.cost, self._config.match)
        if abs(size / self._target - 1) > TOLERANCE / 2:
            note += f", {100 * (size / self._target - 1):+.0f} % in size"
        return Opponent(name, made.title, made.graph, made.cost, note=note)
