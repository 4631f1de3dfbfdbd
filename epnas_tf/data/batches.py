"""Data of Keras users, arrays or a `tf.data.Dataset`: checks, and training batches for children."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.data.augmentation import UNCHANGED, Augmentation
from epnas_tf.data.checks.labels import check_width, class_numbers, refuse_masked, wrong_type
from epnas_tf.data.pipeline import Arrays, made_ahead, map_in_order
from epnas_tf.errors import DataError
from epnas_tf.space.graph import NetworkShape

IMAGES_OF_NUMBERS = "Images must be an array of numbers, or a tf.data.Dataset of images and labels."


class DatasetBatches:
    """Training batches from the user's own `tf.data.Dataset`, repeated for each epoch.

    Args:
        dataset: batches of (images, labels), finite. Its own shuffling and augmentation run anew in each epoch.
            `tf.data` tunes it only if its options enable that, see `made_ahead`.
        shape: the networks' image shape and number of classes.
        epochs: epochs of a child.
        augmentation: further augmentation of its images.

    Attributes:
        steps: training steps of a child, over all its epochs.
        element_spec: the specification of a batch.

    Raises:
        ConfigError: if the augmentation does not fit the images.
        DataError: if the data set is empty or infinite, or its elements are not pairs of images and labels.
    """

    def __init__(
        self, dataset: tf.data.Dataset, shape: NetworkShape, epochs: int, augmentation: Augmentation = UNCHANGED
    ) -> None:
        augmentation.check_fits(min(shape.image_shape[:2]))
        self._augmentation = augmentation
        self._dataset = as_batches(dataset, shape).repeat()
        self.steps = num_batches(dataset) * epochs
        self.element_spec = self._dataset.element_spec

    def batches(self, seed: int) -> tf.data.Dataset:
        """The data set in its own order, augmented by the seed."""
        if not self._augmentation.steps:
            return self._dataset

        def augmented(number: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = batch
            images = self._augmentation(images, tf.stack([tf.constant(seed, tf.int64), number]))
            return tf.ensure_shape(images, self.element_spec[0].shape), labels

        tuned = self._dataset.options().autotune.enabled is True
        return made_ahead(map_in_order(self._dataset.enumerate(), augmented), tuned)


def as_batches(dataset: tf.data.Dataset, shape: NetworkShape) -> tf.data.Dataset:
    """Converts a user's data set to float32 images and int32 class numbers.

    Args:
        dataset: batches of (images, labels).
        shape: the networks' image shape and number of classes.

    Raises:
        DataError: if its elements are not batches of (images, labels), or do not fit the shape. Wrong values are found
            only while the batches are made: `tf.errors.InvalidArgumentError`, see `data_error`.
    """
    spec = dataset.element_spec
    pair = isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(part, tf.TensorSpec) for part in spec)
    if not pair or spec[0].shape.rank != 4 or spec[1].shape.rank not in (1, 2):
        raise DataError(
            "A data set must give batches of (images, labels): images [batch, height, width, channels], labels "
            "[batch], [batch, 1] or one-hot [batch, classes]; sample weights are not understood. Make such pairs with "
            f"`map`, and batches with `batch`. Received: {spec}"
        )
    if not spec[0].shape[1:].is_compatible_with(shape.image_shape):
        raise DataError(f"Images must have the shape {shape.image_shape}. Received: {tuple(spec[0].shape[1:])}")
    if not _is_numeric(spec[0].dtype):
        raise DataError(f"{IMAGES_OF_NUMBERS} Received: images of type {spec[0].dtype.name}")
    if not _is_numeric(spec[1].dtype):
        raise DataError(wrong_type("Labels", spec[1].dtype.name))
    width = spec[1].shape[1] if spec[1].shape.rank == 2 else 1
    if width != 1:
        check_width(width, shape.num_classes)

    def refuse(images: npt.NDArray[np.float32], labels: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        _check_finite(images)
        return class_numbers(labels, shape.num_classes).astype(np.int32)

    def convert(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.ensure_shape(tf.cast(images, tf.float32), [None, *shape.image_shape])
        labels = tf.cast(labels, tf.float64)
        if width == 1:
            labels = tf.reshape(labels, [-1])
            numbers = tf.cast(labels, tf.int32)  # undefined beyond 32 bits, but then unlike the label
            expected = tf.cast(numbers, tf.float64)
        else:
            numbers = tf.argmax(labels, axis=1, output_type=tf.int32)
            expected = tf.one_hot(numbers, width, dtype=tf.float64)
        # On a GPU, a label out of range makes the loss NaN, and every child would seem to diverge.
        known = tf.reduce_all((numbers >= 0) & (numbers < shape.num_classes)) & tf.reduce_all(labels == expected)
        # What is right is told in the graph; NumPy, which says what is wrong, is called for a wrong batch only.
        numbers = tf.cond(
            known & tf.reduce_all(tf.math.is_finite(images)),
            lambda: numbers,
            lambda: tf.numpy_function(refuse, [images, labels], tf.int32, stateful=False),
        )
        return images, tf.ensure_shape(numbers, labels.shape[:1])

    return made_ahead(map_in_order(dataset, convert), tuned=dataset.options().autotune.enabled is True)


def _is_numeric(dtype: tf.DType) -> bool:
    return dtype.is_floating or dtype.is_integer or dtype.is_bool


def data_error(error: BaseException) -> DataError | None:
    """Converts an error from a pass over a `tf.data.Dataset` to the `DataError` about its images or labels.

    None for an error of another kind.
    """
    message = error.message if isinstance(error, tf.errors.InvalidArgumentError) else ""
    refusal = re.search(r"DataError: ((?:Images|Labels) .*)", message)
    return DataError(refusal[1]) if refusal else None


def labels_of(batches: tf.data.Dataset) -> npt.NDArray[np.int32]:
    """The labels of all batches of `as_batches` or `evaluation_batches`, [n].

    Raises:
        DataError: if a label is not a class number, or an image holds NaN or infinity.
    """
    try:
        return np.concatenate(list(batches.map(lambda _, labels: labels).as_numpy_iterator()))
    except tf.errors.InvalidArgumentError as error:
        raise data_error(error) or error from error


def num_batches(dataset: tf.data.Dataset) -> int:
    """The number of batches of a data set, counted if its cardinality is unknown.

    Raises:
        DataError: if it is empty or infinite.
    """
    cardinality = int(dataset.cardinality())
    if cardinality == tf.data.INFINITE_CARDINALITY:
        raise DataError("A data set must end after one epoch. Received: one that repeats for ever; use `take`.")
    count = cardinality if cardinality >= 0 else int(dataset.reduce(np.int64(0), lambda total, *_: total + 1))
    if not count:
        raise DataError("A data set must have at least one batch. Received: an empty one")
    return count


def checked_arrays(images: Any, labels: Any, shape: NetworkShape) -> Arrays:
    """Checks arrays and returns them as tensors.

    Raises:
        DataError: if they do not fit each other or the shape, or do not hold pixels and classes.
    """
    try:
        refuse_masked("Images", images)
        images = np.asarray(images)
        if images.dtype.kind not in "biuf":
            raise TypeError(f"an array of type {images.dtype}")
    except (TypeError, ValueError) as error:
        raise DataError(f"{IMAGES_OF_NUMBERS} Received: {error}") from error
    if images.shape[1:] != shape.image_shape:
        raise DataError(f"Images must have the shape {shape.image_shape}. Received: {images.shape[1:]}")
    images = images if images.dtype == np.uint8 else images.astype(np.float32)
    numbers = class_numbers(labels, shape.num_classes, "Labels", len(images))  # also refuses that there are none
    _check_finite(images)
    with tf.device("CPU:0"):
        return Arrays(tf.constant(images), tf.constant(numbers, tf.int32))


def _check_finite(images: npt.NDArray[Any]) -> None:
    """Rejects values that are not finite: with them, every child would seem to diverge."""
    wrong = [value for value in (images.min(), images.max()) if not np.isfinite(value)]  # NaN is passed on by both
    if wrong:
        raise DataError(f"Images must hold finite numbers. Received: {wrong[0]}. Mend those images, or leave them out.")
