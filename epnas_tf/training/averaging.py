"""The moving average of a network's variables over the training steps."""

import tensorflow as tf

from epnas_tf.network.network import Network


def update_average(averaged: Network, trained: Network, decay: float, number: tf.Tensor) -> None:
    """Moves the variables of a network towards those of another, by one step of an exponential moving average.

    Args:
        averaged: holds the averages, of batch norm's statistics too.
        trained: has at least the layers of `averaged`.
        decay: weight of the old average; less in the first steps, so that the initial values are soon forgotten.
        number: integer scalar, the steps before this one.
    """
    done = tf.cast(number, tf.float32)
    rate = 1.0 - tf.minimum(decay, (1.0 + done) / (10.0 + done))
    for key, layer in averaged.layers.items():
        for average, variable in zip(layer.weights, trained.layers[key].weights, strict=True):
            average.value.assign_sub(rate * (average.value - variable.value))
