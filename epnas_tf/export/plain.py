"""A network in Keras's own layers, node for node, so that what is exported needs nothing of this package.

`PLAIN` says for each kind of node which plain layers compute it and which of its variables go into them, as
`epnas_tf.nn.LAYERS` says what it is: a new operation that is to be exported is an entry in both.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from epnas_tf.errors import ArchitectureError
from epnas_tf.network.store import layer_name
from epnas_tf.space.graph import IMAGE, Graph, Key, Node

Layers = Mapping[Key, keras.layers.Layer]
Arrays = list[npt.NDArray[np.float32]]

IN_SPACE = (
    keras.layers.AveragePooling2D,
    keras.layers.Conv2D,
    keras.layers.Cropping2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.SeparableConv2D,
    keras.layers.ZeroPadding2D,
)
"""Layers that must know which axis the channels are on, and would take that from a global setting."""

# Those of `epnas_tf.nn.FusedBatchNormalization`.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


class Maker:
    """Makes the plain layers of one node, named after it: float32 and channels last, whatever is set for Keras.

    Args:
        node: the node.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.layers: list[keras.layers.Layer] = []

    def __call__(self, layer_type: Any, part: str, *args: Any, **kwargs: Any) -> keras.layers.Layer:
        """Makes a layer; its name ends in `part`."""
        name = f"{layer_name(self.node.key)}_{part}"
        if layer_type in IN_SPACE:
            kwargs["data_format"] = "channels_last"
        self.layers.append(layer_type(*args, name=name, dtype="float32", **kwargs))
        return self.layers[-1]


@dataclasses.dataclass(frozen=True)
class Translation:
    """One kind of node in plain layers.

    Attributes:
        build: takes a `Maker` and the inputs, symbolic tensors, and returns the output.
        weights: takes the node and all layers of the trained network by key, and returns the values for each plain
            layer that has variables, in the order in which they are made.
    """

    build: Callable[[Maker, list[Any]], Any]
    weights: Callable[[Node, Layers], list[Arrays]]


def plain_model(
    graph: Graph,
    image_shape: tuple[int, int, int],
    layers: Layers | None = None,
    normalization: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    name: str = "epnas_network",
) -> keras.Model:
    """Returns a functional Keras model of a network that ends in a softmax, of plain layers only.

    Args:
        graph: the network.
        image_shape: (height, width, channels) of its images.
        layers: the network's layers by key, whose values are copied; None leaves the plain layers' initial values.
        normalization: mean and standard deviation of each channel; with them the model takes raw pixels, without them
            normalised images.
        name: the model's name.

    Returns:
        A model from float32 images [batch, height, width, channels] to float32 probabilities [batch, classes].

    Raises:
        ArchitectureError: if `PLAIN` does not know a kind of node.
    """
    images = outputs = keras.Input(image_shape, name="images", dtype="float32")
    if normalization is not None:
        mean, std = (np.asarray(values, np.float64) for values in normalization)
        # `predict` passes images of any size to the layers, and convolutions take them; this one refuses.
        outputs = keras.layers.Reshape(image_shape, name="image_shape", dtype="float32")(images)
        outputs = keras.layers.Normalization(mean=mean, variance=std**2, name="normalization", dtype="float32")(outputs)
    tensors: dict[Key, Any] = {IMAGE: outputs}
    makers = []
    for node in graph:
        if node.kind not in PLAIN:
            raise ArchitectureError(
                f"Plain layers are known of {', '.join(PLAIN)}. Received: {node.kind!r}; add it to `PLAIN`."
            )
        makers.append(Maker(node))
        tensors[node.key] = PLAIN[node.kind].build(makers[-1], [tensors[source] for source in node.sources])
    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    model = keras.Model(images, softmax(tensors[graph.keys[-1]]), name=name)
    model.dtype_policy = "float32"  # as in `to_model`
    if layers is not None:
        for maker in makers:
            copy_weights(maker, layers)
    return model


def copy_weights(maker: Maker, layers: Layers) -> None:
    """Copies the values of a node's layer into its plain layers."""
    weighted = [layer for layer in maker.layers if layer.weights]
    values = PLAIN[maker.node.kind].weights(maker.node, layers)
    for layer, arrays in zip(weighted, values, strict=True):
        layer.set_weights(arrays)


def _relu(make: Maker, x: Any) -> Any:
    return make(keras.layers.ReLU, "relu")(x)


def _batch_norm(make: Maker, x: Any) -> Any:
    return make(keras.layers.BatchNormalization, "batch_norm", **BATCH_NORM)(x)


def _pool(make: Maker, inputs: list[Any], layer_type: Any) -> Any:
    # On TensorFlow, Keras's mean with padding "same" is over the pixels inside the image, as ours is.
    return make(layer_type, "pool", 3, make.node.stride, padding="same")(inputs[0])


def _conv(make: Maker, inputs: list[Any], kernel_size: int, activate: bool = True) -> Any:
    x = _relu(make, inputs[0]) if activate else inputs[0]
    options = {"strides": make.node.stride, "padding": "same", "use_bias": False}
    return _batch_norm(make, make(keras.layers.Conv2D, "conv", make.node.channels, kernel_size, **options)(x))


def _sep_conv(make: Maker, inputs: list[Any], kernel_size: int) -> Any:
    options = {"strides": make.node.stride, "padding": "same", "use_bias": False}
    conv = make(keras.layers.SeparableConv2D, "sep_conv", make.node.channels, kernel_size, **options)
    return _batch_norm(make, conv(_relu(make, inputs[0])))


def _pointwise(make: Maker, x: Any) -> Any:
    """Returns the 1×1 convolution, where the node halves that of two, one pixel apart (`halved_pointwise`)."""
    channels, options = make.node.channels, {"use_bias": False}
    if make.node.stride == 1:
        return make(keras.layers.Conv2D, "conv", channels, 1, **options)(x)
    padded = make(keras.layers.ZeroPadding2D, "pad", ((0, 1), (0, 1)))(x)
    shifted = make(keras.layers.Cropping2D, "shift", ((1, 0), (1, 0)))(padded)
    halves = [
        make(keras.layers.Conv2D, "first_conv", channels - channels // 2, 1, strides=2, **options)(x),
        make(keras.layers.Conv2D, "second_conv", channels // 2, 1, strides=2, **options)(shifted),
    ]
    return make(keras.layers.Concatenate, "join")(halves)


def _projection(make: Maker, inputs: list[Any]) -> Any:
    return _pointwise(make, _relu(make, inputs[0]))


def _reduction(make: Maker, inputs: list[Any]) -> Any:
    return _batch_norm(make, _projection(make, inputs))


def _identity(make: Maker, inputs: list[Any]) -> Any:
    return inputs[0] if make.node.stride == 1 else _reduction(make, inputs)


def _sum(make: Maker, inputs: list[Any]) -> Any:
    return make(keras.layers.Add, "add")(inputs) if len(inputs) > 1 else inputs[0]


def _sum_batch_norm(make: Maker, inputs: list[Any]) -> Any:
    return _batch_norm(make, _sum(make, inputs))


def _features(make: Maker, inputs: list[Any]) -> Any:
    return make(keras.layers.GlobalAveragePooling2D, "mean")(_relu(make, inputs[0]))


def _classifier(make: Maker, inputs: list[Any]) -> Any:
    """Returns the scores: a sum of dense layers with a bias is one dense layer over the features of all parts."""
    features = make(keras.layers.Concatenate, "join")(inputs) if len(inputs) > 1 else inputs[0]
    return make(keras.layers.Dense, "scores", make.node.channels)(features)


def _no_weights(node: Node, layers: Layers) -> list[Arrays]:
    return []


def _kernels(node: Node, layers: Layers) -> list[Arrays]:
    return [[_value(kernel)] for kernel in layers[node.key].kernels]


def _batch_norm_weights(node: Node, layers: Layers) -> list[Arrays]:
    norm = layers[node.key].batch_norm
    return [[_value(v) for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)]]


def _conv_weights(node: Node, layers: Layers) -> list[Arrays]:
    return [[_value(layers[node.key].kernel)], *_batch_norm_weights(node, layers)]


def _sep_conv_weights(node: Node, layers: Layers) -> list[Arrays]:
    layer = layers[node.key]
    kernels = [_value(layer.depthwise_kernel), _value(layer.pointwise_kernel)]
    return [kernels, *_batch_norm_weights(node, layers)]


def _reduction_weights(node: Node, layers: Layers) -> list[Arrays]:
    return [*_kernels(node, layers), *_batch_norm_weights(node, layers)]


def _identity_weights(node: Node, layers: Layers) -> list[Arrays]:
    return [] if node.stride == 1 else _reduction_weights(node, layers)


def _classifier_weights(node: Node, layers: Layers) -> list[Arrays]:
    kernels = [_value(layers[source].kernel) for source in node.sources]
    return [[np.concatenate(kernels), _value(layers[node.key].bias)]]


def _value(variable: Any) -> npt.NDArray[np.float32]:
    return variable.numpy()


PLAIN: dict[str, Translation] = {
    "max_pool_3x3": Translation(partial(_pool, layer_type=keras.layers.MaxPooling2D), _no_weights),
    "average_pool_3x3": Translation(partial(_pool, layer_type=keras.layers.AveragePooling2D), _no_weights),
    "conv_3x3": Translation(partial(_conv, kernel_size=3), _conv_weights),
    "conv_5x5": Translation(partial(_conv, kernel_size=5), _conv_weights),
    "sep_conv_3x3": Translation(partial(_sep_conv, kernel_size=3), _sep_conv_weights),
    "sep_conv_5x5": Translation(partial(_sep_conv, kernel_size=5), _sep_conv_weights),
    "identity": Translation(_identity, _identity_weights),
    "stem": Translation(partial(_conv, kernel_size=3, activate=False), _conv_weights),
    "source_projection": Translation(_projection, _kernels),
    "factorized_reduction": Translation(_reduction, _reduction_weights),
    "sum": Translation(_sum, _no_weights),
    "sum_batch_norm": Translation(_sum_batch_norm, _batch_norm_weights),
    "pooled_dense": Translation(_features, _no_weights),  # its kernel is part of the classifier's
    "sum_bias": Translation(_classifier, _classifier_weights),
}
