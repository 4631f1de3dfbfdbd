"""A data set in memory, as frozen values that are validated on construction."""

import dataclasses
import functools
import hashlib

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array, Int64Array
from epnas_tf.data.augmentation import UNCHANGED, Augmentation
from epnas_tf.data.pixels import Pixels, chunks, joined, taken
from epnas_tf.errors import DataError


@dataclasses.dataclass(frozen=True)
class Preparation:
    """The conversion of an image file to a network's pixels, done by `epnas_tf.data.sources.pictures.decode`.

    Attributes:
        height: pixels, at least 1.
        width: pixels, at least 1.
        channels: 1 for grey, 3 for red, green and blue.
        low: the value that becomes 0 in a file of more than 8 bits a channel (16-bit or float).
        high: the value that becomes 255 in such a file, above `low`; values beyond the two are clipped. A file of 8
            bits keeps its values.
        deep: whether `low` and `high` come from training images of more than 8 bits; otherwise they are a guess.
    """

    height: int
    width: int
    channels: int
    low: float = 0.0
    high: float = 65535.0
    deep: bool = True

    @property
    def known_range(self) -> tuple[float, float] | None:
        """The values that become 0 and 255, or None if the training images do not determine them."""
        return (self.low, self.high) if self.deep else None


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Labelled images of one size.

    Attributes:
        images: uint8 [n, height, width, channels], one channel (grey) or three (red, green, blue); n ≥ 1. An array, or
            a file of them.
        labels: int32 [n], each at least 0.

    Raises:
        DataError: if an array has another shape or type, or the two differ in length.
    """

    images: Pixels
    labels: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape or images.shape[3] not in (1, 3):
            raise DataError(
                "Images must be a uint8 array [n, height, width, channels] with 1 or 3 channels and nothing empty. "
                f"Received: {images.dtype} {list(images.shape)}. Convert them before."
            )
        if labels.dtype != np.int32 or labels.shape != images.shape[:1] or labels.min() < 0:
            raise DataError(
                f"Labels must be an int32 array [{len(images)}], one class number from 0 for each image. Received: "
                f"{labels.dtype} {list(labels.shape)} from {labels.min(initial=0)}. Leave unlabelled images out."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    def take(self, indices: Int64Array) -> "Images":
        """The images at `indices` (int64 [m], m ≥ 1), in that order."""
        return Images(taken(self.images, indices), self.labels[indices])

    def followed_by(self, others: "Images") -> "Images":
        """These images and then others of the same data set."""
        return Images(joined(self.images, others.images), np.concatenate([self.labels, others.labels]))


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """A data set, ready for a search.

    Attributes:
        name: the data set's name, or the last part of its path.
        train: the images to train on.
        validation: the images that score the children; never from the test part.
        test: the images that are used once, at the very end.
        class_names: the name of each class, in the order of the labels; two or more.
        mean: float32 [channels], mean of `train` in pixel units, 0 to 255.
        std: float32 [channels], standard deviation of `train` in pixel units; 1 for a constant channel, so that
            dividing by it is safe.
        augmentation: the random augmentation of the training images.
        test_is_drawn: whether `test` was drawn from the training images, as the data set has no test part.
        validation_is_drawn: whether `validation` was drawn from the training images, as the data set has no validation
            part.
        value_range: the values that become 0 and 255 in image files of more than 8 bits a channel, see `Preparation`.
        notes: notes for the user on decisions about the data, one line each; warnings begin with "warning: ".
        skipped: the broken image files that were left out, each with the reason.
        deep: whether images of more than 8 bits determined `value_range`.

    Raises:
        DataError: if the parts differ in image size, a label has no name, or the statistics do not fit the channels.
    """

    name: str
    train: Images
    validation: Images
    test: Images
    class_names: tuple[str, ...]
    mean: Float32Array
    std: Float32Array
    augmentation: Augmentation = UNCHANGED
    test_is_drawn: bool = False
    validation_is_drawn: bool = True
    value_range: tuple[float, float] = (Preparation.low, Preparation.high)
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    deep: bool = False

    def __post_init__(self) -> None:
        shapes = {part: getattr(self, part).shape for part in ("train", "validation", "test")}
        if len(set(shapes.values())) > 1:
            raise DataError(
                f"All parts of a data set must have images of one size. Received: {shapes}. Resize the images first."
            )
        largest = max(int(part.labels.max()) for part in (self.train, self.validation, self.test))
        if self.num_classes < 2 or largest >= self.num_classes:
            raise DataError(
                f"A data set needs two classes or more and a name for each. Received: {self.num_classes} names and "
                f"labels up to {largest}. Give one name for each class."
            )
        for name, lowest, bounds in (("mean", -np.inf, "finite"), ("std", 0.0, "above 0 and finite")):
            value = getattr(self, name)
            if value.shape != self.image_shape[2:] or not np.all((value > lowest) & (value < np.inf)):
                raise DataError(
                    f"`{name}` must be one number a channel, {self.image_shape[2]} in all, {bounds}. "
                    f"Received: {name}={value}. Use `statistics` of the training images."
                )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return self.train.shape

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def preparation(self) -> Preparation:
        """The preparation that turns an image file into an image like these."""
        return Preparation(*self.image_shape, *self.value_range, self.deep)

    @functools.cached_property
    def digest(self) -> str:
        """A checksum of all images and labels, in their order and parts."""
        checksum = hashlib.blake2b(digest_size=16)
        for part in (self.train, self.validation, self.test):
            checksum.update(str(part.images.shape).encode())
            for chunk in chunks(part.images):
                checksum.update(np.ascontiguousarray(chunk).reshape(-1).data)
            checksum.update(str(part.labels.shape).encode())
            checksum.update(np.ascontiguousarray(part.labels).data)
        return checksum.hexdigest()


def statistics(images: Pixels) -> tuple[Float32Array, Float32Array]:
    """The exact mean and standard deviation of each channel, from a histogram of the pixel values.

    Args:
        images: uint8 [n, height, width, channels].

    Returns:
        Mean and standard deviation, each float32 [channels], in pixel units (0 to 255). The standard deviation of a
        constant channel is 1.
    """
    channels = images.shape[3]
    counts = np.zeros((channels, 256), np.int64)
    for part in chunks(images):
        for channel in range(channels):
            counts[channel] += np.bincount(part[:, :, :, channel].ravel(), minlength=256)
    values = np.arange(256, dtype=np.float64)
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, np.newaxis]) ** 2).sum(axis=1)
    std = np.where((counts > 0).sum(axis=1) > 1, np.sqrt(variance), 1.0)
    return mean.astype(np.float32), std.astype(np.float32)
