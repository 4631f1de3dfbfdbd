"""Layers used only in an auxiliary head (ENAS, after Szegedy et al., 2015)."""

from typing import Any

import keras
import tensorflow as tf

from epnas_tf.nn.base import ReluFirst, Shape, sublayer_name
from epnas_tf.nn.batch_norm import FusedBatchNormalization

POOL_SIZE = 5
POOL_STRIDE = 3


@keras.saving.register_keras_serializable(package="epnas_tf")
class AuxiliaryPooling(ReluFirst):
    """ReLU and the mean over windows of 5×5, three pixels apart, inside the image; smaller images are one window.

    Args:
        channels: channels of input and output.
        **kwargs: those of `keras.layers.Layer`; `stride` and `seed` have no effect.

    Input shape:
        float [batch, height, width, channels].

    Output shape:
        float [batch, (height - 5) // 3 + 1, (width - 5) // 3 + 1, channels], at least one pixel.
    """

    def after_relu(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the rest of the layer, after the ReLU."""
        window = [min(POOL_SIZE, side) for side in inputs.shape[1:3]]
        return tf.nn.avg_pool2d(inputs, window, POOL_STRIDE, "VALID")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape."""
        batch, height, width, channels = input_shape
        return (batch, _pooled(height), _pooled(width), channels)


def _pooled(side: int | None) -> int | None:
    return None if side is None else (side - min(POOL_SIZE, side)) // POOL_STRIDE + 1


@keras.saving.register_keras_serializable(package="epnas_tf")
class FullConvolution(ReluFirst):
    """ReLU, convolution over all pixels at once without bias, batch norm.

    Args:
        channels: output channels.
        **kwargs: `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, 1, 1, channels].
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        self.batch_norm = FusedBatchNormalization(name=sublayer_name(self, "batch_norm"), dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Makes the kernel [height, width, inputs, channels] and the batch norm."""
        self.kernel = self.add_kernel("kernel", (*input_shape[1:], self.channels))
        self.batch_norm.build(self.compute_output_shape(input_shape))

    def after_relu(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the rest of the layer, after the ReLU."""
        outputs = tf.nn.conv2d(inputs, tf.convert_to_tensor(self.kernel), 1, "VALID")
        return self.batch_norm(outputs, training=training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """[batch, 1, 1, channels]."""
        return (input_shape[0], 1, 1, self.channels)
