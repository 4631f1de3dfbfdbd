"""The costs of operations, by arithmetic on plain values: no TensorFlow."""

import dataclasses
from collections.abc import Callable

CostFunction = Callable[[int, int, int, tuple[int, int]], "Cost"]
"""Maps the input and output channels, the stride, and the input's (height, width) to a cost."""

InnerFunction = Callable[[int, int, int, tuple[int, int]], int]
"""Maps the same to the number of values between an operation's layers, for one image."""


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


def strided(area: tuple[int, int], stride: int) -> int:
    """The pixels of an output: height and width divided by the stride, rounded up.

    Args:
        area: the input's (height, width).
        stride: 1 or 2.
    """
    return -(-area[0] // stride) * -(-area[1] // stride)


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
        return Cost(kernel + (2 * channels if batch_norm else 0), kernel * strided(area, stride))

    return cost


def separable_convolution_cost(kernel_size: int) -> CostFunction:
    """The cost of a depthwise convolution, a 1×1 convolution and batch norm.

    Args:
        kernel_size: side of the square depthwise kernel.
    """

    def cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
        depthwise = kernel_size**2 * inputs
        pointwise = convolution_cost(1)(inputs, channels, stride, area)
        return Cost(depthwise, depthwise * strided(area, stride)) + pointwise

    return cost


def inner_channels(channels: int, width: float) -> int:
    """The channels between the two convolutions of a basic block, at least 1.

    Args:
        channels: its output channels.
        width: factor of these, rounded down.
    """
    return max(1, int(width * channels))


def basic_block_cost(width: float = 1.0) -> CostFunction:
    """The cost of two 3×3 convolutions, each with batch norm, without the shortcut around them.

    Args:
        width: factor of the channels between the two.
    """

    def cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
        inner = inner_channels(channels, width)
        first = convolution_cost(3)(inputs, inner, stride, area)
        # The second convolution works on the first one's pixels, at stride 1.
        kernel = 9 * inner * channels
        return first + Cost(kernel + 2 * channels, kernel * strided(area, stride))

    return cost


def basic_block_values(width: float = 1.0) -> InnerFunction:
    """The values between the two convolutions of a basic block."""
    return lambda inputs, channels, stride, area: inner_channels(channels, width) * strided(area, stride)


def squeezed_channels(inputs: int) -> int:
    """The channels of a squeeze-and-excitation: a quarter of the block's input channels, at least 1 (MnasNet)."""
    return max(1, inputs // 4)


def inverted_residual_cost(kernel_size: int, expansion: int, squeeze: bool = False) -> CostFunction:
    """The cost of an inverted residual's three convolutions, each with batch norm, without the shortcut around them.

    Args:
        kernel_size: side of the square depthwise kernel.
        expansion: channels of the depthwise convolution, as a multiple of the input's.
        squeeze: whether there is a squeeze-and-excitation behind it.
    """

    def cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
        inner, pixels = expansion * inputs, strided(area, stride)
        depthwise, project = kernel_size**2 * inner, inner * channels
        expand = convolution_cost(1)(inputs, inner, 1, area)
        rest = Cost(depthwise + 2 * inner + project + 2 * channels, (depthwise + project) * pixels)
        if not squeeze:
            return expand + rest
        squeezed = squeezed_channels(inputs)
        dense = 2 * inner * squeezed
        return expand + rest + Cost(dense + squeezed + inner, dense)

    return cost


def inverted_residual_values(expansion: int) -> InnerFunction:
    """The values between the three convolutions of an inverted residual."""
    return lambda inputs, channels, stride, area: expansion * inputs * (strided(area, 1) + strided(area, stride))


def free(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of pooling and of sums: nothing."""
    return FREE


def batch_norm_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of batch norm: its scales and offsets."""
    return Cost(2 * channels, 0)


def identity_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of the identity; if it halves, that of a 1×1 convolution, or of two that share the output channels."""
    return FREE if stride == 1 else convolution_cost(1)(inputs, channels, stride, area)


def dense_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of a dense layer without bias."""
    return Cost(inputs * channels, inputs * channels)


def bias_cost(inputs: int, channels: int, stride: int, area: tuple[int, int]) -> Cost:
    """The cost of a bias."""
    return Cost(channels, 0)
