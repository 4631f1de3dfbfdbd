"""What networks a benchmark is about: flags, architectures and images, and how many children a search of them has."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import flags

from epnas_tf.config import ChildConfig, SearchConfig, SpaceConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.data import ImageData, Images
from epnas_tf.data.augmentation import UNCHANGED
from epnas_tf.nn import Cost
from epnas_tf.space import NetworkShape, build_graph, make_space
from epnas_tf.space.base import SearchSpace

TRAINING_IMAGES = 45_000
"""CIFAR-10's 50,000 without the 5,000 that ENAS validates on."""

VALIDATION_FRACTION = 1 / 9
"""Validation images for each training image: a tenth of all is held out."""

LEVELS = {"macro": SpaceConfig.layers, "micro": SpaceConfig.blocks}


@dataclasses.dataclass(frozen=True)
class Case:
    """Networks of one kind; a plain value, to be handed to another process.

    Attributes:
        space: "macro" or "micro".
        levels: layers or blocks of an architecture.
        channels: channels of the convolutions.
        normal_cells: micro: normal cells N in each stack.
        image_shape: (height, width, channels) of the images.
    """

    space: str
    levels: int
    channels: int
    normal_cells: int = 2
    image_shape: tuple[int, int, int] = (32, 32, 3)
    num_classes: int = 10

    def __str__(self) -> str:
        micro = f" blocks N = {self.normal_cells}"
        size = "×".join(str(side) for side in self.image_shape)
        return f"{self.space} {self.levels}{' layers' if self.space == 'macro' else micro}, C = {self.channels}, {size}"

    def make_space(self) -> SearchSpace[Any, Any]:
        """Returns the search space."""
        return make_space(SpaceConfig(space=self.space, layers=self.levels, blocks=self.levels))

    @property
    def shape(self) -> NetworkShape:
        """What fixes the networks beside their architecture."""
        return NetworkShape(self.image_shape, self.num_classes, self.channels, self.levels, self.normal_cells)

    def architectures(self, count: int, seed: int = 0) -> list[Any]:
        """Returns architectures of the deepest level, drawn uniformly."""
        space, rng = self.make_space(), np.random.default_rng(seed)
        return [space.sample(rng) for _ in range(count)]


def define_flags(levels: int = 0, image_shape: tuple[int, int, int] = Case.image_shape) -> Callable[[], Case]:
    """Defines the flags of a case.

    Args:
        levels: the default depth; 0 for the paper's.
        image_shape: (height, width, channels) of the images.

    Returns:
        A function that returns the case, once the flags are parsed.
    """
    space = flags.DEFINE_enum("space", "macro", list(LEVELS), "search space of the networks")
    depth = flags.DEFINE_integer("levels", levels, "layers or blocks of the networks; 0: 12 layers, 5 blocks")
    channels = flags.DEFINE_integer("channels", 24, "channels of the networks", lower_bound=2)
    cells = flags.DEFINE_integer("normal_cells", 2, "micro: normal cells N in each stack", lower_bound=1)
    return lambda: Case(space.value, depth.value or LEVELS[space.value], channels.value, cells.value, image_shape)


def random_data(case: Case, count: int, validation: int) -> ImageData:
    """Returns random images with random labels, colours to be mirrored and cropped by an eighth as in a search.

    Args:
        case: gives the image shape and the number of classes.
        count: training images.
        validation: validation images.
    """
    rng = np.random.default_rng(0)
    train, held_out = (
        Images(
            rng.integers(0, 256, (n, *case.image_shape), np.uint8),
            rng.permutation(n).astype(np.int32) % case.num_classes,
        )
        for n in (count, validation)
    )
    channels = case.image_shape[2]
    return ImageData(
        name="random",
        train=train,
        validation=held_out,
        test=held_out,
        class_names=tuple(str(label) for label in range(case.num_classes)),
        mean=np.full(channels, 127.5, np.float32),
        std=np.full(channels, 73.9, np.float32),
    )


def without_augmentation(data: ImageData) -> ImageData:
    """Returns a data set whose training images are taken as they are."""
    return dataclasses.replace(data, augmentation=UNCHANGED)


def children_of_levels(space: SearchSpace[Any, Any], k: int) -> list[int]:
    """Returns how many children each level has in one iteration: all of level 1, then at most K of each level."""
    children = [space.num_extensions(1)]
    for level in range(2, space.num_levels + 1):
        children.append(min(k, children[-1] * space.num_extensions(level)))
    return children


def num_children(space: SearchSpace[Any, Any], k: int, iterations: int) -> int:
    """Returns how many children a search trains."""
    return iterations * sum(children_of_levels(space, k))


def candidates_of_levels(space: SearchSpace[Any, Any], k: int) -> list[int]:
    """Returns how many candidates are scored for each level but the first, in one iteration."""
    parents = children_of_levels(space, k)
    return [parents[level - 2] * space.num_extensions(level) for level in range(2, space.num_levels + 1)]


def steps_of_child(images: int, batch_size: int, epochs: int) -> int:
    """Returns the training steps of a child; an epoch's last, incomplete batch is dropped."""
    return images // min(batch_size, images) * epochs


def spread_levels(space: SearchSpace[Any, Any], k: int, count: int) -> list[int]:
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
