"""Layers that join outputs, with a separate kernel for each source.

A 1×1 convolution of concatenated sources equals the sum of a 1×1 convolution of each source; likewise the classifier
over concatenated blocks. Separate kernels can be shared by source (paper, section 5: "1×1 convolutions in between cells
and layers … also shared among sampled architectures").
"""

import functools
from typing import Any

import keras
import tensorflow as tf

from epnas_tf.nn.base import ReluFirst, SeededLayer, Shape, sublayer_name
from epnas_tf.nn.batch_norm import FusedBatchNormalization
from epnas_tf.nn.operations import add_halved_kernels, halved_pointwise, pointwise


@keras.saving.register_keras_serializable(package="epnas_tf")
class SourceProjection(ReluFirst):
    """ReLU and a 1×1 convolution of one source; with stride 2 the two halved convolutions of a factorised reduction.

    Args:
        channels: output channels.
        **kwargs: `stride` and `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, ceil(height / stride), ceil(width / stride), channels].
    """

    def build(self, input_shape: Shape) -> None:
        """Makes the kernel [1, 1, inputs, channels], or two kernels that share the channels."""
        self.kernels: tuple[keras.Variable, ...]
        if self.stride == 2:
            self.kernels = add_halved_kernels(self, input_shape)
        else:
            self.kernels = (self.add_kernel("kernel", (1, 1, input_shape[-1], self.channels)),)

    def after_relu(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the rest of the layer, after the ReLU."""
        kernels = [tf.convert_to_tensor(kernel) for kernel in self.kernels]
        return halved_pointwise(inputs, *kernels) if self.stride == 2 else pointwise(inputs, kernels[0])


def ordered_sum(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Sums tensors as ((a + b) + c) + …, bit for bit.

    `tf.add_n` may start from any tensor that has no other reader left, so its order depends on execution timing.
    """
    return functools.reduce(tf.add, tensors)


class _Sum(SeededLayer):
    """Base of the layers that add a list of one or more inputs of one shape."""

    joins_sources = True

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:  # type: ignore[override]  # several inputs
        """The shape of every input."""
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable(package="epnas_tf")
class Sum(_Sum):
    """Adds its inputs: the two sides of a block (paper, section 3). It has no variables.

    Input shape:
        A list of float [batch, height, width, channels].

    Output shape:
        float [batch, height, width, channels].
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Adds the inputs."""
        return ordered_sum(inputs)


@keras.saving.register_keras_serializable(package="epnas_tf")
class SumRelu(_Sum):
    """Adds its inputs, then applies a ReLU: the end of ResNet's basic block. It has no variables.

    Input shape:
        A list of float [batch, height, width, channels].

    Output shape:
        float [batch, height, width, channels].
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Applies the layer."""
        return tf.nn.relu(ordered_sum(inputs))


@keras.saving.register_keras_serializable(package="epnas_tf")
class SumBatchNorm(_Sum):
    """Adds its inputs, then applies batch norm: the end of the 1×1 convolution of all sources.

    Input shape:
        A list of float [batch, height, width, channels].

    Output shape:
        float [batch, height, width, channels].
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(channels, **kwargs)
        self.batch_norm = FusedBatchNormalization(name=sublayer_name(self, "batch_norm"), dtype=self.dtype_policy)

    def build(self, input_shape: list[Shape]) -> None:
        """Makes the batch norm."""
        self.batch_norm.build(input_shape[0])

    def call(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        """Applies the layer; with `training`, batch norm uses the batch's statistics."""
        return self.batch_norm(ordered_sum(inputs), training=training)


@keras.saving.register_keras_serializable(package="epnas_tf")
class PooledDense(ReluFirst):
    """ReLU, mean over all pixels, dense layer without bias: one source's part of the class scores (paper, section 3).

    Args:
        channels: the number of classes.
        **kwargs: `seed` of `SeededLayer`, and those of `keras.layers.Layer`.

    Input shape:
        float [batch, height, width, any].

    Output shape:
        float [batch, channels].
    """

    def build(self, input_shape: Shape) -> None:
        """Makes the kernel [inputs, channels]."""
        self.kernel = self.add_kernel("kernel", (input_shape[-1], self.channels))

    def after_relu(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the rest of the layer, after the ReLU."""
        return tf.matmul(tf.reduce_mean(inputs, axis=[1, 2]), tf.convert_to_tensor(self.kernel))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """[batch, channels]."""
        return (input_shape[0], self.channels)


@keras.saving.register_keras_serializable(package="epnas_tf")
class SumBias(_Sum):
    """Adds its inputs and a bias: the class scores before the softmax, in float32 whatever the compute dtype.

    Input shape:
        A list of float [batch, channels].

    Output shape:
        float32 [batch, channels].
    """

    def build(self, input_shape: list[Shape]) -> None:
        """Makes the bias [channels]."""
        del input_shape
        self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros", autocast=False)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Adds the inputs and the bias."""
        return tf.cast(ordered_sum(inputs), tf.float32) + tf.convert_to_tensor(self.bias)

    def compute_output_spec(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """The symbolic output, in float32: Keras would use the compute dtype."""
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype="float32")
