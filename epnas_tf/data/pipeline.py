"""From images in memory, or in a file, to batches of tensors.

A search trains hundreds of children, one after the other, on the same images. Work that does not depend on the seed is
done once: the images stay in memory as bytes, and one traced function turns a seed into a data set. Those that are
stored in a file are read batch by batch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.data.augmentation import UNCHANGED, Augmentation
from epnas_tf.data.pixels import Pixels, StoredPixels
from epnas_tf.data.values import ImageData, Images
from epnas_tf.errors import ConfigError

EVALUATION_BATCH = 500
"""Images of an evaluation batch; affects speed and memory, not the result."""

Scale = Float32Array | float
"""One number for each channel, or one for all channels."""

BATCHES_AHEAD = 2
"""Finished batches that are kept ready, besides those being made (one a core, at most 16)."""


def map_in_order(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """Maps a function over a data set in parallel, keeping the order.

    Args:
        dataset: the data set.
        function: a function of TensorFlow operations only; AutoGraph, which takes time, is not applied.
    """
    function = tf.autograph.experimental.do_not_convert(function)
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def made_ahead(dataset: tf.data.Dataset, tuned: bool = False) -> tf.data.Dataset:
    """Prefetches a data set: its next elements are made while one is in use.

    TensorFlow's autotuning is off by default: its thread sleeps for 10, 20, 40 ms and so on, up to a minute, and the
    end of a pass often waits for it, which can double the time of the pass. Without autotuning, AUTOTUNE in `map` means
    one call a core, at most 16.

    Args:
        dataset: the data set.
        tuned: whether to enable autotuning.
    """
    options = tf.data.Options()
    options.autotune.enabled = tuned
    return dataset.prefetch(BATCHES_AHEAD).with_options(options)


class Arrays(NamedTuple):
    """Labelled images in main memory, as tensors.

    Attributes:
        images: [n, height, width, channels], uint8 or float32.
        labels: int32 [n], class numbers.
    """

    images: tf.Tensor
    labels: tf.Tensor


class ArrayData(NamedTuple):
    """Training images that are used as they are; those of an `ImageData` are normalised.

    Attributes:
        train: the images.
        augmentation: their augmentation, which fills with 0.
        mean: the number subtracted from each pixel.
        std: the number that each pixel is then divided by.
    """

    train: Arrays
    augmentation: Augmentation = UNCHANGED
    mean: float = 0.0
    std: float = 1.0


def normalise(images: tf.Tensor, mean: Scale, std: Scale) -> tf.Tensor:
    """Normalises pixels to mean 0 and standard deviation 1.

    Args:
        images: [batch, height, width, channels], any numeric type; the last three sizes are known.
        mean: float32 [channels], or one number for all, in the unit of the images.
        std: the same, above 0.

    Returns:
        float32, the shape of `images`.
    """
    _, height, width, channels = images.shape
    # Rows of width × channels make the innermost loop long: with three channels alone it is nine times slower.
    rows = tf.reshape(tf.cast(images, tf.float32), [-1, height, width * channels])
    mean, std = (tf.tile(tf.broadcast_to(value, [channels]), [width]) for value in (mean, std))
    return tf.reshape((rows - mean) / std, [-1, height, width, channels])


class TrainingPipeline:
    """Makes the training batches of any number of children.

    Every epoch shuffles the images, drops those that do not fill a whole batch (different ones each time), and augments
    each image anew.

    Args:
        data: the data set; its `train` part and its `augmentation` are used.
        batch_size: images a batch; if there are fewer, each batch has all of them.
        epochs: number of passes over the images.

    Attributes:
        steps: number of batches of all epochs.
        element_spec: specification of a batch: float32 [batch, height, width, channels], normalised, and int32 [batch].

    Raises:
        ConfigError: if `batch_size` or `epochs` is less than 1, or the augmentation does not fit the images.
    """

    def __init__(self, data: ImageData | ArrayData, batch_size: int, epochs: int) -> None:
        _check_positive("batch_size", batch_size)
        _check_positive("epochs", epochs)
        self._image_shape = tuple(data.train.images.shape[1:])
        data.augmentation.check_fits(min(self._image_shape[:2]))
        self._data = data
        self._count = len(data.train.labels)
        self._batch_size = min(batch_size, self._count)
        self._steps_per_epoch = self._count // self._batch_size
        self._epochs = epochs
        self.steps = self._steps_per_epoch * epochs
        self.element_spec = (
            tf.TensorSpec([self._batch_size, *self._image_shape], tf.float32),
            tf.TensorSpec([self._batch_size], tf.int32),
        )
        # Batches are made on the CPU, even if a GPU trains on them.
        with tf.device("CPU:0"):
            self._images = _reader(data.train.images)
            self._labels = tf.constant(data.train.labels)
            # Traced explicitly: TensorFlow warns of programs that make and call many `tf.function`s.
            make = tf.function(self._dataset, input_signature=[tf.TensorSpec([], tf.int64)], autograph=False)
            self._make = make.get_concrete_function()

    def batches(self, seed: int) -> tf.data.Dataset:
        """The batches of all epochs; cheap, since another seed needs no new trace.

        Args:
            seed: decides the order and the augmentation. The same seed gives the same batches, bit for bit.

        Returns:
            `steps` elements of `element_spec`. The data set can be passed to a `tf.function` with
            `tf.data.DatasetSpec(pipeline.element_spec)` in its signature. Keep the pipeline while it is in use.
        """
        with tf.device("CPU:0"):
            return self._make(tf.constant(seed, tf.int64))

    def _dataset(self, seed: tf.Tensor) -> tf.data.Dataset:
        run_seed = tf.stack([seed, tf.constant(0, tf.int64)])
        size, steps = self._batch_size, self._steps_per_epoch

        def epoch_plan(epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            """The images of each step, int64 [steps, size], and a seed for each step, int64 [steps, 2]."""
            seeds = tf.random.split(tf.random.fold_in(run_seed, epoch), steps + 1)
            order = tf.random.experimental.stateless_shuffle(tf.range(self._count, dtype=tf.int64), seeds[0])
            return tf.reshape(order[: steps * size], [steps, size]), seeds[1:]

        def batch(indices: tf.Tensor, batch_seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = normalise(self._images(indices), self._data.mean, self._data.std)
            images = self._data.augmentation(images, batch_seed)
            return tf.ensure_shape(images, [size, *self._image_shape]), tf.gather(self._labels, indices)

        # One epoch is planned at a time: a plan of all would delay the first batch of a long training.
        dataset = tf.data.Dataset.range(self._epochs).map(epoch_plan).unbatch()
        dataset = map_in_order(dataset, batch)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        # Graph rewriting finds nothing to improve here, and took a third of the time until a child's first batch.
        options = tf.data.Options()
        options.experimental_optimization.apply_default_optimizations = False
        return made_ahead(dataset).with_options(options)


def evaluation_batches(
    images: Images | Arrays, mean: Scale = 0.0, std: Scale = 1.0, batch_size: int = EVALUATION_BATCH
) -> tf.data.Dataset:
    """The batches of a validation or test part: in order, normalised and complete.

    Args:
        images: the images and labels, n of them.
        mean: the mean, as in `ImageData`; by default, images are not normalised.
        std: the standard deviation, likewise.
        batch_size: images a batch; the last batch may be smaller.

    Returns:
        Batches of float32 [batch, height, width, channels] and int32 [batch], the batch size unknown.

    Raises:
        ConfigError: if `batch_size` is less than 1.
    """
    _check_positive("batch_size", batch_size)
    count = len(images.labels)
    with tf.device("CPU:0"):
        pixels, labels = _reader(images.images), tf.constant(images.labels)

    def batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places = tf.range(start, tf.minimum(start + batch_size, count))
        return normalise(pixels(places), mean, std), labels[start : start + batch_size]

    # Slices of the whole array: batching single images would copy each of them twice.
    dataset = tf.data.Dataset.range(0, count, batch_size)
    return made_ahead(map_in_order(dataset, batch))


def _reader(pixels: Pixels | tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function from indices, int64 [m], to images, [m, height, width, channels]."""
    if not isinstance(pixels, StoredPixels):
        tensor = tf.constant(pixels)
        return lambda indices: tf.gather(tensor, indices)

    def read(indices: tf.Tensor) -> tf.Tensor:
        images = tf.numpy_function(pixels.__getitem__, [indices], tf.uint8, stateful=False)
        return tf.ensure_shape(images, [None, *pixels.shape[1:]])

    return read


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"`{name}` must be at least 1. Received: {name}={value}. Use a larger number.")
