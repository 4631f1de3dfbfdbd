"""The formats of an export, and the tolerated difference of each from the trained network. No TensorFlow."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from epnas_tf.arrays import Float32Array
from epnas_tf.errors import ConfigError, EPNASError

OLDEST_KERAS = "3.6"
"""The oldest version of Keras that loads a .keras file."""

# Float32 arithmetic in another order moves a probability by some 1e-6; a wrong weight moves it by far more. Within this
# bound the most probable class is the same one too, unless two classes are as probable to within twice the bound.
MAX_DIFFERENCE = 1e-4

# Weights of 8 bits move probabilities by hundredths, so images between two classes may change sides; a wrong weight
# makes many do so. Of a few images one may always, or a single such image would decide.
MIN_EQUAL = 0.98

# Activations of 8 bits add their own rounding in every layer, and answers in steps of 1/256 make ties: between two
# classes that lie this close the file's choice says nothing about its weights.
INTEGER_MARGIN = 0.1


class ExportError(EPNASError, RuntimeError):
    """A refused export: its target exists, or a file differs too much from the trained network."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """The difference of a file from the trained network.

    Attributes:
        num_images: number of compared images.
        max_difference: largest absolute difference of a probability.
        num_differing: images with another most probable class.
        num_far: those of them for which the trained network gives the file's class a probability lower than its own by
            more than `INTEGER_MARGIN`.
    """

    num_images: int
    max_difference: float
    num_differing: int
    num_far: int

    @property
    def equal_predictions(self) -> float:
        """Share of the images with the same most probable class, in [0, 1]."""
        return 1 - self.num_differing / self.num_images


def compare(expected: Float32Array, found: Float32Array) -> Parity:
    """Compares two classifiers' probabilities of the same images.

    Args:
        expected: float32 [n, classes], of the trained network, n ≥ 1.
        found: float32 [n, classes], of the file.
    """
    classes = found.argmax(axis=1)
    lost = expected.max(axis=1) - expected[np.arange(len(expected)), classes]
    differing = int((classes != expected.argmax(axis=1)).sum())
    return Parity(len(expected), float(np.abs(expected - found).max()), differing, int((lost > INTEGER_MARGIN).sum()))


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: its name in `--format`.
        file: its file or folder inside the export's folder.
        content: its type of numbers and the software that reads it, in a few words.
        good_for: its uses, in a few words.
        input_type: the type of its input pixels, 0 to 255.
        output_type: the type of the probabilities; uint8 counts steps of 1/256.
        batch: its batch size; None for any.
        quantised: whether its weights are rounded; it is then held to `MIN_EQUAL` instead of `MAX_DIFFERENCE`.
        calibrated: whether its activations are rounded as well, to ranges taken from training images; classes within
            `INTEGER_MARGIN` then count as equal.
    """

    name: str
    file: str
    content: str
    good_for: str
    input_type: str = "uint8"
    output_type: str = "float32"
    batch: int | None = None
    quantised: bool = False
    calibrated: bool = False

    @property
    def takes_files(self) -> bool:
        """Whether it also has a signature for the contents of image files, and gives class names."""
        return self.name == "saved_model"

    def check(self, parity: Parity) -> None:
        """Refuses a file that differs too much.

        Raises:
            ExportError: if it does.
        """
        found = f"a largest difference of {parity.max_difference:.3g}"
        if self.quantised:
            allowed = max(1, int((1 - MIN_EQUAL) * parity.num_images))
            differing, near = parity.num_differing, ""
            if self.calibrated:
                differing, near = parity.num_far, f", or one as probable to within {INTEGER_MARGIN:g},"
            good = differing <= allowed
            expected = f"the same class{near} for all but {allowed} of {parity.num_images} images"
            found = f"{differing} of {parity.num_images} images in another class and {found}"
        else:
            good = parity.max_difference <= MAX_DIFFERENCE  # False also for NaN
            expected = f"probabilities within {MAX_DIFFERENCE:g}"
        if not good:
            raise ExportError(
                f"{self.file} does not answer as the trained network does: expected {expected}. Received: {found}."
            )


FORMATS = {
    entry.name: entry
    for entry in (
        Format("saved_model", "saved_model", "float32, needs TensorFlow", "servers, TensorFlow Serving, Python"),
        Format("keras", "model.keras", f"float32, needs Keras {OLDEST_KERAS} or later", "further training", "float32"),
        Format("tflite", "model.tflite", "float32, needs a TFLite runtime", "phones, small computers"),
        Format(
            "tflite_int8",
            "model_int8.tflite",
            "8-bit weights where a kernel has 1,024 or more, else float32",
            "the same with a smaller file",
            quantised=True,
        ),
        Format(
            "tflite_full_int8",
            "model_full_int8.tflite",
            "8-bit integers throughout, one image at a time",
            "microcontrollers, Edge TPU (after its compiler)",
            output_type="uint8",
            batch=1,
            quantised=True,
            calibrated=True,
        ),
    )
}


def select(names: Iterable[str]) -> tuple[Format, ...]:
    """Selects formats by name, each once, in the order of `FORMATS`.

    Raises:
        ConfigError: if one is unknown, or there is none.
    """
    wanted = list(names)
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise ConfigError(
            f"`format` must be one or more of {', '.join(FORMATS)}. Received: format={','.join(map(str, wanted))!r}"
        )
    return tuple(entry for name, entry in FORMATS.items() if name in wanted)
