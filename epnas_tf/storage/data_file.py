"""The file data.json, which describes a run's data set, so that later commands need the run directory alone."""

import dataclasses
from pathlib import Path
from typing import Any

from epnas_tf.data.values import ImageData, Preparation
from epnas_tf.errors import RunDirectoryError
from epnas_tf.storage.state_files import read_document, translate_read_errors, write_document

DATA_FILE = "data.json"
FORMAT = "epnas_tf.data"

EXACT = ("mean", "std", "digest", "skipped")
"""The values that may differ slightly under another version of a package that decodes or resizes images."""


@dataclasses.dataclass(frozen=True)
class DataDescription:
    """The description of a data set, without its images.

    Attributes:
        name: the data set's name.
        image_shape: (height, width, channels) of the images.
        class_names: the name of each class, in the order of the labels.
        mean: of each channel, in pixel units, 0 to 255.
        std: standard deviation of each channel, in pixel units, above 0.
        num_train: training images.
        num_validation: validation images.
        num_test: test images.
        digest: `ImageData.digest`.
        value_range: `ImageData.value_range`.
        skipped: `ImageData.skipped`.
        deep: `ImageData.deep`.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_train: int
    num_validation: int
    num_test: int
    digest: str = ""
    value_range: tuple[float, float] = (Preparation.low, Preparation.high)
    skipped: tuple[str, ...] = ()
    deep: bool = True

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def preparation(self) -> Preparation:
        """The steps from an image file to an image of the data set."""
        return Preparation(*self.image_shape, *self.value_range, self.deep)


def describe_data(data: ImageData) -> DataDescription:
    """Returns the description of a data set."""
    return DataDescription(
        name=data.name,
        image_shape=data.image_shape,
        class_names=data.class_names,
        mean=tuple(map(float, data.mean)),
        std=tuple(map(float, data.std)),
        num_train=len(data.train),
        num_validation=len(data.validation),
        num_test=len(data.test),
        digest=data.digest,
        value_range=data.value_range,
        skipped=data.skipped,
        deep=data.deep,
    )


def refuse_other_images(directory: Path, description: DataDescription, same_versions: bool, remedy: str) -> None:
    """Refuses images other than those that a directory's data.json describes. Without that file all are accepted.

    Args:
        directory: of a run.
        description: of the images.
        same_versions: whether the packages are those that the run began with. Others may decode the same files slightly
            differently, so then only numbers, sizes and classes are compared.
        remedy: a sentence that tells the user what to do.

    Raises:
        RunDirectoryError: if they differ, or data.json is broken.
    """
    if not (directory / DATA_FILE).exists():
        return
    there = load_description(directory)
    old, new = dataclasses.asdict(there), dataclasses.asdict(description)
    differing = [name for name in old if old[name] != new[name]]
    if differing == ["name"]:
        return  # the folder or file was renamed
    coarse = [f"{name} {old[name]} there, {new[name]} now" for name in differing if name not in EXACT]
    if coarse or (differing and same_versions):
        received = "; ".join(coarse) or "as many images and the same classes, but other pixels or labels"
        raise RunDirectoryError(
            f"The images of {description.name} are no longer those that {directory} was begun with, and some that are "
            f"to be tested on may have been trained on. {remedy} Received: {received}"
        )


def save_description(directory: Path, description: DataDescription) -> None:
    """Writes data.json.

    Raises:
        RunDirectoryError: if it cannot be written.
    """
    write_document(directory / DATA_FILE, FORMAT, dataclasses.asdict(description))


def load_description(directory: Path) -> DataDescription:
    """Reads data.json.

    Raises:
        RunDirectoryError: if there is none, or it is not one that a run wrote.
    """
    file = directory / DATA_FILE
    with translate_read_errors(f"{file} is not the data.json of a run"):
        document = read_document(file, FORMAT)
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        return DataDescription(**values)
