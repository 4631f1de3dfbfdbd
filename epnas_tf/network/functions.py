"""Layers as pure functions: their values are arguments, not read from variables.

A search trains hundreds of networks made of few kinds of layers. `LayerFunctions` traces each kind once, forward and
backward; later networks only call it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from epnas_tf.network.network import Network
from epnas_tf.network.store import layer_takes_list
from epnas_tf.space.graph import IMAGE, Key, Node

Flat: TypeAlias = tf.Tensor | None
"""Some variables of one layer, concatenated, float32 [n]; None for none."""


class CallLayer(Protocol):
    """Computes a layer's output, as `call_layer` does."""

    def __call__(
        self,
        node: Node,
        layer: keras.layers.Layer,
        inputs: list[tf.Tensor],
        weights: Flat,
        statistics: Flat,
        training: bool,
    ) -> tuple[tf.Tensor, Flat]:
        """Returns the layer's output and its updated statistics."""


def call_layer(
    node: Node,
    layer: keras.layers.Layer,
    inputs: list[tf.Tensor],
    weights: Flat,
    statistics: Flat,
    training: bool,
) -> tuple[tf.Tensor, Flat]:
    """Calls a layer with these values in place of its variables.

    Args:
        node: the layer's place. No gradient is taken with respect to images.
        layer: the layer.
        inputs: one tensor for each source; already behind the layer's first ReLU if it `shares_relu`.
        weights: its trainable variables.
        statistics: its other variables, the moving statistics of its batch norm.
        training: whether batch norm uses the batch's statistics and moves its averages.

    Returns:
        The output, and the updated statistics, which have no gradient.
    """
    # Nothing trains the images, so their gradient is never computed.
    inputs = [tf.stop_gradient(x) if key == IMAGE else x for key, x in zip(node.sources, inputs, strict=True)]
    moving = layer.non_trainable_variables
    # With a shared ReLU, the layer must not apply its own again.
    options = {"activated": True} if shares_relu(node, layer) else {}
    mapping = [*_cut(layer.trainable_variables, weights), *_cut(moving, statistics)]
    # In the scope Keras reads the mapped values, and keeps assignments to itself: batch norm's averages are read back.
    with keras.StatelessScope(mapping) as scope:
        output = layer(inputs if layer_takes_list(layer) else inputs[0], training=training, **options)
        after = [scope.get_current_value(variable) for variable in moving]
    # The tape distinguishes tensors by identity: an identity layer's output must not be its input tensor.
    output = tf.identity(output) if output is inputs[0] else output
    return output, tf.stop_gradient(tf.concat(after, 0)) if training and after else statistics


def _cut(variables: list[keras.Variable], values: Flat) -> Iterator[tuple[keras.Variable, tf.Tensor]]:
    """Pairs each variable with its part of flat values."""
    shapes = [tuple(variable.shape) for variable in variables]
    # Consecutive parts, as long as the variables; vectors need no reshape, which saves operations.
    parts = [] if values is None else tf.split(values, [int(np.prod(shape)) for shape in shapes])
    for variable, part, shape in zip(variables, parts, shapes, strict=True):
        yield variable, part if len(shape) == 1 else tf.reshape(part, shape)


class LayerFunctions:
    """`call_layer`, traced once for all layers of one kind, size and input shape.

    On a CPU the results are the same bits, provided that Grappler is off (`prepare_tensorflow`): its passes see more of
    a graph without functions. Two cases are excluded: devices that share a batch, which would have to synchronise
    inside a function, and steps that XLA compiles, as it would treat the functions' inputs as constants.
    """

    def __init__(self) -> None:
        self._traced: dict[Any, Any] = {}

    def __call__(
        self,
        node: Node,
        layer: keras.layers.Layer,
        inputs: list[tf.Tensor],
        weights: Flat,
        statistics: Flat,
        training: bool,
    ) -> tuple[tf.Tensor, Flat]:
        """Calls a layer, as `call_layer` does."""
        reads_images = tuple(source == IMAGE for source in node.sources)
        shapes = tuple((x.dtype, *x.shape) for x in inputs)
        # Everything that the traced graph depends on.
        kind = (node.kind, node.channels, node.stride, layer.compute_dtype, reads_images, shapes, training)
        function = self._traced.get(kind)
        if function is None:
            function = self._traced[kind] = _trace(node, layer, inputs, weights, statistics, training)
        output, after = function(inputs, weights, statistics)
        return output, after

    def __len__(self) -> int:
        return len(self._traced)


def _trace(
    node: Node, layer: keras.layers.Layer, inputs: list[tf.Tensor], weights: Flat, statistics: Flat, training: bool
) -> Any:
    @tf.function(autograph=False)
    def function(inputs: list[tf.Tensor], weights: Flat, statistics: Flat) -> tuple[tf.Tensor, Flat]:
        return call_layer(node, layer, inputs, weights, statistics, training)

    def spec(tensor: Flat) -> tf.TensorSpec | None:
        return None if tensor is None else tf.TensorSpec(tensor.shape, tensor.dtype)

    return function.get_concrete_function([spec(tensor) for tensor in inputs], spec(weights), spec(statistics))


Place: TypeAlias = tuple[Key, bool]
"""A node's output, or with True the ReLU of that output."""


class Step(NamedTuple):
    """One step of a network: a layer, or a ReLU that several layers with the same source share.

    Attributes:
        place: the place of its output.
        sources: the places of its inputs.
        node: the layer's place in the network; None for a ReLU.
    """

    place: Place
    sources: tuple[Place, ...]
    node: Node | None


def shares_relu(node: Node, layer: keras.layers.Layer) -> bool:
    """Whether a layer shares its first ReLU with other layers that read the same source.

    A layer that reads the image does not: no gradient is taken there.
    """
    return getattr(layer, "begins_with_relu", False) and IMAGE not in node.sources


def steps_of(network: Network) -> Iterator[Step]:
    """Yields a network's layers in order, and each shared ReLU before the first layer that reads it."""
    taken: set[Place] = set()
    for node in network.graph:
        shares = shares_relu(node, network.layers[node.key])
        sources = tuple((source, shares) for source in node.sources)
        # The first reader of a shared ReLU brings that ReLU with it.
        for place in sources:
            if shares and place not in taken:
                taken.add(place)
                yield Step(place, ((place[0], False),), None)
        yield Step((node.key, False), sources, node)


def outputs_of(
    network: Network,
    images: tf.Tensor,
    weights: dict[Key, tf.Tensor],
    statistics: dict[Key, tf.Tensor],
    call: CallLayer,
    training: bool,
) -> tuple[dict[Place, tf.Tensor], dict[Key, tf.Tensor]]:
    """The outputs of all steps, and the updated statistics; the arguments are those of `class_scores`.

    With `training`, batch norm uses the batch's statistics and moves its averages.
    """
    outputs: dict[Place, tf.Tensor] = {(IMAGE, False): images}
    after: dict[Key, tf.Tensor] = {}
    for step in steps_of(network):
        inputs = [outputs[place] for place in step.sources]
        if step.node is None:
            outputs[step.place] = tf.nn.relu(inputs[0])
            continue
        key = step.node.key
        # The layer's values, each float32 [n]; None where it has none.
        own = weights.get(key), statistics.get(key)
        outputs[step.place], moved = call(step.node, network.layers[key], inputs, *own, training=training)
        if moved is not None:
            after[key] = moved
    return outputs, after


def class_scores(
    network: Network,
    images: tf.Tensor,
    weights: dict[Key, tf.Tensor],
    statistics: dict[Key, tf.Tensor],
    call: CallLayer = call_layer,
) -> tf.Tensor:
    """A network's class scores before the softmax; batch norm uses its moving statistics.

    Args:
        network: supplies the nodes and the layers.
        images: float [batch, height, width, channels].
        weights: the trainable variables of each layer that has any, flat.
        statistics: the other variables likewise.
        call: calls a layer.

    Returns:
        float32 [batch, classes].
    """
    outputs, _ = outputs_of(network, images, weights, statistics, call, training=False)
    return outputs[network.graph.keys[-1], False]
