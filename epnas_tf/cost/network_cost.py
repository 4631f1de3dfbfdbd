"""What a network costs, by arithmetic over its graph: no TensorFlow, no variables, microseconds.

`COSTS` says for each kind of node what it costs, as `epnas_tf.nn.LAYERS` says what it computes: a new operation is an
entry in both.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

from epnas_tf.errors import ArchitectureError
from epnas_tf.space.graph import IMAGE, Graph, Key, Node

Size = tuple[int, int, int]
"""(height, width, channels) of a node's output."""


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


def cost(graph: Graph, image_shape: tuple[int, int, int]) -> Cost:
    """Returns the parameters and multiply-adds of a network.

    Args:
        graph: the network.
        image_shape: (height, width, channels) of its images.

    Raises:
        ArchitectureError: if `COSTS` does not know a kind of node.
    """
    sizes = node_sizes(graph, image_shape)
    total = FREE
    for node in graph:
        if node.kind not in COSTS:
            raise ArchitectureError(
                f"Costs are known of {', '.join(COSTS)}. Received: {node.kind!r}; add it to `COSTS`."
            )
        total += COSTS[node.kind](node, sizes[node.sources[0]][-1], sizes[node.key])
    return total


def node_sizes(graph: Graph, image_shape: Size) -> dict[Key, Size]:
    """Returns the sizes of the images and of each node's output; class scores have a height and a width of 1.

    Args:
        graph: the network.
        image_shape: (height, width, channels) of its images.
    """
    sizes: dict[Key, Size] = {IMAGE: image_shape}
    for node in graph:
        height, width, _ = sizes[node.sources[0]]
        pooled = node.kind in ("pooled_dense", "sum_bias")
        area = (1, 1) if pooled else (-(-height // node.stride), -(-width // node.stride))
        sizes[node.key] = (*area, node.channels)
    return sizes


def _convolution(node: Node, inputs: int, output: Size, kernel_size: int, batch_norm: bool = True) -> Cost:
    kernel = kernel_size**2 * inputs * node.channels
    return Cost(kernel, kernel * output[0] * output[1]) + (_batch_norm(node, inputs, output) if batch_norm else FREE)


def _separable_convolution(node: Node, inputs: int, output: Size, kernel_size: int) -> Cost:
    depthwise = kernel_size**2 * inputs
    return Cost(depthwise, depthwise * output[0] * output[1]) + _convolution(node, inputs, output, kernel_size=1)


def _batch_norm(node: Node, inputs: int, output: Size) -> Cost:
    return Cost(2 * node.channels, 0)


def _free(node: Node, inputs: int, output: Size) -> Cost:
    return FREE


def _identity(node: Node, inputs: int, output: Size) -> Cost:
    return FREE if node.stride == 1 else _factorized_reduction(node, inputs, output)


def _dense(node: Node, inputs: int, output: Size) -> Cost:
    return Cost(inputs * node.channels, inputs * node.channels)


def _bias(node: Node, inputs: int, output: Size) -> Cost:
    return Cost(node.channels, 0)


# Two 1×1 convolutions of stride 2 that share the output channels cost what a single one would.
_factorized_reduction = partial(_convolution, kernel_size=1)

COSTS: dict[str, Callable[[Node, int, Size], Cost]] = {
    "max_pool_3x3": _free,
    "average_pool_3x3": _free,
    "conv_3x3": partial(_convolution, kernel_size=3),
    "conv_5x5": partial(_convolution, kernel_size=5),
    "sep_conv_3x3": partial(_separable_convolution, kernel_size=3),
    "sep_conv_5x5": partial(_separable_convolution, kernel_size=5),
    "identity": _identity,
    "stem": partial(_convolution, kernel_size=3),
    "source_projection": partial(_convolution, kernel_size=1, batch_norm=False),
    "factorized_reduction": _factorized_reduction,
    "sum": _free,
    "sum_batch_norm": _batch_norm,
    "pooled_dense": _dense,
    "sum_bias": _bias,
}
"""The cost of each kind of node, a function of the node, its input's channels and its output's size."""
