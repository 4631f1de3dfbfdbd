"""The gradient of a network's loss, layer after layer.

Backwards through the layers by hand, and through each of them by a tape of its own: so the gradient of what several
layers read is added up in the order of these layers, and a graph that serves many architectures can do the same.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from epnas_tf.network.graph import IMAGE, Key
from epnas_tf.network.network import Network

Gradients = dict[Key, list[tf.Tensor]]
"""Of each layer's trainable variables."""


def loss_and_gradients(
    network: Network, images: tf.Tensor, weights: dict[Key, list[tf.Tensor]], loss_of: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, Gradients]:
    """Returns a loss of the network's class scores while training, and its gradient.

    Args:
        network: the network, whose layers compute with `weights`.
        images: float [batch, height, width, channels].
        weights: the trainable variables of each layer.
        loss_of: gives the loss, a scalar, of the class scores, float32 [batch, classes].

    Returns:
        The loss, and for each layer the gradients of its variables.
    """
    outputs: dict[Key, Any] = {IMAGE: images}
    tapes: dict[Key, tf.GradientTape] = {}
    for node in network.graph:
        inputs = [outputs[source] for source in node.sources]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*inputs, *weights[node.key]])
            output = network.call(node, inputs, training=True)
            # A tape knows tensors, not nodes: what an identity gives must be another tensor than what it reads.
            outputs[node.key] = tf.identity(output) if output is inputs[0] else output
        tapes[node.key] = tape
    last = network.graph.keys[-1]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(outputs[last])
        loss = loss_of(outputs[last])
    arrived: dict[Key, list[tf.Tensor]] = {key: [] for key in outputs}
    arrived[last].append(tape.gradient(loss, outputs[last]))
    gradients: Gradients = {}
    for node in reversed(list(network.graph)):
        read = [source for source in node.sources if source != IMAGE]
        inputs = [outputs[source] for source in read]
        of_inputs, gradients[node.key] = tapes[node.key].gradient(
            outputs[node.key], (inputs, weights[node.key]), output_gradients=added(arrived.pop(node.key)[::-1])
        )
        for source, gradient in zip(read, of_inputs, strict=True):
            arrived[source].append(gradient)
    return loss, gradients


def added(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Returns ((a + b) + c) + …, bit for bit."""
    return tensors[0] if len(tensors) == 1 else tf.add_n(tensors)
