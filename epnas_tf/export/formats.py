"""The forms that a trained network is exported in, and how far each may be from it. No TensorFlow."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import ConfigError, EPNASError

# Float32 arithmetic in another order moves a probability by some 1e-6; a wrong weight moves it by far more. Within this
# bound the most probable class is the same one too, unless two classes are as probable to within twice the bound.
MAX_DIFFERENCE = 1e-4

# Weights of 8 bits move probabilities by hundredths, so images between two classes may change sides; a wrong weight
# makes many do so. Of a few images one may always, or a single such image would decide.
MIN_EQUAL = 0.98


class ExportError(EPNASError, RuntimeError):
    """An export that is refused: its target exists, or a file does not answer as the trained network does."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """How far a file is from the trained network.

    Attributes:
        num_images: how many images were compared.
        max_difference: largest absolute difference of a probability.
        num_differing: images whose most probable class is another one.
    """

    num_images: int
    max_difference: float
    num_differing: int

    @property
    def equal_predictions(self) -> float:
        """Share of the images with the same most probable class, in [0, 1]."""
        return 1 - self.num_differing / self.num_images


def compare(expected: npt.NDArray[np.float32], found: npt.NDArray[np.float32]) -> Parity:
    """Compares two classifiers' probabilities of the same images.

    Args:
        expected: float32 [n, classes], of the trained network, n ≥ 1.
        found: float32 [n, classes], of the file.
    """
    differing = expected.argmax(axis=1) != found.argmax(axis=1)
    return Parity(len(expected), float(np.abs(expected - found).max()), int(differing.sum()))


@dataclasses.dataclass(frozen=True)
class Format:
    """One form.

    Attributes:
        name: what `--format` calls it.
        file: the file or folder that it is written to, in the export's folder.
        input_type: of the pixels that it takes, 0 to 255.
        quantised: whether its weights are rounded, so that it is held to `MIN_EQUAL` and not to `MAX_DIFFERENCE`.
        outputs: beside the probabilities.
    """

    name: str
    file: str
    input_type: str = "uint8"
    quantised: bool = False
    outputs: tuple[str, ...] = ()

    @property
    def takes_files(self) -> bool:
        """Whether it has a signature for the contents of image files as well."""
        return self.name == "saved_model"

    def check(self, parity: Parity) -> None:
        """Refuses a file that differs too much.

        Raises:
            ExportError: if it does.
        """
        allowed = max(1, int((1 - MIN_EQUAL) * parity.num_images))
        if self.quantised:
            good = parity.num_differing <= allowed
            expected = f"the same class for all but {allowed} of {parity.num_images} images"
        else:
            good = parity.max_difference <= MAX_DIFFERENCE  # False also for NaN
            expected = f"probabilities within {MAX_DIFFERENCE:g}"
        if not good:
            raise ExportError(
                f"{self.file} does not answer as the trained network does, so nothing is exported: expected {expected}."
                f" Received: a largest difference of {parity.max_difference:.3g} and {parity.num_differing} of "
                f"{parity.num_images} images in another class. --format with the other formats exports these alone."
            )


FORMATS = {
    entry.name: entry
    for entry in (
        Format("saved_model", "saved_model", outputs=("class_name", "class_names")),
        Format("keras", "model.keras", input_type="float32"),
        Format("tflite", "model.tflite"),
        Format("tflite_int8", "model_int8.tflite", quantised=True),
    )
}


def select(names: Iterable[str]) -> tuple[Format, ...]:
    """Returns the formats of these names, each once, in the order of `FORMATS`.

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
