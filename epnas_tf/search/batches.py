"""Batches of a child's training from what Keras users have: arrays, or a `tf.data.Dataset`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.data.pipeline import EVALUATION_BATCH, made_ahead, map_in_order
from epnas_tf.errors import DataError
from epnas_tf.network.graph import NetworkShape


class DatasetBatches:
    """Training batches of the user's own `tf.data.Dataset`, over and over for each epoch.

    Args:
        dataset: batches of (images, labels), finite. Its own shuffling and augmentation run anew in each epoch.
            `tf.data` tunes it only if its options turn that on, see `made_ahead`.
        shape: the networks' image shape and number of classes.
        epochs: epochs of a child.

    Attributes:
        steps: training steps of a child, over all its epochs.
        element_spec: of the batches.

    Raises:
        DataError: if the data set has no batches or no end, or its elements are no pairs of images and labels.
    """

    def __init__(self, dataset: tf.data.Dataset, shape: NetworkShape, epochs: int) -> None:
        self._dataset = as_batches(dataset, shape).repeat()
        self.steps = num_batches(dataset) * epochs
        self.element_spec = self._dataset.element_spec

    def batches(self, seed: int) -> tf.data.Dataset:
        """Returns the data set; the order is its own, so the seed changes nothing."""
        del seed
        return self._dataset


class ArrayBatches:
    """Training batches of arrays, shuffled anew for each epoch; an incomplete last batch is dropped.

    Args:
        images: [n, height, width, channels], of any numeric type; taken as they are, in float32.
        labels: class numbers [n] or [n, 1], or one-hot rows [n, classes].
        shape: the networks' image shape and number of classes.
        batch_size: images a batch; if there are fewer, each batch has all of them.
        epochs: epochs of a child.

    Attributes:
        steps: training steps of a child, over all its epochs.
        element_spec: of the batches.

    Raises:
        DataError: if the arrays do not fit one another, or the shape.
    """

    def __init__(self, images: Any, labels: Any, shape: NetworkShape, batch_size: int, epochs: int) -> None:
        self._images, self._labels = _tensors(images, labels, shape)
        self._count = len(self._images)
        self._batch_size = min(batch_size, self._count)
        self._steps_per_epoch = self._count // self._batch_size
        self._epochs = epochs
        self.steps = self._steps_per_epoch * epochs
        spec = [self._batch_size, *shape.image_shape]
        self.element_spec = (tf.TensorSpec(spec, tf.float32), tf.TensorSpec([self._batch_size], tf.int32))

    def batches(self, seed: int) -> tf.data.Dataset:
        """Returns the batches of all epochs in an order that the seed decides."""
        rng = np.random.default_rng(seed)
        used = self._steps_per_epoch * self._batch_size
        plan = np.concatenate([rng.permutation(self._count)[:used] for _ in range(self._epochs)])

        def batch(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = tf.cast(tf.gather(self._images, indices), tf.float32)
            return tf.ensure_shape(images, self.element_spec[0].shape), tf.gather(self._labels, indices)

        with tf.device("CPU:0"):
            dataset = tf.data.Dataset.from_tensor_slices(plan.reshape(self.steps, self._batch_size))
            return made_ahead(map_in_order(dataset, batch))


def array_evaluation(images: Any, labels: Any, shape: NetworkShape) -> tf.data.Dataset:
    """Returns validation batches of arrays, in order; see `ArrayBatches` for the arguments."""
    all_images, all_labels = _tensors(images, labels, shape)

    def batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = slice(start, start + EVALUATION_BATCH)
        return tf.cast(all_images[part], tf.float32), all_labels[part]

    with tf.device("CPU:0"):
        dataset = tf.data.Dataset.range(0, len(all_images), EVALUATION_BATCH)
        return made_ahead(map_in_order(dataset, batch))


def as_batches(dataset: tf.data.Dataset, shape: NetworkShape) -> tf.data.Dataset:
    """Returns a user's data set with float32 images and int32 class numbers.

    Args:
        dataset: batches of (images, labels).
        shape: the networks' image shape and number of classes.

    Raises:
        DataError: if its elements are no batches of (images, labels), or do not fit the shape. Labels out of range are
            found only while the batches are made: `tf.errors.InvalidArgumentError`.
    """
    spec = dataset.element_spec
    pair = isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(part, tf.TensorSpec) for part in spec)
    if not pair or spec[0].shape.rank != 4 or spec[1].shape.rank not in (1, 2):
        raise DataError(
            "A data set must give batches of (images, labels): images [batch, height, width, channels], labels "
            f"[batch], [batch, 1] or one-hot [batch, classes]; sample weights are not understood. Received: {spec}"
        )
    if not spec[0].shape[1:].is_compatible_with(shape.image_shape):
        raise DataError(f"Images must have the shape {shape.image_shape}. Received: {tuple(spec[0].shape[1:])}")
    width = spec[1].shape[1] if spec[1].shape.rank == 2 else 1
    if width is None:
        raise DataError(
            f"The width of the labels must be known: 1, or {shape.num_classes} for one-hot ones. Received: {spec[1]}. "
            "Give it in the `output_signature` of a generator."
        )
    one_hot = width != 1
    if one_hot:
        _check_one_hot(width, shape)

    def convert(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        labels = tf.argmax(labels, axis=-1, output_type=tf.int32) if one_hot else tf.reshape(labels, [-1])
        labels = tf.cast(labels, tf.int32)
        # On a GPU the loss of a label out of range is NaN, and every child would seem to have diverged.
        message = f"Labels must be in 0 … {shape.num_classes - 1}."
        checks = [
            tf.debugging.assert_non_negative(labels, message),
            tf.debugging.assert_less(labels, shape.num_classes, message),
        ]
        with tf.control_dependencies(checks):
            return tf.ensure_shape(tf.cast(images, tf.float32), [None, *shape.image_shape]), tf.identity(labels)

    return made_ahead(map_in_order(dataset, convert), tuned=dataset.options().autotune.enabled is True)


def labels_of(batches: tf.data.Dataset) -> npt.NDArray[np.int32]:
    """Returns the labels of all batches of `as_batches` or `array_evaluation`, [n].

    Raises:
        DataError: if one of them is out of range.
    """
    try:
        return np.concatenate(list(batches.map(lambda _, labels: labels).as_numpy_iterator()))
    except tf.errors.InvalidArgumentError as error:
        raise DataError(str(error)) from error


def num_batches(dataset: tf.data.Dataset) -> int:
    """Returns how many batches a data set has; where it does not know, they are counted once.

    Raises:
        DataError: if it has none, or no end.
    """
    cardinality = int(dataset.cardinality())
    if cardinality == tf.data.INFINITE_CARDINALITY:
        raise DataError("A data set must end after one epoch. Received: one that repeats for ever; use `take`.")
    count = cardinality if cardinality >= 0 else int(dataset.reduce(np.int64(0), lambda total, *_: total + 1))
    if not count:
        raise DataError("A data set must have at least one batch. Received: an empty one")
    return count


def _tensors(images: Any, labels: Any, shape: NetworkShape) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns checked images, bytes as bytes and else in float32, and int32 class numbers [n], both in main memory.

    Tensors, because every child's data set would take an array as a constant into its graph.
    """
    try:
        images, labels = np.asarray(images), np.asarray(labels)
        images = images if images.dtype == np.uint8 else images.astype(np.float32)
        labels = labels if np.issubdtype(labels.dtype, np.integer) else labels.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Images and labels must be arrays of numbers, or a tf.data.Dataset of both. Received: {error}"
        ) from error
    if images.ndim != 4 or labels.ndim not in (1, 2) or len(images) != len(labels) or not len(images):
        raise DataError(
            "Images must be [n, height, width, channels] and labels [n], [n, 1] or one-hot [n, classes], n at least 1. "
            f"Received: images {list(images.shape)}, labels {list(labels.shape)}"
        )
    if images.shape[1:] != shape.image_shape:
        raise DataError(f"Images must have the shape {shape.image_shape}. Received: {images.shape[1:]}")
    _check_finite(images)
    with tf.device("CPU:0"):
        return tf.constant(images), tf.constant(_class_numbers(labels, shape), tf.int32)


def _check_finite(images: npt.NDArray[Any]) -> None:
    """Refuses values with which every child would seem to have diverged."""
    wrong = [value for value in (images.min(), images.max()) if not np.isfinite(value)]  # NaN is passed on by both
    if wrong:
        raise DataError(f"Images must hold finite numbers. Received: {wrong[0]}")


def _class_numbers(labels: npt.NDArray[Any], shape: NetworkShape) -> npt.NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] != 1:
        _check_one_hot(labels.shape[1], shape)
        return labels.argmax(axis=-1)
    labels = labels.reshape(-1)
    if not (np.isfinite(labels).all() and 0 <= labels.min() <= labels.max() < shape.num_classes):
        raise DataError(
            f"Labels must be in 0 … {shape.num_classes - 1}. Received: labels from {labels.min()} to {labels.max()}"
        )
    if (labels != np.floor(labels)).any():
        raise DataError(f"Labels must be whole numbers. Received: {labels[labels != np.floor(labels)][0]}")
    return labels


def _check_one_hot(width: int, shape: NetworkShape) -> None:
    if width != shape.num_classes:
        raise DataError(f"One-hot labels must have {shape.num_classes} columns, one a class. Received: {width}")
