"""What operations cost, by arithmetic on plain values: no TensorFlow."""

import dataclasses
from collections.abc import Callable

CostFunction = Callable[[int, int, int, tuple[int, int]], "Cost"]
"""Takes the channels of input and output, the stride, and the (height, width) of the output."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network, or a part of it, costs.

    Attributes:
        parameters: trainable parameters: kernels, biases, batch norm's scales and offsets. The moving statistics of
            batch norm are not among them.
        multiply_adds: multiplications, each with its addition, that the convolutions and the dense layers need for one
            image. Batch norm, additions, pooling and activations are not counted, and a window that reaches over the
            border counts whole, as is usual.
    """

    parameters: int
    multiply_adds: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


FREE = Cost(0, 0)


def convolution_cost(kernel_size: int, batch_norm: bool = True) -> CostFunction:
    """Returns the cost of a convolution without bias.

    Args:
        kernel_size: side of the square kernel.
        batch_norm: whether batch norm comes behind it.

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
    """Returns the cost of a depthwise convolution, a 1×1 convolution and batch norm.

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
    """The cost of the identity; where it halves, of two 1×1 convolutions that share the output channels."""
    return FREE if stride == 1 else convolution_cost(1)(inputs, channels, stride, area)


def dense_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of a dense layer without bias."""
    return Cost(inputs * channels, inputs * channels)


def bias_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of a bias."""
    return Cost(channels, 0)
