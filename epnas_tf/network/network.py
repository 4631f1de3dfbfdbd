"""The network of one architecture over the shared variables: callable on tensors and on Keras's symbolic inputs."""

import collections
from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf

from epnas_tf.network.store import VariableStore, layer_takes_list
from epnas_tf.nn.base import Shape
from epnas_tf.nn.merging import ordered_sum
from epnas_tf.space.definition import build_graph
from epnas_tf.space.graph import IMAGE, Graph, Key, NetworkShape, Node


class Regularizer(Protocol):
    """A change of the values between layers during training, such as drop-path."""

    def inputs(self, node: Node, tensors: list[Any]) -> list[Any]:
        """The inputs of a node in place of `tensors`."""

    def output(self, node: Node, tensor: Any) -> Any:
        """The output of a node in place of `tensor`."""


class Network:
    """The layers of one architecture, called in order.

    The search traces it on tensors; `to_model` calls it on a symbolic input.

    Args:
        architecture: an architecture that `build_graph` takes.
        shape: fixes the network beside its architecture.
        store: holds the layers; a store of its own makes the network independent.
        graph: the network's nodes, if they differ from those of the architecture.

    Raises:
        ValueError: if the architecture's class scores do not depend on every node.

    Example:
        >>> import tensorflow as tf
        >>> import epnas_tf
        >>> architecture = epnas_tf.MacroSpace(layers=1).architecture([2])
        >>> shape = epnas_tf.NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=1)
        >>> network = epnas_tf.Network(architecture, shape, epnas_tf.VariableStore(seed=0))
        >>> tuple(network(tf.zeros([2, 8, 8, 1])).shape)
        (2, 10)
    """

    def __init__(
        self, architecture: Any, shape: NetworkShape, store: VariableStore, graph: Graph | None = None
    ) -> None:
        self.architecture = architecture
        self.shape = shape
        self.graph: Graph = _whole_graph(architecture, shape) if graph is None else graph
        self.layers: dict[Key, keras.layers.Layer] = {}
        shapes: dict[Key, Shape] = {IMAGE: (None, *shape.image_shape)}
        for node in self.graph:
            input_shapes = [shapes[source] for source in node.sources]
            layer = store.layer(node, input_shapes)
            self.layers[node.key] = layer
            joined = input_shapes if layer_takes_list(layer) else input_shapes[0]
            shapes[node.key] = layer.compute_output_shape(joined)

    def __call__(self, images: Any, training: bool | None = False) -> Any:
        """Computes the class scores before the softmax.

        Args:
            images: float [batch, height, width, channels], a tensor or a `keras.KerasTensor`.
            training: whether batch norm uses the batch's statistics and moves its averages; None leaves it to the
                Keras model that contains the network.

        Returns:
            float32 [batch, classes].
        """
        return self.outputs(images, training)[self.graph.keys[-1]]

    def outputs(
        self, images: Any, training: bool | None = False, regularizer: Regularizer | None = None
    ) -> dict[Key, Any]:
        """Computes the output of every node.

        Args:
            images: as for a call.
            training: as for a call.
            regularizer: changes the inputs and outputs of nodes; None for no change.
        """
        outputs: dict[Key, Any] = {IMAGE: images}
        readers = collections.Counter(source for node in self.graph for source in node.sources)
        unread = {IMAGE: iter([images] * readers[IMAGE])}
        for node in self.graph:
            inputs = [next(unread[source]) for source in node.sources]
            if regularizer is not None:
                inputs = regularizer.inputs(node, inputs)
            output = self.call(node, inputs, training)
            output = output if regularizer is None else regularizer.output(node, output)
            outputs[node.key] = output
            count = readers[node.key]
            unread[node.key] = iter(_copies(output, count) if training is True else [output] * count)
        return outputs

    def call(self, node: Node, inputs: list[Any], training: bool | None) -> Any:
        """Computes the output of a node for its inputs."""
        layer = self.layers[node.key]
        return layer(inputs if layer_takes_list(layer) else inputs[0], training=training)

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The variables that training changes, layer after layer."""
        return [variable for layer in self.layers.values() for variable in layer.trainable_variables]

    @property
    def num_parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(variable.value.shape.num_elements() for variable in self.trainable_variables)


def _copies(tensor: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Returns a tensor several times, for as many readers; their gradients are summed in order.

    A tape sums those of one tensor by `tf.add_n`, see `ordered_sum`.
    """
    if count < 3:  # the sum of two does not depend on their order
        return [tensor] * count

    @tf.custom_gradient
    def copied(x: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., tf.Tensor]]:
        return [tf.identity(x) for _ in range(count)], lambda *upstream: ordered_sum(list(upstream))

    return list(copied(tensor))


def _whole_graph(architecture: Any, shape: NetworkShape) -> Graph:
    graph = build_graph(architecture, shape)
    if unread := set(graph.keys) - set(graph.without_unread().keys):
        raise ValueError(
            "The class scores must depend on every node, or nothing could train it; see `Graph.without_unread`. "
            f"Received: {sorted(unread, key=str)} beside the others"
        )
    return graph


def to_model(network: Network, name: str = "epnas_network") -> keras.Model:
    """Makes a functional Keras model of the network that ends in a softmax (paper, section 3).

    The two share their layers: training one trains the other.

    Example:
        >>> import epnas_tf
        >>> architecture = epnas_tf.MacroSpace(layers=1).architecture([2])
        >>> shape = epnas_tf.NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=1)
        >>> model = epnas_tf.to_model(epnas_tf.Network(architecture, shape, epnas_tf.VariableStore(seed=0)))
        >>> model.output_shape
        (None, 10)
    """
    images = keras.Input(network.shape.image_shape, name="images")
    probabilities = keras.layers.Softmax(name="probabilities", dtype=tf.float32)(network(images, training=None))
    model = keras.Model(images, probabilities, name=name)
    model.dtype_policy = "float32"  # the process's own may quantise, which a functional model cannot
    return model
