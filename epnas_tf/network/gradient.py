"""The gradient of a network's loss, layer after layer.

Backwards through the layers by hand, and through each of them by a tape of its own: so the gradient of what several
layers read is added up in the order of these layers, whatever a layer's own graph looks like.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from epnas_tf.network.functions import CallLayer, call_layer, steps_of
from epnas_tf.network.graph import IMAGE, Key
from epnas_tf.network.network import Network


class Gradient(NamedTuple):
    """A loss while training, and what comes with it.

    Attributes:
        loss: float32 scalar.
        weights: its gradient with respect to each layer's trainable variables, flat.
        statistics: what each layer's other variables have become, flat.
    """

    loss: tf.Tensor
    weights: dict[Key, tf.Tensor]
    statistics: dict[Key, tf.Tensor]


def loss_and_gradients(
    network: Network,
    images: tf.Tensor,
    weights: dict[Key, tf.Tensor],
    statistics: dict[Key, tf.Tensor],
    loss_of: Callable[[tf.Tensor], tf.Tensor],
    call: CallLayer = call_layer,
) -> Gradient:
    """Returns a loss of the network's class scores while training, and its gradient.

    Args:
        network: gives the nodes and the layers.
        images: float [batch, height, width, channels].
        weights: the trainable variables of each layer that has any, flat.
        statistics: the other variables likewise.
        loss_of: gives the loss, a scalar, of the class scores, float32 [batch, classes].
        call: calls a layer.
    """
    outputs: dict[Key, Any] = {IMAGE: images}
    tapes: dict[Key, tf.GradientTape] = {}
    after: dict[Key, tf.Tensor] = {}
    for key, sources, node, activated in steps_of(network):
        inputs = [outputs[source] for source in sources]
        if node is None:
            outputs[key] = tf.nn.relu(inputs[0])
            continue
        arguments = (inputs, weights.get(key), statistics.get(key))
        with tf.GradientTape(watch_accessed_variables=False) as tapes[key]:
            tapes[key].watch([tensor for tensor in (*inputs, weights.get(key)) if tensor is not None])
            outputs[key], moved = call(node, network.layers[key], *arguments, training=True, activated=activated)
        if moved is not None:
            after[key] = moved
    last = network.graph.keys[-1]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(outputs[last])
        loss = loss_of(outputs[last])
    of_scores = tape.gradient(loss, outputs[last])
    return Gradient(loss, _backwards(network, outputs, tapes, weights, of_scores), after)


def _backwards(
    network: Network,
    outputs: dict[Key, Any],
    tapes: dict[Key, tf.GradientTape],
    weights: dict[Key, tf.Tensor],
    of_scores: tf.Tensor,
) -> dict[Key, tf.Tensor]:
    """Returns the gradient with respect to the weights of each layer, given that with respect to the class scores."""
    arrived: dict[Key, list[tf.Tensor]] = {key: [] for key in outputs}
    arrived[network.graph.keys[-1]].append(of_scores)
    gradients = {}
    for step in reversed(list(steps_of(network))):
        key, read = step.key, [source for source in step.sources if source != IMAGE]
        of_output = added(arrived.pop(key)[::-1])
        if step.node is None:
            arrived[read[0]].append(tf.raw_ops.ReluGrad(gradients=of_output, features=outputs[key]))
            continue
        inputs = [outputs[source] for source in read]
        own = [weights[key]] if key in weights else []
        of_inputs, of_own = tapes[key].gradient(outputs[key], (inputs, own), output_gradients=of_output)
        if own:
            (gradients[key],) = of_own
        for source, of_input in zip(read, of_inputs, strict=True):
            arrived[source].append(of_input)
    return gradients


def added(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Returns ((a + b) + c) + …, bit for bit.

    `tf.add_n` would begin with whatever tensor nothing else reads any more, and so by what happens to be done first.
    """
    return functools.reduce(tf.add, tensors)
