"""How many children a search has, which ones, and from a few measured figures how long it takes: arithmetic only."""

import dataclasses
from typing import Any

import numpy as np

from benchmarks.networks import Case
from epnas_tf.config import ChildConfig, SearchConfig
from epnas_tf.cost.network_cost import Cost, cost
from epnas_tf.space import build_graph
from epnas_tf.space.base import SearchSpace

Space = SearchSpace[Any, Any]

TRAINING_IMAGES = 45_000
"""CIFAR-10's 50,000 without the 5,000 that ENAS validates on."""

VALIDATION_FRACTION = 1 / 9
"""Validation images for each training image: a tenth of all is held out."""


def children_of_levels(space: Space, k: int) -> list[int]:
    """Returns how many children each level has in one iteration: all of level 1, then at most K of each level."""
    children = [space.num_extensions(1)]
    for level in range(2, space.num_levels + 1):
        children.append(min(k, children[-1] * space.num_extensions(level)))
    return children


def num_children(space: Space, k: int, iterations: int) -> int:
    """Returns how many children a search trains."""
    return iterations * sum(children_of_levels(space, k))


def candidates_of_levels(space: Space, k: int) -> list[int]:
    """Returns how many candidates are scored for each level but the first, in one iteration."""
    parents = children_of_levels(space, k)
    return [parents[level - 2] * space.num_extensions(level) for level in range(2, space.num_levels + 1)]


def steps_of_child(images: int, batch_size: int, epochs: int) -> int:
    """Returns the training steps of a child; an epoch's last, incomplete batch is dropped."""
    return images // min(batch_size, images) * epochs


def spread_levels(space: Space, k: int, count: int) -> list[int]:
    """Returns the levels of some children that stand for all of an iteration.

    The children, in the order of their levels, are cut into `count` equal parts; the middle one of each part is taken.
    So a mean over these is nearly one over all, whose levels differ: more than a third of a macro search's are of 5
    layers or fewer, and half of a micro search's are of one block.
    """
    ends = np.cumsum(children_of_levels(space, k))
    middles = (np.arange(count) + 0.5) / count * ends[-1]
    return [int(level) + 1 for level in np.searchsorted(ends, middles, side="right")]


def spread_children(case: Case, k: int, count: int, seed: int = 0) -> list[Any]:
    """Returns architectures drawn uniformly at `spread_levels`."""
    space, rng = case.make_space(), np.random.default_rng(seed)
    return [space.sample(rng, level) for level in spread_levels(space, k, count)]


def mean_cost(case: Case, k: int, count: int) -> Cost:
    """Returns the mean parameters and multiply-adds of a search's children, from `count` drawn ones, rounded."""
    costs = [cost(build_graph(child, case.shape), case.image_shape) for child in spread_children(case, k, count)]
    return Cost(sum(c.parameters for c in costs) // count, sum(c.multiply_adds for c in costs) // count)


@dataclasses.dataclass(frozen=True)
class Point:
    """A search whose cost is measured.

    Attributes:
        name: what it is called in the table.
        case: its networks.
        images: training images, without those that children are validated on.
        k: architectures of a level.
        iterations: passes over the levels.
    """

    name: str
    case: Case
    images: int = TRAINING_IMAGES
    k: int = SearchConfig.k
    iterations: int = SearchConfig.iterations

    @property
    def children(self) -> int:
        """How many children the search trains."""
        return num_children(self.case.make_space(), self.k, self.iterations)


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured of a point.

    Attributes:
        train: seconds of a training step.
        evaluate: seconds of an evaluation step of as many images.
        beside: seconds of a child beside its steps.
        choice: seconds of scoring and sampling the deepest level.
        state: bytes of the saved state.
    """

    train: float
    evaluate: float
    beside: float
    choice: float
    state: int


def child_seconds(point: Point, figures: Figures, batch_size: int) -> float:
    """Returns the seconds of a child: its training, its validation and what is beside these."""
    steps = steps_of_child(point.images, batch_size, ChildConfig.epochs)
    validation_steps = point.images * VALIDATION_FRACTION / batch_size
    return steps * figures.train + validation_steps * figures.evaluate + figures.beside


def search_seconds(point: Point, figures: Figures, batch_size: int) -> float:
    """Returns the estimated seconds of a whole search."""
    candidates = candidates_of_levels(point.case.make_space(), point.k)
    scoring = figures.choice * sum(candidates) / candidates[-1]
    return point.children * child_seconds(point, figures, batch_size) + point.iterations * scoring


def beside_the_steps(one_step: float, several: float, steps: int) -> float:
    """Returns the seconds of a trial that do not grow with its steps.

    Args:
        one_step: seconds of a trial of one step.
        several: seconds of a trial of several.
        steps: how many those are.
    """
    return one_step - (several - one_step) / (steps - 1)
