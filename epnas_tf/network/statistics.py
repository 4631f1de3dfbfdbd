"""The statistics of batch norm taken anew: those of given weights, not averages over the training that led to them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from epnas_tf.network.layout import FlatValues
from epnas_tf.nn.batch_norm import MOMENTUM


def make_fresh_statistics(moved: Callable[[tf.Tensor, FlatValues], tf.Tensor], count: int) -> Any:
    """Returns a `tf.function` that takes the statistics of batch norm anew.

    Args:
        moved: gives what flat statistics become by a batch of images, of the images and the values before.
        count: batches to take the mean over.

    Returns:
        A function from a dataset of at least `count` batches and the values to the values with new statistics.
    """

    @tf.function(autograph=False)
    def fresh_statistics(batches: tf.data.Dataset, values: FlatValues) -> FlatValues:
        iterator = iter(batches)
        none = tf.zeros_like(values.statistics)

        def body(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # An average that was zero moves to this part of the batch's statistics.
            return number + 1, total + moved(next(iterator)[0], values._replace(statistics=none)) / (1.0 - MOMENTUM)

        _, total = tf.while_loop(lambda number, _: number < count, body, (tf.constant(0), none))
        return values._replace(statistics=total / count)

    return fresh_statistics
