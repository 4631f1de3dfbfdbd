"""The blocks of ResNet and MobileNetV2, without the shortcut around them, which the graph of a network adds."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from epnas_tf.nn.base import SeededLayer, Shape, sublayer_name
from epnas_tf.nn.batch_norm import FusedBatchNormalization
from epnas_tf.nn.costs import inner_channels, squeezed_channels
from epnas_tf.nn.operations import pixel_picker, pointwise


@keras.saving.register_keras_serializable(package="epnas_tf")
class Projection(SeededLayer):
    """1×1 convolution without bias, batch norm: the shortcut of ResNet where size or channels change.

    Args:
        channels: output channels.
        **kwargs: `stride` and `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        self.batch_norm = _batch_norm(self, "batch_norm")

    def build(self, input_shape: Shape) -> None:
        """Makes the kernel [1, 1, inputs, channels] and the batch norm."""
        self.kernel = self.add_kernel("kernel", (1, 1, input_shape[-1], self.channels))
        self.batch_norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies the layer; with `training`, batch norm uses the batch's statistics."""
        read = pixel_picker(inputs)(0) if self.stride == 2 else inputs
        return _convolved(self.batch_norm, self.kernel, lambda kernel: pointwise(read, kernel), training)


@keras.saving.register_keras_serializable(package="epnas_tf")
class BasicBlock(SeededLayer):
    """3×3 convolution, batch norm, ReLU, 3×3 convolution, batch norm (ResNet: He et al., 2016).

    Args:
        channels: output channels.
        width: the channels between the two convolutions, as a factor of the output's (Wide ResNet).
        **kwargs: `stride` and `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    def __init__(self, channels: int, width: float = 1.0, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        self.width = width
        self.first_batch_norm = _batch_norm(self, "first_batch_norm")
        self.second_batch_norm = _batch_norm(self, "second_batch_norm")

    def build(self, input_shape: Shape) -> None:
        """Makes the kernels [3, 3, inputs, inner] and [3, 3, inner, channels] and their batch norms."""
        inner, output_shape = inner_channels(self.channels, self.width), self.compute_output_shape(input_shape)
        self.first_kernel = self.add_kernel("first_kernel", (3, 3, input_shape[-1], inner))
        self.second_kernel = self.add_kernel("second_kernel", (3, 3, inner, self.channels), seed_offset=1)
        self.first_batch_norm.build((*output_shape[:-1], inner))
        self.second_batch_norm.build(output_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies the layer; with `training`, batch norm uses the batch's statistics."""

        def first(kernel: tf.Tensor) -> tf.Tensor:
            return tf.nn.conv2d(inputs, kernel, self.stride, "SAME")

        inner = tf.nn.relu(_convolved(self.first_batch_norm, self.first_kernel, first, training))

        def second(kernel: tf.Tensor) -> tf.Tensor:
            return tf.nn.conv2d(inner, kernel, 1, "SAME")

        return _convolved(self.second_batch_norm, self.second_kernel, second, training)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="epnas_tf")
class InvertedResidual(SeededLayer):
    """1×1 convolution to more channels, depthwise convolution, 1×1 convolution (MobileNetV2: Sandler et al., 2018).

    Batch norm follows each, ReLU6 the first two. Squeeze-and-excitation is MnasNet's (Tan et al., 2019): behind the
    depthwise convolution, with a quarter of the block's input channels, ReLU and a sigmoid.

    Args:
        channels: output channels.
        kernel_size: side of the square depthwise kernel.
        expansion: channels of the depthwise convolution, as a multiple of the input's.
        squeeze: whether there is a squeeze-and-excitation.
        **kwargs: `stride` and `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    def __init__(self, channels: int, kernel_size: int, expansion: int, squeeze: bool = False, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        self.kernel_size = kernel_size
        self.expansion = expansion
        self.squeeze = squeeze
        self.expand_batch_norm = _batch_norm(self, "expand_batch_norm")
        self.depthwise_batch_norm = _batch_norm(self, "depthwise_batch_norm")
        self.project_batch_norm = _batch_norm(self, "project_batch_norm")

    def build(self, input_shape: Shape) -> None:
        """Makes the kernels, the biases of the squeeze-and-excitation, and the batch norms."""
        inputs: Any = input_shape[-1]
        inner, size, output_shape = self.expansion * inputs, self.kernel_size, self.compute_output_shape(input_shape)
        self.expand_kernel = self.add_kernel("expand_kernel", (1, 1, inputs, inner))
        self.depthwise_kernel = self.add_kernel("depthwise_kernel", (size, size, inner, 1), seed_offset=1)
        self.project_kernel = self.add_kernel("project_kernel", (1, 1, inner, self.channels), seed_offset=2)
        if self.squeeze:
            squeezed = squeezed_channels(inputs)
            self.squeeze_kernel = self.add_kernel("squeeze_kernel", (1, 1, inner, squeezed), seed_offset=3)
            self.squeeze_bias = self.add_weight(name="squeeze_bias", shape=(squeezed,), initializer="zeros")
            self.excite_kernel = self.add_kernel("excite_kernel", (1, 1, squeezed, inner), seed_offset=4)
            self.excite_bias = self.add_weight(name="excite_bias", shape=(inner,), initializer="zeros")
        self.expand_batch_norm.build((*input_shape[:-1], inner))
        self.depthwise_batch_norm.build((*output_shape[:-1], inner))
        self.project_batch_norm.build(output_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies the layer; with `training`, batch norm uses the batch's statistics."""

        def expand(kernel: tf.Tensor) -> tf.Tensor:
            return pointwise(inputs, kernel)

        expanded = tf.nn.relu6(_convolved(self.expand_batch_norm, self.expand_kernel, expand, training))

        def spread(kernel: tf.Tensor) -> tf.Tensor:
            strides = [1, self.stride, self.stride, 1]
            return tf.nn.depthwise_conv2d(expanded, tf.reshape(kernel, self.depthwise_kernel.shape), strides, "SAME")

        # The channels come last, [size, size, 1, inner], as batch norm scales the kernel by them outside training.
        size = self.kernel_size
        kernel = tf.reshape(tf.convert_to_tensor(self.depthwise_kernel), [size, size, 1, -1])
        inner = tf.nn.relu6(_convolved(self.depthwise_batch_norm, kernel, spread, training))
        if self.squeeze:
            inner = inner * self._gates(inner)

        def project(kernel: tf.Tensor) -> tf.Tensor:
            return pointwise(inner, kernel)

        return _convolved(self.project_batch_norm, self.project_kernel, project, training)

    def _gates(self, inner: tf.Tensor) -> tf.Tensor:
        """The factor of each channel, [batch, 1, 1, inner], between 0 and 1."""
        mean = tf.reduce_mean(inner, [1, 2], keepdims=True)
        squeezed = pointwise(mean, tf.convert_to_tensor(self.squeeze_kernel)) + tf.convert_to_tensor(self.squeeze_bias)
        excited = pointwise(tf.nn.relu(squeezed), tf.convert_to_tensor(self.excite_kernel))
        return tf.sigmoid(excited + tf.convert_to_tensor(self.excite_bias))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"kernel_size": self.kernel_size, "expansion": self.expansion, "squeeze": self.squeeze}
        return {**super().get_config(), **own}


def _batch_norm(layer: SeededLayer, part: str) -> FusedBatchNormalization:
    return FusedBatchNormalization(name=sublayer_name(layer, part), dtype=layer.dtype_policy)


def _convolved(
    batch_norm: FusedBatchNormalization, kernel: Any, linear: Callable[[tf.Tensor], tf.Tensor], training: bool
) -> tf.Tensor:
    """A convolution and its batch norm."""
    return batch_norm.after(linear, tf.convert_to_tensor(kernel), training=training)
