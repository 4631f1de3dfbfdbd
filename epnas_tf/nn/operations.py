"""The operations of the search spaces (paper, section 3): ReLU, convolution, batch norm, in ENAS's order."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from epnas_tf.nn.base import ReluFirst, SeededLayer, Shape, sublayer_name
from epnas_tf.nn.batch_norm import FusedBatchNormalization


@keras.saving.register_keras_serializable(package="epnas_tf")
class Convolution(ReluFirst):
    """ReLU, convolution without bias, batch norm.

    Args:
        channels: output channels.
        kernel_size: side of the square kernel.
        activate: whether the ReLU comes first; the stem does without (ENAS).
        **kwargs: `stride` and `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    def __init__(self, channels: int, kernel_size: int, activate: bool = True, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        self.kernel_size = kernel_size
        self.activate = activate
        self.batch_norm = FusedBatchNormalization(name=sublayer_name(self, "batch_norm"), dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Makes the kernel [size, size, inputs, channels] and the batch norm."""
        self.kernel = self.add_kernel("kernel", (self.kernel_size, self.kernel_size, input_shape[-1], self.channels))
        self.batch_norm.build(self.compute_output_shape(input_shape))

    def after_relu(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the rest of the layer, after the ReLU."""

        def convolved(kernel: tf.Tensor) -> tf.Tensor:
            return tf.nn.conv2d(inputs, kernel, self.stride, "SAME")

        return self.batch_norm.after(convolved, tf.convert_to_tensor(self.kernel), training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "kernel_size": self.kernel_size, "activate": self.activate}


@keras.saving.register_keras_serializable(package="epnas_tf")
class SeparableConvolution(ReluFirst):
    """ReLU, depthwise convolution, 1×1 convolution, batch norm: the paper's "depthwise convolution [Xception]".

    Args:
        channels: output channels.
        kernel_size: side of the square depthwise kernel.
        **kwargs: `stride` and `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    def __init__(self, channels: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        self.kernel_size = kernel_size
        self.batch_norm = FusedBatchNormalization(name=sublayer_name(self, "batch_norm"), dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Makes the kernels [size, size, inputs, 1] and [1, 1, inputs, channels] and the batch norm."""
        inputs = input_shape[-1]
        self.depthwise_kernel = self.add_kernel("depthwise_kernel", (self.kernel_size, self.kernel_size, inputs, 1))
        self.pointwise_kernel = self.add_kernel("pointwise_kernel", (1, 1, inputs, self.channels), seed_offset=1)
        self.batch_norm.build(self.compute_output_shape(input_shape))

    def after_relu(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the rest of the layer, after the ReLU."""
        strides = [1, self.stride, self.stride, 1]
        spread = tf.nn.depthwise_conv2d(inputs, tf.convert_to_tensor(self.depthwise_kernel), strides, "SAME")
        kernel = tf.convert_to_tensor(self.pointwise_kernel)
        return self.batch_norm.after(functools.partial(pointwise, spread), kernel, training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package="epnas_tf")
class Pooling(SeededLayer):
    """3×3 pooling by the maximum, or by the mean of the values inside the image; it has no variables.

    Args:
        channels: channels of input and output.
        kind: "max" or "average".
        **kwargs: `stride` and `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, channels].

    Output shape:
        float [batch, ceil(height / stride), ceil(width / stride), channels].

    Raises:
        ValueError: if `kind` is neither "max" nor "average".
    """

    def __init__(self, channels: int, kind: str, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        if kind not in ("max", "average"):
            raise ValueError(f'`kind` must be "max" or "average". Received: kind={kind!r}')
        self.kind = kind

    def build(self, input_shape: Shape) -> None:
        """Checks that the input has the output's channels: pooling cannot change their number."""
        _check_channels(self, input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Applies the pooling."""
        if self.kind == "average":
            return tf.nn.avg_pool2d(inputs, 3, self.stride, "SAME")
        return trained_max_pool(inputs, self.stride) if training else max_pool(inputs, self.stride)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable(package="epnas_tf")
class Identity(SeededLayer):
    """Returns its input: the micro space's seventh operation at stride 1.

    Input shape:
        float [batch, height, width, channels].

    Output shape:
        The input's.

    Raises:
        ValueError: if the stride is not 1; `FactorizedReduction` is the identity that halves.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        if self.stride != 1:
            raise ValueError(
                f"Identity has stride 1, use FactorizedReduction to halve. Received: stride={self.stride!r}"
            )

    def build(self, input_shape: Shape) -> None:
        """Checks that the input has the output's channels."""
        _check_channels(self, input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the input."""
        return inputs


def max_pool(inputs: tf.Tensor, stride: int) -> tf.Tensor:
    """3×3 max pooling.

    Args:
        inputs: float [batch, height, width, channels].
        stride: 1 or 2.

    Returns:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """
    return tf.nn.max_pool2d(inputs, 3, stride, "SAME")


def trained_max_pool(inputs: tf.Tensor, stride: int) -> tf.Tensor:
    """`max_pool` with a gradient that is equally fast, and bit for bit the same, in every trace.

    On a CPU, TensorFlow uses oneDNN's kernel for the gradient only if it visits the pooling first. In the graph of a
    loop, which has a cycle, the order varies from trace to trace. The other kernel is up to ten times slower and sums
    in a different order, so results would not be reproducible. The gradient is therefore a function, whose graph has no
    cycle; it repeats the pooling, for a tenth of its time.

    Args:
        inputs: float [batch, height, width, channels].
        stride: 1 or 2.

    Returns:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    @tf.custom_gradient
    def pool(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return max_pool(values, stride), lambda gradient: _max_pool_gradient(values, gradient, stride)

    return pool(inputs)


def _max_pool_gradient_of(inputs: tf.Tensor, gradient: tf.Tensor, stride: int) -> tf.Tensor:
    return tf.raw_ops.MaxPoolGrad(
        orig_input=inputs,
        orig_output=max_pool(inputs, stride),
        grad=gradient,
        ksize=[1, 3, 3, 1],
        strides=[1, stride, stride, 1],
        padding="SAME",
    )


_max_pool_gradient = tf.function(_max_pool_gradient_of, autograph=False, experimental_attributes={"_noinline": True})


def pointwise(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """1×1 convolution as a matrix product: including its gradient, 1.3 to 2 times as fast on a CPU.

    Args:
        inputs: float [batch, height, width, inputs]; all but the batch are known.
        kernel: [1, 1, inputs, outputs].

    Returns:
        float [batch, height, width, outputs].
    """
    channels, outputs = kernel.shape[2:]
    product = tf.matmul(tf.reshape(inputs, [-1, channels]), tf.reshape(kernel, [channels, outputs]))
    return tf.reshape(product, [-1 if inputs.shape[0] is None else inputs.shape[0], *inputs.shape[1:3], outputs])


def pixel_picker(inputs: tf.Tensor) -> Callable[[int], tf.Tensor]:
    """The pixels that a 1×1 convolution of stride 2 reads, as a function of where it begins.

    The pixels are picked before the convolution: TensorFlow 2.21's gradient of a 1×1 convolution of stride 2 to few
    channels writes beyond its memory on a CPU where the batch has an odd number of images. They are picked as a block
    of a reshaped image, since a slice with strides, and its gradient, take several times as long as the rest.

    Args:
        inputs: float [batch, height, width, channels]; all but the batch are known.

    Returns:
        A function: with 0 it gives the pixels (0, 0), (0, 2), …, with 1 the pixels (1, 1), (1, 3), …, zeros beyond the
        border, as float [batch, ceil(height / 2), ceil(width / 2), channels].
    """
    _, height, width, channels = inputs.shape
    even = tf.pad(inputs, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]]) if height % 2 or width % 2 else inputs
    rows, columns = -(-height // 2), -(-width // 2)
    pairs = tf.reshape(even, [-1, 2, columns, 2 * channels])

    def pick(offset: int) -> tf.Tensor:
        picked = tf.slice(pairs, [0, offset, 0, offset * channels], [-1, 1, columns, channels])
        return tf.reshape(picked, [-1, rows, columns, channels])

    return pick


def halved_pointwise(inputs: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Halves height and width (rounded up) by two 1×1 convolutions of stride 2, one pixel apart (ENAS).

    The first convolution reads the pixels of even row and column, the second those of odd row and column.

    Args:
        inputs: float [batch, height, width, inputs]; all but the batch are known.
        first: kernel [1, 1, inputs, n] on the pixels (0, 0), (0, 2), ….
        second: kernel [1, 1, inputs, m] on the pixels (1, 1), (1, 3), …; zeros beyond the border.

    Returns:
        float [batch, ceil(height / 2), ceil(width / 2), n + m].
    """
    pick = pixel_picker(inputs)
    return tf.concat([pointwise(pick(0), first), pointwise(pick(1), second)], -1)


@keras.saving.register_keras_serializable(package="epnas_tf")
class FactorizedReduction(ReluFirst):
    """ReLU, two 1×1 convolutions of stride 2 one pixel apart, concatenation, batch norm (ENAS).

    Args:
        channels: output channels, at least 2; the first convolution has half of them, rounded up.
        **kwargs: `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, ceil(height / 2), ceil(width / 2), channels].
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(channels, **{**kwargs, "stride": 2})
        self.batch_norm = FusedBatchNormalization(name=sublayer_name(self, "batch_norm"), dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Makes the two kernels and the batch norm."""
        self.kernels = add_halved_kernels(self, input_shape)
        self.batch_norm.build(self.compute_output_shape(input_shape))

    def after_relu(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the rest of the layer, after the ReLU."""
        kernels = (tf.convert_to_tensor(kernel) for kernel in self.kernels)
        return self.batch_norm.after(functools.partial(halved_pointwise, inputs), *kernels, training=training)


def add_halved_kernels(layer: SeededLayer, input_shape: Shape) -> tuple[keras.Variable, keras.Variable]:
    """Adds the two kernels that `halved_pointwise` takes, with the layer's channels split between them.

    Raises:
        ValueError: if there are not two channels to split.
    """
    if layer.channels < 2:
        raise ValueError(f"{type(layer).__name__} halves with 2 channels or more. Received: channels={layer.channels}")
    inputs, first = input_shape[-1], -(-layer.channels // 2)
    return (
        layer.add_kernel("first_kernel", (1, 1, inputs, first)),
        layer.add_kernel("second_kernel", (1, 1, inputs, layer.channels - first), seed_offset=1),
    )


def _check_channels(layer: SeededLayer, input_shape: Shape) -> None:
    if input_shape[-1] != layer.channels:
        raise ValueError(
            f"{type(layer).__name__} keeps the number of channels, {layer.channels}. "
            f"Received: input shape {input_shape}"
        )
