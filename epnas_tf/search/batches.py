"""Batches of a child's training from what Keras users have: arrays, or a `tf.data.Dataset`."""

from typing import Any

import numpy as np
import tensorflow as tf

from epnas_tf.errors import DataError

EVALUATION_BATCH = 500
"""Images a validation step; it changes speed and memory, not the score."""


class DatasetBatches:
    """Training batches of the user's own `tf.data.Dataset`, over and over for each epoch.

    Args:
        dataset: batches of (images, labels), finite. Its own shuffling and augmentation run anew in each epoch.
        epochs: epochs of a child.

    Attributes:
        steps: training steps of a child, over all its epochs.
        element_spec: of the batches.

    Raises:
        DataError: if the data set has no batches or no end, or its elements are no pairs of images and labels.
    """

    def __init__(self, dataset: tf.data.Dataset, epochs: int) -> None:
        self._dataset = as_batches(dataset).repeat()
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
        batch_size: images a batch; if there are fewer, each batch has all of them.
        epochs: epochs of a child.

    Attributes:
        steps: training steps of a child, over all its epochs.
        element_spec: of the batches.

    Raises:
        DataError: if the arrays do not fit one another.
    """

    def __init__(self, images: Any, labels: Any, batch_size: int, epochs: int) -> None:
        self._images, self._labels = _arrays(images, labels)
        count = len(self._images)
        self._batch_size = min(batch_size, count)
        self._steps_per_epoch = count // self._batch_size
        self._epochs = epochs
        self.steps = self._steps_per_epoch * epochs
        shape = [self._batch_size, *self._images.shape[1:]]
        self.element_spec = (tf.TensorSpec(shape, tf.float32), tf.TensorSpec([self._batch_size], tf.int32))

    def batches(self, seed: int) -> tf.data.Dataset:
        """Returns the batches of all epochs in an order that the seed decides."""
        rng = np.random.default_rng(seed)
        used = self._steps_per_epoch * self._batch_size
        orders = [rng.permutation(len(self._images))[:used] for _ in range(self._epochs)]
        plan = np.concatenate(orders).reshape(self.steps, self._batch_size)

        def batch(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = tf.gather(self._images, indices), tf.gather(self._labels, indices)
            return tf.ensure_shape(images, self.element_spec[0].shape), labels

        dataset = tf.data.Dataset.from_tensor_slices(plan).map(batch, tf.data.AUTOTUNE, deterministic=True)
        return dataset.prefetch(tf.data.AUTOTUNE)


def array_evaluation(images: Any, labels: Any) -> tf.data.Dataset:
    """Returns validation batches of arrays, in order; see `ArrayBatches` for the arguments."""
    dataset = tf.data.Dataset.from_tensor_slices(_arrays(images, labels)).batch(EVALUATION_BATCH)
    return dataset.prefetch(tf.data.AUTOTUNE)


def as_batches(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns a user's data set with float32 images and int32 class numbers.

    Raises:
        DataError: if its elements are no batches of (images, labels).
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or spec[0].shape.rank != 4 or spec[1].shape.rank not in (1, 2):
        raise DataError(
            "A data set must give batches of (images, labels): images [batch, height, width, channels], labels "
            f"[batch], [batch, 1] or one-hot [batch, classes]; sample weights are not understood. Received: {spec}"
        )

    def convert(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if labels.shape.rank == 2:
            labels = labels[:, 0] if labels.shape[1] == 1 else tf.argmax(labels, axis=-1)
        return tf.cast(images, tf.float32), tf.cast(labels, tf.int32)

    return dataset.map(convert, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


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


def _arrays(images: Any, labels: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    images, labels = np.asarray(images, np.float32), np.asarray(labels)
    if labels.ndim == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else labels.argmax(axis=-1)
    if images.ndim != 4 or labels.ndim != 1 or len(images) != len(labels) or not len(images):
        raise DataError(
            "Images must be [n, height, width, channels] and labels [n], [n, 1] or one-hot [n, classes], n at least 1. "
            f"Received: images {list(images.shape)}, labels {list(labels.shape)}"
        )
    return images, labels.astype(np.int32)
