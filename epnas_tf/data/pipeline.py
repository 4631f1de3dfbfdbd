"""From images in memory to batches of tensors.

A search trains hundreds of children, one after the other, on the same images. So everything that does not depend on the
seed is done once: the images lie in memory as bytes, and one traced function turns a seed into a data set.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.data.augmentation import UNCHANGED, Augmentation
from epnas_tf.data.values import ImageData, Images
from epnas_tf.errors import ConfigError

EVALUATION_BATCH = 500
"""Images that are evaluated at a time; decides speed and memory, not the result."""

Scale = Float32Array | float
"""A number for each channel, or one for all."""

BATCHES_AHEAD = 2
"""Batches that lie ready, beside those that are being made, at most one a core and 16."""


def map_in_order(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """Returns what a function makes of a data set's elements, several at a time, in their order.

    Args:
        dataset: the data set.
        function: of TensorFlow operations only: AutoGraph does not look for control flow in it, which takes time.
    """
    function = tf.autograph.experimental.do_not_convert(function)
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def made_ahead(dataset: tf.data.Dataset, tuned: bool = False) -> tf.data.Dataset:
    """Returns a data set whose next elements are made while one is in use.

    TensorFlow does not tune how: the thread that tunes sleeps for 10, 20, 40 ms and so on, up to a minute, and the end
    of a pass often waits until it wakes, which can double the time of the pass. Without tuning, AUTOTUNE in `map` means
    a call for each core, at most 16.

    Args:
        dataset: the data set.
        tuned: whether TensorFlow is to tune it all the same.
    """
    options = tf.data.Options()
    options.autotune.enabled = tuned
    return dataset.prefetch(BATCHES_AHEAD).with_options(options)


class Arrays(NamedTuple):
    """Labelled images in main memory, as tensors.

    Attributes:
        images: [n, height, width, channels], bytes as bytes and else float32.
        labels: int32 [n], class numbers.
    """

    images: tf.Tensor
    labels: tf.Tensor


class ArrayData(NamedTuple):
    """Training images that are taken as they are, where an `ImageData` is normalised.

    Attributes:
        train: the images.
        augmentation: what they go through; its zero is zero.
        mean: what is taken from each pixel.
        std: what each pixel is then divided by.
    """

    train: Arrays
    augmentation: Augmentation = UNCHANGED
    mean: float = 0.0
    std: float = 1.0


def normalise(images: tf.Tensor, mean: Scale, std: Scale) -> tf.Tensor:
    """Brings pixels to mean 0 and standard deviation 1.

    Args:
        images: [batch, height, width, channels], any numeric type; the last three sizes are known.
        mean: float32 [channels], or one number for all of them, in the images' unit.
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

    Every epoch goes through the images in a new order, drops those that fill no whole batch (other ones each time), and
    augments each image anew.

    Args:
        data: the data set; its `train` part is used, and its `augmentation`.
        batch_size: images a batch; if there are fewer, each batch has all of them.
        epochs: how often to go through the images.

    Attributes:
        steps: batches in all epochs together.
        element_spec: what one batch is: float32 [batch, height, width, channels], normalised, and int32 [batch].

    Raises:
        ConfigError: if `batch_size` or `epochs` is less than 1, or the augmentation does not fit the images.
    """

    def __init__(self, data: ImageData | ArrayData, batch_size: int, epochs: int) -> None:
        for name, value in (("batch_size", batch_size), ("epochs", epochs)):
            if value < 1:
                raise ConfigError(f"`{name}` must be at least 1. Received: {name}={value}. Use a larger number.")
        self._image_shape = tuple(data.train.images.shape[1:])
        data.augmentation.check_fits(min(self._image_shape[:2]))
        self._data = data
        self._count = len(data.train.labels)
        self._batch_size = min(batch_size, self._count)
        self._steps_per_epoch = self._count // self._batch_size
        self._epochs = epochs
        # Batches are made on the CPU, also where a GPU trains on them.
        with tf.device("CPU:0"):
            self._images = tf.constant(data.train.images)
            self._labels = tf.constant(data.train.labels)
            # Traced by hand: TensorFlow warns of a program that calls several of one `tf.function` for the first time.
            make = tf.function(self._dataset, input_signature=[tf.TensorSpec([], tf.int64)], autograph=False)
            self._make = make.get_concrete_function()

    @property
    def steps(self) -> int:
        """Batches in all epochs together."""
        return self._steps_per_epoch * self._epochs

    @property
    def element_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """What one batch is: images and labels, the batch size known."""
        return (
            tf.TensorSpec([self._batch_size, *self._image_shape], tf.float32),
            tf.TensorSpec([self._batch_size], tf.int32),
        )

    def batches(self, seed: int) -> tf.data.Dataset:
        """Returns the batches of all epochs; cheap, and nothing is traced again for another seed.

        Args:
            seed: decides the order and the augmentation. The same seed gives the same batches, bit for bit.

        Returns:
            `steps` elements of `element_spec`. It can be passed to a `tf.function` that has
            `tf.data.DatasetSpec(pipeline.element_spec)` in its signature. Keep the pipeline while it is in use.
        """
        with tf.device("CPU:0"):
            return self._make(tf.constant(seed, tf.int64))

    def _dataset(self, seed: tf.Tensor) -> tf.data.Dataset:
        run_seed = tf.stack([seed, tf.constant(0, tf.int64)])
        size, steps = self._batch_size, self._steps_per_epoch

        def epoch_plan(epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            """The images of each step, int64 [steps, size], and a seed for each, int64 [steps, 2]."""
            seeds = tf.random.split(tf.random.fold_in(run_seed, epoch), steps + 1)
            order = tf.random.experimental.stateless_shuffle(tf.range(self._count, dtype=tf.int64), seeds[0])
            return tf.reshape(order[: steps * size], [steps, size]), seeds[1:]

        def batch(indices: tf.Tensor, batch_seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = normalise(tf.gather(self._images, indices), self._data.mean, self._data.std)
            images = self._data.augmentation(images, batch_seed)
            return tf.ensure_shape(images, [size, *self._image_shape]), tf.gather(self._labels, indices)

        # One epoch is planned at a time: a plan of all would hold up the first batch of a long training.
        dataset = tf.data.Dataset.range(self._epochs).map(epoch_plan).unbatch()
        dataset = map_in_order(dataset, batch)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        # Nothing here is left to rewrite, and rewriting took a third of the time until a child's first batch.
        options = tf.data.Options()
        options.experimental_optimization.apply_default_optimizations = False
        return made_ahead(dataset).with_options(options)


def evaluation_batches(
    images: Images | Arrays, mean: Scale = 0.0, std: Scale = 1.0, batch_size: int = EVALUATION_BATCH
) -> tf.data.Dataset:
    """Returns the batches of a validation or test part: in order, normalised, nothing left out.

    Args:
        images: the images and labels, n of them.
        mean: as `ImageData` has it; images are taken as they are unless it is given.
        std: the same.
        batch_size: images a batch; the last batch has what is left.

    Returns:
        Batches of float32 [batch, height, width, channels] and int32 [batch], the batch size unknown.

    Raises:
        ConfigError: if `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise ConfigError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}. Use a larger number.")
    with tf.device("CPU:0"):
        pixels, labels = tf.constant(images.images), tf.constant(images.labels)

    def batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = pixels[start : start + batch_size]
        return normalise(part, mean, std), labels[start : start + batch_size]

    # Slices of the whole array: to take images one by one and batch them would copy each twice.
    dataset = tf.data.Dataset.range(0, len(images.labels), batch_size)
    return made_ahead(map_in_order(dataset, batch))
