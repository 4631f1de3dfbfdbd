"""The gradient of a network's loss, layer after layer.

Backwards through the layers by hand, and through each of them by a tape of its own: so the gradient of what several
layers read is added up in the order of these layers, whatever a layer's own graph looks like. The ReLUs that they share
have no tape: the gradient of each is one operation.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from epnas_tf.network.functions import CallLayer, Flat, Place, call_layer, outputs_of, steps_of
from epnas_tf.network.network import Network
from epnas_tf.space.graph import IMAGE, Key, Node


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
    """Returns a loss of the network's class scores while training, and its gradient.

    Args:
        network: gives the nodes and the layers.
        images: float [batch, height, width, channels].
        weights: the trainable variables of each layer that has any, flat.
        statistics: the other variables likewise.
        loss_of: gives the loss, a scalar, of the class scores, float32 [batch, classes].
        call: calls a layer.
    """
    recorded: dict[Key, Recorded] = {}

    def call_recorded(
        node: Node, layer: keras.layers.Layer, inputs: list[tf.Tensor], weights: Flat, statistics: Flat, training: bool
    ) -> tuple[tf.Tensor, Flat]:
        inputs = _told_apart(inputs, node.sources)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([tensor for tensor in (*inputs, weights) if tensor is not None])
            output, moved = call(node, layer, inputs, weights, statistics, training)
        recorded[node.key] = Recorded(tape, inputs)
        return output, moved

    outputs, after = outputs_of(network, images, weights, statistics, call_recorded, training=True)
    scores = outputs[network.graph.keys[-1], False]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(scores)
        loss = loss_of(scores)
    gradients = _backwards(network, outputs, recorded, weights, tape.gradient(loss, scores))
    return Gradient(loss, gradients, after)


def _backwards(
    network: Network,
    outputs: dict[Place, tf.Tensor],
    recorded: dict[Key, Recorded],
    weights: dict[Key, tf.Tensor],
    of_scores: tf.Tensor,
) -> dict[Key, tf.Tensor]:
    """Returns the gradient with respect to the weights of each layer, given that with respect to the class scores."""
    arrived: dict[Place, list[tf.Tensor]] = {place: [] for place in outputs}
    arrived[network.graph.keys[-1], False].append(of_scores)
    gradients = {}
    for step in reversed(list(steps_of(network))):
        of_output = ordered_sum(arrived.pop(step.place)[::-1])
        if step.node is None:
            of_input = tf.raw_ops.ReluGrad(gradients=of_output, features=outputs[step.place])
            arrived[step.sources[0]].append(of_input)
            continue
        key, (tape, inputs) = step.node.key, recorded[step.node.key]
        read = [(place, x) for place, x in zip(step.sources, inputs, strict=True) if place[0] != IMAGE]
        own = [weights[key]] if key in weights else []
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
    """Returns a layer's inputs; where it reads one several times, as other tensors, or each would get the sum."""
    return [tf.identity(x) if sources.count(key) > 1 else x for key, x in zip(sources, inputs, strict=True)]


def ordered_sum(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Returns ((a + b) + c) + …, bit for bit.

    `tf.add_n` would begin with whatever tensor nothing else reads any more, and so by what happens to be done first.
    """
    return functools.reduce(tf.add, tensors)
