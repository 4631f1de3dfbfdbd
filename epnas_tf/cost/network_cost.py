"""The cost of a network, computed from its graph in microseconds: no TensorFlow, no variables.

The cost of each node comes from its operation's record, see `epnas_tf.nn.Operation`.
"""

from collections.abc import Mapping

from epnas_tf.errors import ArchitectureError
from epnas_tf.nn import FREE, Cost, operation
from epnas_tf.space.graph import IMAGE, Graph, Key, Node

Size = tuple[int, int, int]
"""(height, width, channels) of a node's output."""


def cost(graph: Graph, image_shape: tuple[int, int, int]) -> Cost:
    """The parameters and multiply-adds of a network.

    Args:
        graph: the network.
        image_shape: (height, width, channels) of its images.

    Raises:
        ArchitectureError: if an operation is not registered, or has no cost.
    """
    sizes = node_sizes(graph, image_shape)
    total = FREE
    for node in graph:
        total += node_cost(node, sizes)
    return total


def node_cost(node: Node, sizes: Mapping[Key, Size]) -> Cost:
    """The parameters and multiply-adds of a node.

    Args:
        node: the node.
        sizes: the result of `node_sizes`.

    Raises:
        ArchitectureError: if its operation is not registered, or has no cost.
    """
    known = operation(node.kind)
    if known.cost is None:
        raise ArchitectureError(
            f"An operation needs a cost where networks are measured. Received: {node.kind!r}, registered without. Give "
            "`cost`, see `epnas_tf.nn.Operation`."
        )
    height, width, inputs = sizes[node.sources[0]]
    return known.cost(inputs, node.channels, node.stride, (height, width))


def inner_values(node: Node, sizes: Mapping[Key, Size]) -> int:
    """The number of values between a node's own layers, for one image; the arguments are those of `node_cost`."""
    inner = operation(node.kind).inner
    height, width, inputs = sizes[node.sources[0]]
    return 0 if inner is None else inner(inputs, node.channels, node.stride, (height, width))


def node_sizes(graph: Graph, image_shape: Size) -> dict[Key, Size]:
    """The sizes of the images and of each node's output; class scores have a height and a width of 1.

    Args:
        graph: the network.
        image_shape: (height, width, channels) of its images.
    """
    sizes: dict[Key, Size] = {IMAGE: image_shape}
    for node in graph:
        height, width, _ = sizes[node.sources[0]]
        area = (1, 1) if operation(node.kind).vector else (-(-height // node.stride), -(-width // node.stride))
        sizes[node.key] = (*area, node.channels)
    return sizes
