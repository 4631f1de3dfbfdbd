"""What networks a benchmark is about: their flags, their architectures, and random images for them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import flags

from epnas_tf.config import SpaceConfig
from epnas_tf.data import ImageData, Images
from epnas_tf.data.augmentation import UNCHANGED, Augmentation, Crop, Mirror
from epnas_tf.space import NetworkShape, make_space
from epnas_tf.space.base import SearchSpace

CROP_AND_MIRROR = Augmentation((Crop(), Mirror()))
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


@dataclasses.dataclass(frozen=True)
class Steps:
    """Steps that are timed.

    Attributes:
        case: the kind of the networks.
        architectures: how many are sampled.
        seed: which ones.
        steps: steps of a turn.
        batch_size: images of a step.
        turns: turns of each architecture.
    """

    case: Case
    architectures: int
    seed: int
    steps: int
    batch_size: int
    turns: int

    def __str__(self) -> str:
        return f"{self.case}, batch {self.batch_size}"

    def sampled(self, further: int = 0) -> list[Any]:
        """Returns the architectures, and some further ones."""
        return self.case.architectures(self.architectures + further, self.seed)


def define_step_flags(architectures: int, steps: int, turns: int) -> Callable[[], Steps]:
    """Defines the flags of steps that are timed, those of their case among them.

    Args:
        architectures: default of how many are sampled.
        steps: default of the steps of a turn.
        turns: default of the turns of each architecture.

    Returns:
        A function that returns what they say, once they are parsed.
    """
    case = define_flags()
    numbers = [
        flags.DEFINE_integer("architectures", architectures, "sampled architectures", lower_bound=1),
        flags.DEFINE_integer("seed", 0, "which architectures are sampled"),
        flags.DEFINE_integer("steps", steps, "steps of a turn", lower_bound=1),
        flags.DEFINE_integer("batch_size", 128, "images of a step", lower_bound=1),
        flags.DEFINE_integer("turns", turns, "turns of each architecture", lower_bound=1),
    ]
    return lambda: Steps(case(), *(number.value for number in numbers))


def random_data(case: Case, count: int, validation: int, augmentation: Augmentation = CROP_AND_MIRROR) -> ImageData:
    """Returns random images with random labels, colours to be mirrored and cropped by an eighth as in a search.

    Args:
        case: gives the image shape and the number of classes.
        count: training images.
        validation: validation images.
        augmentation: of the training images.
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
        augmentation=augmentation,
    )


def without_augmentation(data: ImageData) -> ImageData:
    """Returns a data set whose training images are taken as they are."""
    return dataclasses.replace(data, augmentation=UNCHANGED)
