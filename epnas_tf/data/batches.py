"""Data of Keras users, arrays or a `tf.data.Dataset`: checks, and training batches for children."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.data.augmentation import UNCHANGED, Augmentation
from epnas_tf.data.checks.labels import (
    FORMS,
    check_width,
    class_numbers,
    not_one_class,
    not_one_hot,
    not_whole,
    out_of_range,
    refuse_masked,
    wrong_type,
)
from epnas_tf.data.pipeline import Arrays, made_ahead, map_in_order
from epnas_tf.errors import DataError
from epnas_tf.space.graph import NetworkShape

IMAGES_OF_NUMBERS = "Images must be an array of numbers, or a tf.data.Dataset of images and labels."
NOT_FINITE = "Images must hold finite numbers. Received: {}. Mend those images, or leave them out."
"""Error texts for arrays and a `tf.data.Dataset`; those for labels are in `epnas_tf.data.checks.labels`."""


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
    if width is None:
        raise DataError(
            f"The width of the labels must be known: 1, or {shape.num_classes} for one-hot ones. Received: {spec[1]}. "
            "Give it in the `output_signature` of a generator."
        )
    if width != 1:
        check_width(width, shape.num_classes)
    numbers = _from_numbers if width == 1 else _from_rows

    def convert(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.ensure_shape(tf.cast(images, tf.float32), [None, *shape.image_shape])
        pixels = tf.reshape(images, [-1])
        wrong = ~tf.math.is_finite(pixels)
        check = _refuse(wrong, lambda index: _text(NOT_FINITE, "{}", pixels[index]))
        with tf.control_dependencies([check]):
            return tf.identity(images), numbers(labels, shape.num_classes)

    return made_ahead(map_in_order(dataset, convert), tuned=dataset.options().autotune.enabled is True)


def _is_numeric(dtype: tf.DType) -> bool:
    return dtype.is_floating or dtype.is_integer or dtype.is_bool


def _from_numbers(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """`class_numbers` of class numbers inside a graph, int32."""
    labels = tf.reshape(labels, [-1])
    checks = []
    if labels.dtype.is_floating:
        labels = tf.cast(labels, tf.float64)
        fraction = ~tf.math.is_finite(labels) | (labels != tf.floor(labels))
        checks = [_refuse(fraction, lambda index: _text(not_whole, "Labels", "{}", labels[index]))]
        labels = tf.clip_by_value(labels, -(2.0**31), 2.0**31)  # casts of larger values are undefined
    with tf.control_dependencies(checks):
        whole = tf.cast(labels, tf.int64)
    # On a GPU, a label out of range makes the loss NaN, and every child would seem to diverge.
    wrong = (whole < 0) | (whole >= num_classes)

    def text(index: tf.Tensor) -> tf.Tensor:
        del index
        return _text(out_of_range, "Labels", num_classes, "{}", "{}", tf.reduce_min(whole), tf.reduce_max(whole))

    with tf.control_dependencies([_refuse(wrong, text)]):
        return tf.cast(whole, tf.int32)


def _from_rows(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """`class_numbers` of one-hot rows inside a graph, int32."""
    del num_classes  # their width was compared with it
    labels = tf.cast(labels, tf.int32) if labels.dtype.is_bool else labels
    ones = labels == 1
    others = ~ones & (labels != 0)  # also NaN
    count = tf.math.count_nonzero(ones, axis=1)

    def other(row: tf.Tensor) -> tf.Tensor:
        return _text(not_one_hot, "Labels", "{}", "{}", tf.boolean_mask(labels[row], others[row])[0], row)

    check = _refuse(tf.reduce_any(others, axis=1), other)
    with tf.control_dependencies([check]):
        one = _refuse(count != 1, lambda row: _text(not_one_class, "Labels", "{}", "{}", count[row], row))
    with tf.control_dependencies([one]):
        return tf.argmax(tf.cast(ones, tf.int32), axis=1, output_type=tf.int32)


def _text(refusal: Callable[..., str] | str, *arguments: Any) -> tf.Tensor:
    """Formats an error text inside a graph: each "{}" among the arguments takes the next tensor's value."""
    texts = [argument for argument in arguments if not tf.is_tensor(argument)]
    template = refusal(*texts) if callable(refusal) else refusal.format(*texts)
    return tf.strings.format(template, [argument for argument in arguments if tf.is_tensor(argument)])


def _refuse(wrong: tf.Tensor, text: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """An operation that fails, and so ends the pass over the data, if something is wrong.

    Args:
        wrong: bool [n].
        text: makes the error text from the index of the first wrong element.
    """

    def fail() -> tf.Tensor:
        first = tf.argmax(tf.cast(wrong, tf.int32))
        with tf.control_dependencies([tf.debugging.Assert(False, [text(first)])]):
            return tf.constant(0)

    return tf.cond(tf.reduce_any(wrong), fail, lambda: tf.constant(0))


def data_error(error: BaseException) -> DataError | None:
    """Converts an error from a pass over a `tf.data.Dataset` to the `DataError` about its images or labels.

    None for an error of another kind.
    """
    if not isinstance(error, tf.errors.InvalidArgumentError):
        return None
    refusal = re.search(r"assertion failed: \[((?:Images|Labels) .*)\]$", error.message, re.MULTILINE)
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
    if images.ndim != 4 or not len(images):
        raise DataError(
            f"Images must be [n, height, width, channels] and labels {FORMS}, n at least 1. "
            f"Received: images {list(images.shape)}"
        )
    if images.shape[1:] != shape.image_shape:
        raise DataError(f"Images must have the shape {shape.image_shape}. Received: {images.shape[1:]}")
    images = images if images.dtype == np.uint8 else images.astype(np.float32)
    _check_finite(images)
    numbers = class_numbers(labels, shape.num_classes, "Labels", len(images))
    with tf.device("CPU:0"):
        return Arrays(tf.constant(images), tf.constant(numbers, tf.int32))


def _check_finite(images: npt.NDArray[Any]) -> None:
    """Rejects values that are not finite: with them, every child would seem to diverge."""
    wrong = [value for value in (images.min(), images.max()) if not np.isfinite(value)]  # NaN is passed on by both
    if wrong:
        raise DataError(NOT_FINITE.format(wrong[0]))
