"""The same networks in plain Keras layers, for comparison: what a KerasTuner user would write."""

from typing import Any

import keras

from epnas_tf.network import NetworkShape, build_graph
from epnas_tf.network.graph import IMAGE, Node

L = keras.layers


def build_model(architecture: Any, shape: NetworkShape) -> keras.Model:
    """Returns a compiled model of an architecture, node for node with Keras's own layers."""
    outputs = {IMAGE: keras.Input(shape.image_shape)}
    for node in build_graph(architecture, shape):
        outputs[node.key] = _apply(node, [outputs[source] for source in node.sources])
    model = keras.Model(outputs[IMAGE], L.Softmax()(outputs[node.key]))
    optimizer = keras.optimizers.SGD(0.05, 0.9, nesterov=True, global_clipnorm=5.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _apply(node: Node, inputs: list[Any]) -> Any:
    x, kind = inputs[0], node.kind
    if kind.endswith("pool_3x3"):
        pool = L.MaxPooling2D if kind.startswith("max") else L.AveragePooling2D
        return pool(3, node.stride, "same")(x)
    if kind == "stem":
        return _batch_norm(L.Conv2D(node.channels, 3, padding="same", use_bias=False)(x))
    if kind.startswith(("conv", "sep_conv")):
        convolution = L.SeparableConv2D if kind.startswith("sep") else L.Conv2D
        options = {"strides": node.stride, "padding": "same", "use_bias": False}
        return _batch_norm(convolution(node.channels, int(kind[-1]), **options)(L.ReLU()(x)))
    if kind == "factorized_reduction" or (kind == "identity" and node.stride == 2):
        return _batch_norm(_halved(L.ReLU()(x), node.channels))
    if kind == "source_projection":
        x = L.ReLU()(x)
        return _halved(x, node.channels) if node.stride == 2 else L.Conv2D(node.channels, 1, use_bias=False)(x)
    if kind == "pooled_dense":
        return L.Dense(node.channels)(L.GlobalAveragePooling2D()(L.ReLU()(x)))
    if kind in ("sum", "sum_batch_norm", "sum_bias"):
        total = L.Add()(inputs) if len(inputs) > 1 else x
        return _batch_norm(total) if kind == "sum_batch_norm" else total
    return x  # the identity


def _halved(x: Any, channels: int) -> Any:
    shifted = L.Cropping2D(((1, 0), (1, 0)))(L.ZeroPadding2D(((0, 1), (0, 1)))(x))
    halves = [L.Conv2D(channels - channels // 2, 1, 2, use_bias=False)(x)]
    halves.append(L.Conv2D(channels // 2, 1, 2, use_bias=False)(shifted))
    return L.Concatenate()(halves)


def _batch_norm(x: Any) -> Any:
    return L.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
