"""Real images for the comparison and calibration of exported files. No TensorFlow."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from epnas_tf import data
from epnas_tf.data.pixels import Pixels, UInt8Array
from epnas_tf.errors import DataError, EPNASError
from epnas_tf.storage.data_file import DataDescription
from epnas_tf.storage.state_files import BROKEN
from epnas_tf.storage.training_directory import PREDICTIONS, read_training_config

NUM_IMAGES = 256
NUM_CALIBRATION = 300
"""Training images that the ranges of activations are taken from; more change them little."""


@dataclasses.dataclass(frozen=True, eq=False)
class ExportImages:
    """Real images for an export.

    Attributes:
        compared: uint8 [n, height, width, channels], at most `NUM_IMAGES`, not used in training.
        compared_on: their description, in a few words.
        calibration: uint8 [m, height, width, channels], at most `NUM_CALIBRATION`.
        calibrated_on: their description, in a few words.
    """

    compared: UInt8Array
    compared_on: str
    calibration: UInt8Array
    calibrated_on: str


def images_for_export(final: Path, description: DataDescription, tell: Callable[[str], None]) -> ExportImages:
    """Reads test and training images from the data set that a network was trained on.

    If the data set can no longer be read, the few test images that the final training kept in test.npz serve as both.

    Args:
        final: the directory of the final training.
        description: the data set at the time of the training.
        tell: receives the reason if the kept images are used.

    Raises:
        DataError: if neither can be read.
        RunDirectoryError: if the directory's settings cannot be read.
    """
    config = read_training_config(final)
    try:
        found = data.load(config.data, config.seed)
        if (found.image_shape, found.class_names) != (description.image_shape, description.class_names):
            raise DataError(f"it is not what it was, {found.image_shape} images of {found.num_classes} classes now")
    except EPNASError as error:
        tell(f"the data set {config.data.dataset} cannot be used, so the images kept in {PREDICTIONS} are: {error}")
        kept = _kept(final / PREDICTIONS, description)
        source = f"{len(kept)} test images kept in {PREDICTIONS}"
        return ExportImages(kept, source, kept, source)
    compared, calibration = _drawn(found.test.images, NUM_IMAGES), _drawn(found.train.images, NUM_CALIBRATION)
    return ExportImages(
        compared,
        f"{len(compared)} test images of {found.name}",
        calibration,
        f"{len(calibration)} training images of {found.name}",
    )


def _drawn(images: Pixels, count: int) -> UInt8Array:
    return images[np.sort(np.random.default_rng(0).permutation(len(images))[:count])]


def _kept(file: Path, description: DataDescription) -> UInt8Array:
    try:
        with np.load(file, allow_pickle=False) as archive:
            images = np.concatenate([archive["right_images"], archive["wrong_images"]])
        if images.dtype != np.uint8 or images.shape[1:] != description.image_shape or not len(images):
            raise ValueError(f"{images.dtype} {list(images.shape)}")
    except BROKEN as error:
        raise DataError(
            f"There are no images to compare the export on: neither the data set nor {file} can be read. "
            f"Received: {error}. Bring the data set back to its place."
        ) from error
    return images
