"""The workload of a search, by arithmetic alone: its children, their networks' sizes, their steps. No TensorFlow."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from epnas_tf.config import RunConfig, SearchConfig, SpaceConfig
from epnas_tf.cost.network_cost import cost, inner_values, node_sizes
from epnas_tf.space import NetworkShape, build_graph, make_space
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.graph import Graph

SAMPLES = 8
"""Architectures that are sampled from a level, with a fixed seed; their mean stands for the level."""

LEVELS = 5
"""Number of levels that are sampled; the others are interpolated."""

FORWARD = 1 / 3
"""Cost of an image without its gradient, relative to that with it."""


class Load(NamedTuple):
    """The computation of one network for one image; means of several networks have fractions.

    Attributes:
        nodes: number of layers.
        multiply_adds: multiply-adds of the convolutions and dense layers.
        outputs: numbers in the outputs of all layers.
    """

    nodes: float
    multiply_adds: float
    outputs: float


@dataclasses.dataclass(frozen=True)
class DataSize:
    """The properties of a data set that decide how long a search takes.

    Attributes:
        num_train: images to train on.
        num_validation: images that score the children.
        image_shape: (height, width, channels).
        num_classes: classes.
        in_memory: whether the images lie in memory; otherwise they are read from a file, batch by batch.
    """

    num_train: int
    num_validation: int
    image_shape: tuple[int, int, int]
    num_classes: int
    in_memory: bool = True


@dataclasses.dataclass(frozen=True)
class Workload:
    """The work of a whole search.

    Attributes:
        children: number of children of each level.
        loads: mean load of each level's networks.
        steps: training steps of a child.
        batch: images of a step.
        validated: images that a child is scored on.
        fits: number of fits of the surrogate.
        candidates: architectures that the surrogate scores.
    """

    children: Mapping[int, int]
    loads: Mapping[int, Load]
    steps: float
    batch: int
    validated: int
    fits: int
    candidates: int

    @property
    def num_children(self) -> int:
        """The number of children of all levels."""
        return sum(self.children.values())


def load_of(graph: Graph, image_shape: tuple[int, int, int]) -> Load:
    """The load of a network for one image."""
    return Load(len(graph), cost(graph, image_shape).multiply_adds, sum(output_sizes(graph, image_shape).values()))


def output_sizes(graph: Graph, image_shape: tuple[int, int, int]) -> dict[Any, int]:
    """The number of values in each node's output for one image, and between the node's own layers."""
    sizes = node_sizes(graph, image_shape)
    return {node.key: int(np.prod(sizes[node.key])) + inner_values(node, sizes) for node in graph}


def workload(config: RunConfig, data: DataSize) -> Workload:
    """The work of a search in which no child fails and no limit forbids one.

    Args:
        config: the settings of the search; `data` replaces those of the data set.
        data: the images.

    Raises:
        DataError: if the images are too small for the space.
    """
    space = make_space(config.space)
    iterations, child = config.search.iterations, config.child
    counts = children_of_iteration(space, config.search)
    batch = min(child.batch_size, data.num_train)
    parents = [1, *counts.values()]
    shape = NetworkShape.of(config.network, space.num_levels, data)
    return Workload(
        children=children_of_search(space, config.search),
        loads=_loads(config.space, shape),
        steps=data.num_train // batch * child.epochs,
        batch=batch,
        validated=data.num_validation,
        fits=iterations * space.num_levels,
        candidates=iterations
        * sum(parents[level - 1] * space.num_extensions(level) for level in range(2, space.num_levels + 1)),
    )


def children_of_iteration(
    space: SearchSpace[Any, Any], config: SearchConfig, iteration: int = 0, first: int | None = None
) -> dict[int, int]:
    """The number of children of each level in an iteration, if none of them fails.

    Args:
        space: the search space.
        config: the search.
        iteration: the iteration, from 0. One of whole networks has as many children as one over all levels.
        first: the children of level 1; by default all extensions.
    """
    first = first or space.num_extensions(1)
    later = children_after(space, config.k, first, 1)
    if later and iteration >= config.first_whole_iteration:
        later = {space.num_levels: sum(later.values())}
    return {1: first, **later}


def children_after(space: SearchSpace[Any, Any], k: int, parents: int, level: int) -> dict[int, int]:
    """The number of children of each level after some parents of a level, in one iteration, if none of them fails."""
    counts = {}
    for deeper in range(level + 1, space.num_levels + 1):
        counts[deeper] = parents = min(k, parents * space.num_extensions(deeper))
    return counts


def children_of_search(space: SearchSpace[Any, Any], config: SearchConfig) -> dict[int, int]:
    """The number of children of each level in all iterations."""
    children: Counter[int] = Counter()
    for iteration in range(config.iterations):
        children.update(children_of_iteration(space, config, iteration))
    return dict(children)


def first_whole_child(space: SearchSpace[Any, Any], config: SearchConfig) -> int:
    """The number, from 1, of the first child of the deepest level, if no limit forbids any before it."""
    counts = children_of_iteration(space, config)
    return sum(counts.values()) - counts[space.num_levels] + 1


@functools.lru_cache(256)
def _loads(config: SpaceConfig, shape: NetworkShape) -> dict[int, Load]:
    """The mean load of each level."""
    space, rng = make_space(config), np.random.default_rng(0)
    levels = np.unique(np.linspace(1, space.num_levels, LEVELS).round().astype(int)).tolist()
    means = [
        np.mean([load_of(build_graph(space.sample(rng, l), shape), shape.image_shape) for _ in range(SAMPLES)], axis=0)
        for l in levels
    ]
    every = range(1, space.num_levels + 1)
    columns = [np.interp(every, levels, column) for column in zip(*means, strict=True)]
    return {level: Load(*map(float, row)) for level, row in zip(every, zip(*columns, strict=True), strict=True)}


@dataclasses.dataclass(frozen=True)
class CostModel:
    """The times of a search's parts, in seconds, derived from a few timed steps.

    Attributes:
        step_node: time of a node in a training step, whatever the batch.
        step_multiply_add: time of a multiply-add in a training step.
        step_output: time of a number in a layer's output, in a training step.
        graph: time of a child besides its steps, whatever its network: tracing, and the first step's overhead.
        graph_node: the same, for each node.
        fit: time of a fit of the surrogate.
        candidate: time to score a candidate by the surrogate.
    """

    step_node: float
    step_multiply_add: float
    step_output: float
    graph: float
    graph_node: float
    fit: float = 1.0
    candidate: float = 1 / 3e6

    def step(self, load: Load, batch: float) -> float:
        """The seconds of a training step."""
        of_image = load.multiply_adds * self.step_multiply_add + load.outputs * self.step_output
        return load.nodes * self.step_node + batch * of_image

    def child(self, load: Load, work: Workload) -> float:
        """The seconds of a child."""
        validation = FORWARD * self.step(load, work.validated)
        return self.graph + load.nodes * self.graph_node + work.steps * self.step(load, work.batch) + validation

    def by_level(self, work: Workload) -> dict[int, float]:
        """The seconds of a mean child of each level, including its share of the surrogate's time."""
        surrogate = (work.fits * self.fit + work.candidates * self.candidate) / work.num_children
        return {level: self.child(load, work) + surrogate for level, load in work.loads.items()}

    def seconds(self, work: Workload) -> float:
        """The seconds of the whole search."""
        by_level = self.by_level(work)
        return sum(count * by_level[level] for level, count in work.children.items())
