"""The gradient of a network's loss, layer by layer.

The backward pass visits the layers in reverse; within each layer a tape of its own does the work. The gradient of an
output that several layers read is therefore summed in the order of those layers, whatever the graph inside a layer.
Shared ReLUs have no tape: the gradient of each is one operation.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from epnas_tf.network.functions import CallLayer, Flat, Place, call_layer, outputs_of, steps_of
from epnas_tf.network.network import Network
from epnas_tf.nn.merging import ordered_sum
from epnas_tf.space.graph import IMAGE, Key, Node


class Gradient(NamedTuple):
    """A training loss, its gradient, and the statistics after the forward pass.

    Attributes:
        loss: float32 scalar.
        weights: the gradient with respect to each layer's trainable variables, flat.
        statistics: the updated values of each layer's other variables, flat.
    """

    loss: tf.Tensor
    weights: dict[Key, tf.Tensor]
    statistics: dict[Key, tf.Tensor]


class Recorded(NamedTuple):
    """A layer's tape, and the inputs that it watched."""

    tape: tf.GradientTape
    inputs: list[tf.Tensor]


def loss_and_gradients(
    network: Network,
    images: tf.Tensor,
    weights: dict[Key, tf.Tensor],
    statistics: dict[Key, tf.Tensor],
    loss_of: Callable[[tf.Tensor], tf.Tensor],
    call: CallLayer = call_layer,
) -> Gradient:
    """Computes a training loss of the network's class scores, and its gradient.

    Args:
        network: supplies the nodes and the layers.
        images: float [batch, height, width, channels].
        weights: the trainable variables of each layer that has any, flat.
        statistics: the other variables likewise.
        loss_of: maps class scores, float32 [batch, classes], to a scalar loss.
        call: calls a layer.
    """
    recorded: dict[Key, Recorded] = {}

    def call_recorded(
        node: Node, layer: keras.layers.Layer, inputs: list[tf.Tensor], weights: Flat, statistics: Flat, training: bool
    ) -> tuple[tf.Tensor, Flat]:
        # One tape a layer: it watches the layer's inputs and its flat weights, and records nothing of other layers.
        inputs = _told_apart(inputs, node.sources)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([tensor for tensor in (*inputs, weights) if tensor is not None])
            output, moved = call(node, layer, inputs, weights, statistics, training)
        recorded[node.key] = Recorded(tape, inputs)
        return output, moved

    # The forward pass. The last node gives the class scores, float32 [batch, classes].
    outputs, after = outputs_of(network, images, weights, statistics, call_recorded, training=True)
    scores = outputs[network.graph.keys[-1], False]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(scores)
        loss = loss_of(scores)
    # The backward pass starts from the gradient with respect to the class scores.
    gradients = _backwards(network, outputs, recorded, weights, tape.gradient(loss, scores))
    return Gradient(loss, gradients, after)


def _backwards(
    network: Network,
    outputs: dict[Place, tf.Tensor],
    recorded: dict[Key, Recorded],
    weights: dict[Key, tf.Tensor],
    of_scores: tf.Tensor,
) -> dict[Key, tf.Tensor]:
    """Propagates the gradient of the class scores back to the weights of each layer."""
    # For each place, the gradients that its readers have sent back so far, each in the shape of its output.
    arrived: dict[Place, list[tf.Tensor]] = {place: [] for place in outputs}
    arrived[network.graph.keys[-1], False].append(of_scores)
    gradients = {}
    for step in reversed(list(steps_of(network))):
        # Every reader comes later in the network, so all gradients have arrived. They came from the last reader to the
        # first; reversed, they are summed in the order of the layers.
        of_output = ordered_sum(arrived.pop(step.place)[::-1])
        # A shared ReLU passes the gradient where its output is positive.
        if step.node is None:
            of_input = tf.raw_ops.ReluGrad(gradients=of_output, features=outputs[step.place])
            arrived[step.sources[0]].append(of_input)
            continue
        key, (tape, inputs) = step.node.key, recorded[step.node.key]
        # The images and layers without weights need no gradient.
        read = [(place, x) for place, x in zip(step.sources, inputs, strict=True) if place[0] != IMAGE]
        own = [weights[key]] if key in weights else []
        # A source that the output does not depend on gets zeros, so every source gets a gradient.
        of_inputs, of_own = tape.gradient(
            outputs[step.place],
            ([x for _, x in read], own),
            output_gradients=of_output,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        if own:
            (gradients[key],) = of_own
        for (place, _), of_input in zip(read, of_inputs, strict=True):
            arrived[place].append(of_input)
    return gradients


def _told_apart(inputs: list[tf.Tensor], sources: tuple[Key, ...]) -> list[tf.Tensor]:
    """Makes repeated inputs of a layer distinct tensors; otherwise each would get the gradient of their sum."""
    return [tf.identity(x) if sources.count(key) > 1 else x for key, x in zip(sources, inputs, strict=True)]
