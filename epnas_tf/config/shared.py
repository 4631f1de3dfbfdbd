"""Settings of the space, the networks and the images, and help texts that several groups share."""

import dataclasses
from typing import Any, ClassVar

from epnas_tf import plugins
from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, option

MIXED_PRECISION = (
    "compute in bfloat16, with variables in float32; for GPUs since 2020, slow on most CPUs [ENAS: float32]"
)

XLA = "compile the training step with XLA"

L2_ON = (
    "variables in the L2 term: kernels, or all, which includes batch norm's scales and offsets; shared scales then "
    "decay to zero [ENAS: all]"
)
"""Help of settings that children and the final training have in common."""

L2_CHOICES = ("kernels", "all")

NOT_AUGMENTED: dict[str, Any] = {"crop_padding": 0, "mirror": "no", "cutout": 0, "augmentation": ""}
"""Values of the augmentation settings that leave training images unchanged."""


@dataclasses.dataclass(frozen=True)
class SpaceConfig(Settings):
    """The architectures to search (paper, section 3).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.SpaceConfig(space="micro", blocks=3).blocks
        3
    """

    TITLE: ClassVar[str] = "search space"
    OFTEN: ClassVar[tuple[str, ...]] = ("space", "layers")

    space: str = option(
        "macro",
        "search space: macro (whole networks), micro (cells) [paper, section 3], staged (blocks of ResNet and "
        "MobileNetV2), or one that a plugin registers",
    )
    layers: int = option(
        12,
        "layers L of the deepest architecture, in macro, staged (blocks) and spaces of plugins [paper, section 5: 12]; "
        "in macro each doubles the candidates to score",
        minimum=1,
    )
    blocks: int = option(5, "micro: blocks B of the largest cell [paper, section 5: 5]", minimum=1)
    stages: int = option(
        3,
        "staged: stages, each but the first with half the height and width and twice the channels [paper: none; "
        "ResNet: 3]",
        minimum=1,
    )
    operations: tuple[str, ...] = option(
        (), "operations to choose from, separated by commas; empty for the space's default list [paper, section 3]"
    )
    plugins: tuple[str, ...] = option((), plugins.HELP)

    def check(self) -> None:
        """Imports the plugins, which register the spaces and operations that they define."""
        plugins.load(self.plugins)


@dataclasses.dataclass(frozen=True)
class NetworkConfig(Settings):
    """The size of the children's networks (paper, section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.NetworkConfig(channels=1)
        Traceback (most recent call last):
        epnas_tf.errors.ConfigError: `channels` must be at least 2. Received: channels=1
    """

    TITLE: ClassVar[str] = "size of the networks"
    OFTEN: ClassVar[tuple[str, ...]] = ("channels",)

    channels: int = option(
        24, "channels of the children's convolutions; staged: of the first stage [paper, section 5: 24]", minimum=2
    )
    normal_cells: int = option(
        2, "micro: normal cells N stacked before, between and after the two reductions [paper, section 5: 2]", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """The images, their split into parts and their augmentation (paper, section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.DataConfig(dataset="photos/", image_size=64).validation_fraction
        0.1
    """

    TITLE: ClassVar[str] = "images"
    OFTEN: ClassVar[tuple[str, ...]] = ("dataset", "image_size")

    dataset: str = option(
        "digits",
        "data set: digits (ships with scikit-learn), a name of TensorFlow Datasets such as cifar10, a folder with one "
        "folder of images per class, or an .npz file with x_train, y_train and optionally x_val, y_val, x_test, y_test",
    )
    data_dir: str = option("", "folder of TensorFlow Datasets' data; empty for its default")
    manual_dir: str = option(
        "", "mnist, fashion_mnist, kmnist: folder of the four IDX files, gzipped or not, to read instead of downloading"
    )
    image_size: int = option(
        -1,
        "side of the images in pixels; others are resized. -1 keeps images of one size up to 64 and resizes all others "
        "to 32 [CIFAR-10's size]; 0 keeps any one size. The time of a search grows with the square",
        minimum=-1,
    )
    skip_broken: bool = option(
        False,
        "a folder of images: leave out files that cannot be read, instead of ending with an error; no effect on other "
        "data sets",
    )
    train_images: int = option(
        0,
        "maximum number of training images, including those drawn for validation, in equal proportion from every "
        "class; 0 for all",
        minimum=0,
    )
    validation_fraction: float = option(
        0.1,
        "fraction of the training images used to score the children if the data set has no validation part, in [0.01, "
        "0.9] [ENAS: 5,000 of 50,000]",
        minimum=0.01,
        maximum=0.9,
    )
    test_fraction: float = option(
        0.1,
        "fraction of the training images held out for the test if the data set has no test part, in [0.01, 0.9]",
        minimum=0.01,
        maximum=0.9,
    )
    split_seed: int = option(
        -1,
        "seed of the validation images that are drawn, and of those that train_images leaves out; -1 for the seed of "
        "the run. With it, runs of several seeds have the same images",
        minimum=-1,
        maximum=2**31 - 1,
    )
    crop_padding: int = option(
        -1,
        "zero padding before the random crop, in pixels; -1 for an eighth of the side, 0 for no crop [ENAS: 4 of 32]",
        minimum=-1,
    )
    mirror: str = option(
        "auto",
        "random left-right mirroring [paper, section 5]; auto leaves it out for digits and letters",
        choices=("auto", "yes", "no"),
    )
    cutout: int = option(
        0, "side of the square blanked in each training image, in pixels; 0 for none [ENAS: optional]", minimum=0
    )
    augmentation: str = option(
        "",
        "random steps for training images, such as crop(4),mirror,cutout(8). They replace crop_padding, mirror and "
        "cutout; empty uses those three, none means no step. Steps: crop(pixels), mirror(chance), cutout(pixels), "
        "erase(chance, noise) [random erasing, Zhong et al., 2017; noise in standard deviations, 0 for the mean], "
        "brightness(maximum) in standard deviations, contrast(maximum) as a fraction, rotate(degrees). Default "
        "numbers: an eighth of the side, 0.5, half the side, 0.5 and 1, 0.2, 0.2, 10 [paper, section 5: crop, mirror]",
    )

    def drawn_by(self, seed: int) -> int:
        """The seed that the drawn images follow from, in a run of a seed."""
        return seed if self.split_seed < 0 else self.split_seed

    def check(self) -> None:
        """Refuses an augmentation that is set in two ways."""
        names = [name for name in NOT_AUGMENTED if name != "augmentation"]
        given = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name) != getattr(DataConfig, name)]
        if self.augmentation and given:
            raise ConfigError(
                "`augmentation` takes the place of `crop_padding`, `mirror` and `cutout`: give one or the other. "
                f"Received: augmentation={self.augmentation} and {', '.join(given)}. Leave these at their defaults, or "
                "give an empty `augmentation`."
            )
