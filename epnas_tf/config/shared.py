"""Settings that a search and a final training have in common: the space, the size of networks, the images."""

import dataclasses
from typing import Any, ClassVar

from epnas_tf import plugins
from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, option

MIXED_PRECISION = (
    "compute in bfloat16 and keep the variables in float32; for GPUs since 2020, slow on most CPUs [ENAS: float32]"
)

XLA = "compile the training step with XLA"

L2_ON = (
    "what L2 is taken of: kernels, or all variables, batch norm's scales and offsets among them; scales that many "
    "children share then go out one after the other [ENAS: all]"
)
"""Help of settings that the search's children and the final training both have."""

L2_CHOICES = ("kernels", "all")

NOT_AUGMENTED: dict[str, Any] = {"crop_padding": 0, "mirror": "no", "cutout": 0, "augmentation": ""}
"""The settings of training images alone, with which they are taken as they are."""


@dataclasses.dataclass(frozen=True)
class SpaceConfig(Settings):
    """Which architectures are searched (paper, section 3).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.SpaceConfig(space="micro", blocks=3).blocks
        3
    """

    TITLE: ClassVar[str] = "search space"
    OFTEN: ClassVar[tuple[str, ...]] = ("space", "layers")

    space: str = option(
        "macro",
        "search space: whole networks (macro), cells (micro) [paper, section 3], or one that `plugins` register",
    )
    layers: int = option(
        12,
        "macro: layers L of the deepest architecture [paper, section 5: 12]; each doubles the scoring",
        minimum=1,
    )
    blocks: int = option(5, "micro: blocks B of the largest cell [paper, section 5: 5]", minimum=1)
    operations: tuple[str, ...] = option(
        (), "operations to choose from, separated by commas; empty for the paper's list of the space [paper, section 3]"
    )

    plugins: tuple[str, ...] = option((), plugins.HELP)

    def check(self) -> None:
        """Imports the plugins, so that the names of spaces and operations are known wherever they are looked up."""
        plugins.load(self.plugins)


@dataclasses.dataclass(frozen=True)
class NetworkConfig(Settings):
    """How large the network of an architecture is (paper, section 5).

    Example:
        >>> import epnas_tf
        >>> epnas_tf.NetworkConfig(channels=1)
        Traceback (most recent call last):
        epnas_tf.errors.ConfigError: `channels` must be at least 2. Received: channels=1
    """

    TITLE: ClassVar[str] = "size of the networks"
    OFTEN: ClassVar[tuple[str, ...]] = ("channels",)

    channels: int = option(24, "channels of the convolutions while searching [paper, section 5: 24]", minimum=2)
    normal_cells: int = option(
        2, "micro: normal cells N stacked before, between and after the two reductions [paper, section 5: 2]", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """Which images, how they are split and how they are augmented (paper, section 5).

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
        "folder of images a class, or an .npz file with x_train, y_train, and if wanted x_val, y_val, x_test, y_test",
    )
    data_dir: str = option("", "where TensorFlow Datasets keeps its data; empty for its own default")
    manual_dir: str = option(
        "", "mnist, fashion_mnist, kmnist: folder of the four IDX files, gzipped or not, instead of a download"
    )
    image_size: int = option(
        -1,
        "pixels a side to bring the images to; -1 keeps images of one size up to 64 pixels a side and brings others to "
        "32 [CIFAR-10's size], 0 keeps any one size; the time of a search grows with the square",
        minimum=-1,
    )
    skip_broken: bool = option(
        False,
        "a folder of images: leave out files that cannot be read, instead of an error; without meaning for other data "
        "sets",
    )
    train_images: int = option(
        0,
        "training images to use at most, those drawn for the validation included, the same part of every class; 0 for "
        "all",
        minimum=0,
    )
    validation_fraction: float = option(
        0.1,
        "part of the training images that scores the children where the data set brings no validation images of its "
        "own, in [0.01, 0.9] [ENAS: 5,000 of 50,000]",
        minimum=0.01,
        maximum=0.9,
    )
    test_fraction: float = option(
        0.1,
        "part held out for the test where the data set brings no test images of its own, in [0.01, 0.9]",
        minimum=0.01,
        maximum=0.9,
    )
    crop_padding: int = option(
        -1,
        "zero padding in pixels before the random crop; -1 for an eighth of the side, 0 for no crop [ENAS: 4 of 32]",
        minimum=-1,
    )
    mirror: str = option(
        "auto",
        "random left-right mirror [paper, section 5]; auto leaves it out for digits and letters",
        choices=("auto", "yes", "no"),
    )
    cutout: int = option(
        0, "side in pixels of the square blanked in each training image [ENAS: optional]; 0 for none", minimum=0
    )
    augmentation: str = option(
        "",
        "random steps for training images, such as crop(4),mirror,cutout(8), in place of crop_padding, mirror and "
        "cutout; empty to use those three, none for no step. Steps: crop(pixels), mirror(chance), cutout(pixels), "
        "brightness(most) in standard deviations, contrast(most) as a part of it, rotate(degrees). A number left "
        "out has a default: an eighth of the side, 0.5, half the side, 0.2, 0.2, 10 [paper, section 5: crop, mirror]",
    )

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
