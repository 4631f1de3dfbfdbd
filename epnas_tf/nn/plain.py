"""The operations in Keras's own layers; see `registry.Plain`."""

from typing import Any

import keras
import numpy as np

from epnas_tf.arrays import Float32Array
from epnas_tf.nn.costs import inner_channels, squeezed_channels

Arrays = list[Float32Array]

IN_SPACE = (
    keras.layers.AveragePooling2D,
    keras.layers.Conv2D,
    keras.layers.Cropping2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.SeparableConv2D,
    keras.layers.ZeroPadding2D,
)
"""Layers with a channel axis, which would otherwise depend on a global Keras setting."""

# Those of `epnas_tf.nn.FusedBatchNormalization`.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


class Maker:
    """Makes the plain layers of one node, named after it: float32 and channels last, whatever Keras's settings.

    Args:
        name: prefix of the layers' names.
        channels: output channels of the node.
        stride: 1 or 2.
    """

    def __init__(self, name: str, channels: int, stride: int) -> None:
        self.name, self.channels, self.stride = name, channels, stride
        self.layers: list[keras.layers.Layer] = []

    def __call__(self, layer_type: Any, part: str, *args: Any, **kwargs: Any) -> keras.layers.Layer:
        """Makes a layer; its name ends in `part`."""
        if layer_type in IN_SPACE:
            kwargs["data_format"] = "channels_last"
        self.layers.append(layer_type(*args, name=f"{self.name}_{part}", dtype="float32", **kwargs))
        return self.layers[-1]


def _relu(make: Maker, x: Any) -> Any:
    return make(keras.layers.ReLU, "relu")(x)


def _batch_norm(make: Maker, x: Any, part: str = "batch_norm") -> Any:
    return make(keras.layers.BatchNormalization, part, **BATCH_NORM)(x)


def pooling(make: Maker, inputs: list[Any], kind: str) -> Any:
    """3×3 pooling, "max" or "average"."""
    # On TensorFlow, Keras's mean with padding "same" is over the pixels inside the image, as ours is.
    layer_type = keras.layers.MaxPooling2D if kind == "max" else keras.layers.AveragePooling2D
    return make(layer_type, "pool", 3, make.stride, padding="same")(inputs[0])


def convolution(make: Maker, inputs: list[Any], kernel_size: int, activate: bool = True) -> Any:
    """ReLU unless `activate` is false, convolution, batch norm."""
    x = _relu(make, inputs[0]) if activate else inputs[0]
    options = {"strides": make.stride, "padding": "same", "use_bias": False}
    return _batch_norm(make, make(keras.layers.Conv2D, "conv", make.channels, kernel_size, **options)(x))


def separable_convolution(make: Maker, inputs: list[Any], kernel_size: int) -> Any:
    """ReLU, separable convolution, batch norm."""
    options = {"strides": make.stride, "padding": "same", "use_bias": False}
    conv = make(keras.layers.SeparableConv2D, "sep_conv", make.channels, kernel_size, **options)
    return _batch_norm(make, conv(_relu(make, inputs[0])))


def projection(make: Maker, inputs: list[Any]) -> Any:
    """ReLU and a 1×1 convolution; if the node halves, two of them, one pixel apart (`halved_pointwise`)."""
    x, channels, options = _relu(make, inputs[0]), make.channels, {"use_bias": False}
    if make.stride == 1:
        return make(keras.layers.Conv2D, "conv", channels, 1, **options)(x)
    padded = make(keras.layers.ZeroPadding2D, "pad", ((0, 1), (0, 1)))(x)
    shifted = make(keras.layers.Cropping2D, "shift", ((1, 0), (1, 0)))(padded)
    halves = [
        make(keras.layers.Conv2D, "first_conv", channels - channels // 2, 1, strides=2, **options)(x),
        make(keras.layers.Conv2D, "second_conv", channels // 2, 1, strides=2, **options)(shifted),
    ]
    return make(keras.layers.Concatenate, "join")(halves)


def reduction(make: Maker, inputs: list[Any]) -> Any:
    """The factorised reduction: a projection that halves, batch norm."""
    return _batch_norm(make, projection(make, inputs))


def identity(make: Maker, inputs: list[Any]) -> Any:
    """The input; if the node halves, a factorised reduction."""
    return inputs[0] if make.stride == 1 else reduction(make, inputs)


def none(make: Maker, inputs: list[Any]) -> Any:
    """The input; if the node halves, a 1×1 convolution and batch norm."""
    return inputs[0] if make.stride == 1 else convolution(make, inputs, 1, activate=False)


def basic_block(make: Maker, inputs: list[Any], width: float) -> Any:
    """Convolution, batch norm, ReLU, convolution, batch norm."""
    options = {"padding": "same", "use_bias": False}
    inner = inner_channels(make.channels, width)
    x = make(keras.layers.Conv2D, "first_conv", inner, 3, strides=make.stride, **options)(inputs[0])
    x = _relu(make, _batch_norm(make, x, "first_batch_norm"))
    x = make(keras.layers.Conv2D, "second_conv", make.channels, 3, **options)(x)
    return _batch_norm(make, x, "second_batch_norm")


def inverted_residual(make: Maker, inputs: list[Any], kernel_size: int, expansion: int, squeeze: bool) -> Any:
    """1×1 convolution, depthwise convolution, squeeze-and-excitation if it has one, 1×1 convolution."""
    x, options = inputs[0], {"padding": "same", "use_bias": False}
    channels = x.shape[-1]
    inner = expansion * channels
    x = make(keras.layers.Conv2D, "expand_conv", inner, 1, **options)(x)
    x = make(keras.layers.ReLU, "expand_relu", max_value=6.0)(_batch_norm(make, x, "expand_batch_norm"))
    x = make(keras.layers.DepthwiseConv2D, "depthwise_conv", kernel_size, strides=make.stride, **options)(x)
    x = make(keras.layers.ReLU, "depthwise_relu", max_value=6.0)(_batch_norm(make, x, "depthwise_batch_norm"))
    if squeeze:
        gates = make(keras.layers.GlobalAveragePooling2D, "mean", keepdims=True)(x)
        gates = make(keras.layers.Conv2D, "squeeze", squeezed_channels(channels), 1, activation="relu")(gates)
        gates = make(keras.layers.Conv2D, "excite", inner, 1, activation="sigmoid")(gates)
        x = make(keras.layers.Multiply, "gate")([x, gates])
    x = make(keras.layers.Conv2D, "project_conv", make.channels, 1, **options)(x)
    return _batch_norm(make, x, "project_batch_norm")


def add(make: Maker, inputs: list[Any]) -> Any:
    """The sum of the inputs."""
    return make(keras.layers.Add, "add")(inputs) if len(inputs) > 1 else inputs[0]


def add_relu(make: Maker, inputs: list[Any]) -> Any:
    """The sum of the inputs, ReLU."""
    return _relu(make, add(make, inputs))


def add_batch_norm(make: Maker, inputs: list[Any]) -> Any:
    """The sum of the inputs, batch norm."""
    return _batch_norm(make, add(make, inputs))


def features(make: Maker, inputs: list[Any]) -> Any:
    """ReLU and the mean over all pixels: the classifier's input from a source."""
    return make(keras.layers.GlobalAveragePooling2D, "mean")(_relu(make, inputs[0]))


def classifier(make: Maker, inputs: list[Any]) -> Any:
    """The scores: a sum of dense layers with a bias is one dense layer over the features of all parts."""
    joined = make(keras.layers.Concatenate, "join")(inputs) if len(inputs) > 1 else inputs[0]
    return make(keras.layers.Dense, "scores", make.channels)(joined)


def no_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """No values, for layers without variables."""
    return []


def projection_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The kernel, or the two kernels of a halving projection."""
    return [[_value(kernel)] for kernel in layer.kernels]


def batch_norm_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The values of the layer's batch norm."""
    return [_norm_values(layer.batch_norm)]


def convolution_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The kernel and the batch norm's values."""
    return [[_value(layer.kernel)], *batch_norm_weights(layer, sources)]


def separable_convolution_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The two kernels and the batch norm's values."""
    return [[_value(layer.depthwise_kernel), _value(layer.pointwise_kernel)], *batch_norm_weights(layer, sources)]


def reduction_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The two kernels and the batch norm's values."""
    return [*projection_weights(layer, sources), *batch_norm_weights(layer, sources)]


def identity_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """Nothing, or the values of a factorised reduction."""
    return [] if layer.stride == 1 else reduction_weights(layer, sources)


def none_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """Nothing, or the values of a projection."""
    return [] if layer.stride == 1 else convolution_weights(layer, sources)


def basic_block_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The kernels, each with the values of its batch norm."""
    first, second = _norm_values(layer.first_batch_norm), _norm_values(layer.second_batch_norm)
    return [[_value(layer.first_kernel)], first, [_value(layer.second_kernel)], second]


def inverted_residual_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The kernels, each with the values of its batch norm, and the squeeze-and-excitation's before the last."""
    arrays = [[_value(layer.expand_kernel)], _norm_values(layer.expand_batch_norm)]
    arrays += [[_value(layer.depthwise_kernel)], _norm_values(layer.depthwise_batch_norm)]
    if layer.squeeze:
        arrays.append([_value(layer.squeeze_kernel), _value(layer.squeeze_bias)])
        arrays.append([_value(layer.excite_kernel), _value(layer.excite_bias)])
    return [*arrays, [_value(layer.project_kernel)], _norm_values(layer.project_batch_norm)]


def classifier_weights(layer: Any, sources: list[Any]) -> list[Arrays]:
    """The kernels of all parts, stacked, and the bias."""
    return [[np.concatenate([_value(source.kernel) for source in sources]), _value(layer.bias)]]


def _norm_values(norm: Any) -> Arrays:
    return [_value(variable) for variable in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)]


def _value(variable: Any) -> Float32Array:
    return variable.numpy()
