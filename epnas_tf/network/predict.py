"""The predictions of a network for many images."""

from typing import Any

import numpy as np
import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.network.network import Network


def predict(network: Network, batches: tf.data.Dataset) -> Float32Array:
    """Predicts the class probabilities of all images.

    Args:
        network: the network; batch norm uses its moving statistics.
        batches: float32 images [batch, height, width, channels], normalised, with labels, which are ignored.

    Returns:
        float32 [n, classes].
    """

    @tf.function(autograph=False, input_signature=[batches.element_spec[0]])
    def probabilities(images: Any) -> Any:
        return tf.nn.softmax(network(images, training=False))

    return np.concatenate([probabilities(images).numpy() for images, _ in batches])
