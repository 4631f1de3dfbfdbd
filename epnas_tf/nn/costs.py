"""The costs of operations, by arithmetic on plain values: no TensorFlow."""

import dataclasses
from collections.abc import Callable

CostFunction = Callable[[int, int, int, tuple[int, int]], "Cost"]
"""Maps the input and output channels, the stride, and the output's (height, width) to a cost."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of a network, or of a part of it.

    Attributes:
        parameters: trainable parameters: kernels, biases, batch norm's scales and offsets, but not its moving
            statistics.
        multiply_adds: multiply-adds of the convolutions and dense layers for one image. Batch norm, additions, pooling
            and activations are not counted, and a window at the border counts in full, as usual.
    """

    parameters: int
    multiply_adds: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


FREE = Cost(0, 0)


def convolution_cost(kernel_size: int, batch_norm: bool = True) -> CostFunction:
    """The cost of a convolution without bias.

    Args:
        kernel_size: side of the square kernel.
        batch_norm: whether batch norm follows.

    Example:
        >>> from epnas_tf.nn import convolution_cost
        >>> convolution_cost(7)(3, 8, 1, (32, 32)).parameters
        1192
    """

    def cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
        kernel = kernel_size**2 * inputs * channels
        return Cost(kernel + (2 * channels if batch_norm else 0), kernel * area[0] * area[1])

    return cost


def separable_convolution_cost(kernel_size: int) -> CostFunction:
    """The cost of a depthwise convolution, a 1×1 convolution and batch norm.

    Args:
        kernel_size: side of the square depthwise kernel.
    """

    def cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
        depthwise = kernel_size**2 * inputs
        return Cost(depthwise, depthwise * area[0] * area[1]) + convolution_cost(1)(inputs, channels, stride, area)

    return cost


def free(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of pooling and of sums: nothing."""
    return FREE


def batch_norm_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of batch norm: its scales and offsets."""
    return Cost(2 * channels, 0)


def identity_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of the identity; if it halves, that of two 1×1 convolutions that share the output channels."""
    return FREE if stride == 1 else convolution_cost(1)(inputs, channels, stride, area)


def dense_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of a dense layer without bias."""
    return Cost(inputs * channels, inputs * channels)


def bias_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of a bias."""
    return Cost(channels, 0)
