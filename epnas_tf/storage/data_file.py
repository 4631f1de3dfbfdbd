"""data.json: what a run's data set is, so that whatever comes after needs the run directory alone."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from epnas_tf.data.values import ImageData
from epnas_tf.errors import RunDirectoryError
from epnas_tf.storage.state_files import holds, write_whole

DATA_FILE = "data.json"
FORMAT = "epnas_tf.data"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class DataDescription:
    """A data set without its images.

    Attributes:
        name: the data set's name.
        image_shape: (height, width, channels) of the images.
        class_names: the name of each class, in the order of the labels.
        mean: of each channel, in pixel units, 0 to 255.
        std: standard deviation of each channel, in pixel units, above 0.
        num_train: training images.
        num_validation: validation images.
        num_test: test images.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_train: int
    num_validation: int
    num_test: int

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def describe(data: ImageData) -> DataDescription:
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
    )


def save_description(directory: Path, description: DataDescription) -> None:
    """Writes data.json, unless it holds that already.

    Raises:
        RunDirectoryError: if it cannot be written.
    """
    document = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(description)}
    file, data = directory / DATA_FILE, (json.dumps(document, indent=2) + "\n").encode()
    if not holds(file, data):
        write_whole(file, data)


def load_description(directory: Path) -> DataDescription:
    """Reads data.json.

    Raises:
        RunDirectoryError: if there is none, or it is not one that a run wrote.
    """
    file = directory / DATA_FILE
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if (document.pop("format"), document.pop("version")) != (FORMAT, VERSION):
            raise ValueError(f"not of format {FORMAT}, version {VERSION}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        return DataDescription(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDirectoryError(f"{file} is not the data.json of a run. Received: {error}") from error
