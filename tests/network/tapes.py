"""The gradient by hand through a network's layers against that of one tape over the whole network."""

import numpy as np
import tensorflow as tf

from epnas_tf.network.functions import call_layer
from epnas_tf.network.gradient import loss_and_gradients
from epnas_tf.network.layout import Layout
from tests.network.values import split_values


def assert_like_one_tape(network, store, call=call_layer):
    """Compares loss, gradient and moved statistics, on random images."""
    shape, layout = network.shape, Layout(store, network.layers)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(4, *shape.image_shape)), tf.float32)
    labels = tf.constant(rng.integers(0, shape.num_classes, 4))

    def loss_of(scores):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))

    values, (weights, statistics) = layout.read(), split_values(store, network)
    loss, gradients, after = loss_and_gradients(network, images, weights, statistics, loss_of, call)
    variables = [variable.value for variable in network.trainable_variables]
    with tf.GradientTape() as tape:
        expected_loss = loss_of(network(images, training=True))
    expected = tape.gradient(expected_loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert float(loss) == float(expected_loss)
    together = np.concatenate([np.ravel(gradient) for gradient in expected])
    assert gradients.keys() == weights.keys()
    np.testing.assert_allclose(layout.weights.join(gradients), together, rtol=1e-4, atol=1e-6)  # sums in another order
    # The variables of the network that ran by itself have moved as the flat statistics say.
    moved = layout.read()
    np.testing.assert_array_equal(layout.statistics.join(after), moved.statistics)
    np.testing.assert_array_equal(values.weights, moved.weights)
