"""A network rebuilt from Keras's own layers, node for node, so that exported files do not need this package.

The record of an operation names the plain layers that compute it and the variables that go into them; see
`epnas_tf.nn.Plain`. An operation without a plain form uses its layer itself, if that consists of Keras layers only.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from epnas_tf.errors import ArchitectureError
from epnas_tf.network.store import layer_name, layer_takes_list
from epnas_tf.nn import Plain, operation
from epnas_tf.nn.plain import Maker
from epnas_tf.space.graph import IMAGE, Graph, Key, Node

Layers = Mapping[Key, keras.layers.Layer]


def plain_model(
    graph: Graph,
    image_shape: tuple[int, int, int],
    layers: Layers | None = None,
    normalization: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    name: str = "epnas_network",
) -> keras.Model:
    """Builds a functional Keras model of a network from plain layers only; it ends in a softmax.

    Args:
        graph: the network.
        image_shape: (height, width, channels) of its images.
        layers: the network's layers by key, whose weights are copied; None keeps the plain layers' initial values.
        normalization: mean and standard deviation of each channel. With them the model takes raw pixels, without them
            normalised images.
        name: the model's name.

    Returns:
        A model from float32 images [batch, height, width, channels] to float32 probabilities [batch, classes].

    Raises:
        ArchitectureError: if an operation is not registered, or has neither a plain form nor a Keras layer.
    """
    images = outputs = keras.Input(image_shape, name="images", dtype="float32")
    if normalization is not None:
        mean, std = (np.asarray(values, np.float64) for values in normalization)
        # `predict` passes images of any size to the layers, and convolutions take them; this one refuses.
        outputs = keras.layers.Reshape(image_shape, name="image_shape", dtype="float32")(images)
        outputs = keras.layers.Normalization(mean=mean, variance=std**2, name="normalization", dtype="float32")(outputs)
    tensors: dict[Key, Any] = {IMAGE: outputs}
    makers: dict[Key, Maker] = {}
    for node in graph:
        maker = makers[node.key] = Maker(layer_name(node.key), node.channels, node.stride)
        tensors[node.key] = plain_form(node.kind).build(maker, [tensors[source] for source in node.sources])
    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    model = keras.Model(images, softmax(tensors[graph.keys[-1]]), name=name)
    model.dtype_policy = "float32"  # as in `to_model`
    if layers is not None:
        for node in graph:
            copy_weights(node, makers[node.key], layers)
    return model


def copy_weights(node: Node, maker: Maker, layers: Layers) -> None:
    """Copies the weights of a node's layer into its plain layers."""
    weighted = [layer for layer in maker.layers if layer.weights]
    sources = [layers[source] for source in node.sources if source != IMAGE]
    for layer, arrays in zip(weighted, plain_form(node.kind).weights(layers[node.key], sources), strict=True):
        layer.set_weights(arrays)


def plain_form(kind: str) -> Plain:
    """Returns the plain form of an operation: its own, or its layer itself if that is a Keras layer.

    Raises:
        ArchitectureError: if the operation is not registered.
    """
    known = operation(kind)
    return known.plain or Plain(lambda make, inputs: _same_layer(make, kind, inputs), _same_weights)


def _same_layer(make: Maker, kind: str, inputs: list[Any]) -> Any:
    options = {"channels": make.channels, "stride": make.stride, "seed": 0, "dtype": "float32"}
    layer = operation(kind).make_layer(name=f"{make.name}_{kind}", **options)
    foreign = [part for part in layer._flatten_layers() if not type(part).__module__.startswith("keras.")]
    if foreign:
        raise ArchitectureError(
            f"What is exported is made of Keras's own layers. Received: the operation {kind!r}, made of "
            f"{type(foreign[0]).__name__}, without its plain form. Give `plain`, see `epnas_tf.nn.Plain`."
        )
    make.layers.append(layer)
    return layer(inputs if layer_takes_list(layer) else inputs[0])


def _same_weights(layer: Any, sources: list[Any]) -> list[Any]:
    return [layer.get_weights()] if layer.weights else []
