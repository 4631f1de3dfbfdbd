"""A network as a value: its layers, their positions and their inputs. No TensorFlow.

A space's `build_graph` turns an architecture into a graph; the store makes the graph's layers, and `Network` calls them
in order. One builder therefore serves the search's children, the final network and export.
"""

import dataclasses
from collections.abc import Iterator
from typing import Protocol

from epnas_tf.config import FinalNetworkConfig, NetworkConfig
from epnas_tf.errors import DataError

Key = tuple[str | int, ...]
"""A position and an operation, for example ("layer", 3, "conv_5x5")."""

IMAGE: Key = ("image",)
"""The key under which nodes read the network's input."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One layer of a network.

    Attributes:
        key: position and operation; the store keeps one layer for each key.
        kind: the layer's name among `epnas_tf.nn`'s operations.
        sources: the keys of the nodes it reads, `IMAGE` for the input.
        channels: its output channels.
        stride: 1, or 2 to halve height and width.
        path_depth: the relative depth of a path that drop-path may drop here, in (0, 1]; 0 for none.
    """

    key: Key
    kind: str
    sources: tuple[Key, ...]
    channels: int
    stride: int = 1
    path_depth: float = 0.0


class SizedImages(Protocol):
    """What a network's shape takes from a data set, or from its description."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""

    @property
    def num_classes(self) -> int:
        """Classes, at least 2."""


@dataclasses.dataclass(frozen=True)
class NetworkShape:
    """The properties of a network besides its architecture.

    Attributes:
        image_shape: (height, width, channels) of the images.
        num_classes: classes, at least 2.
        channels: channels of the convolutions, C in the paper.
        num_levels: the deepest level of the search. It fixes the halvings of the macro space for shallow children too;
            otherwise shared weights would see two resolutions.
        normal_cells: micro: the normal cells N in each of the three stacks.

    Raises:
        DataError: if the image shape is invalid, or there are fewer than two classes.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.NetworkShape((32, 32, 3), num_classes=10, channels=24, num_levels=12).normal_cells
        2
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    channels: int
    num_levels: int
    normal_cells: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        if len(self.image_shape) != 3 or min(self.image_shape) < 1:
            raise DataError(f"Images have a shape (height, width, channels). Received: {self.image_shape}")
        if self.num_classes < 2:
            raise DataError(f"A classifier needs at least 2 classes. Received: {self.num_classes}")

    @classmethod
    def of(cls, network: NetworkConfig | FinalNetworkConfig, num_levels: int, images: SizedImages) -> "NetworkShape":
        """The shape that the settings of a network give for some images.

        Args:
            network: the settings, of a search's children or of a final network.
            num_levels: the deepest level.
            images: the data set, or its description.
        """
        return cls(images.image_shape, images.num_classes, network.channels, num_levels, network.normal_cells)


class Graph:
    """The nodes of a network, each after its sources; the last node gives the class scores.

    Attributes:
        taps: the nodes behind the last halving; an auxiliary head may read them.
    """

    def __init__(self) -> None:
        self._nodes: dict[Key, Node] = {}
        self.taps: tuple[Key, ...] = ()

    def add(self, key: Key, kind: str, *sources: Key, channels: int, stride: int = 1, path_depth: float = 0.0) -> Key:
        """Adds a node and returns its key, for the nodes that read it.

        Raises:
            ValueError: if the key is taken, or a source is not there yet.
        """
        missing = [source for source in sources if source != IMAGE and source not in self._nodes]
        if key in self._nodes or missing:
            raise ValueError(f"A node must be new and follow its sources. Received: {key}, missing sources: {missing}")
        self._nodes[key] = Node(key, kind, sources, channels, stride, path_depth)
        return key

    def without_unread(self) -> "Graph":
        """The graph without nodes that the class scores do not depend on: these could not be trained."""
        read = {self.keys[-1]}
        for node in reversed(self._nodes.values()):
            if node.key in read:
                read.update(node.sources)
        graph = Graph()
        graph._nodes = {key: node for key, node in self._nodes.items() if key in read}
        graph.taps = tuple(key for key in self.taps if key in read)
        return graph

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, key: Key) -> Node:
        return self._nodes[key]

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of all nodes, in order."""
        return tuple(self._nodes)


def check_image_size(shape: NetworkShape, halvings: int) -> None:
    """Rejects images with a side below 2 pixels after the last halving.

    Raises:
        DataError: if the images are too small.
    """
    smallest = 2 ** (halvings + 1)
    if min(shape.image_shape[:2]) < smallest:
        raise DataError(
            f"With {halvings} halvings of their size, images must be at least {smallest}×{smallest} pixels. "
            f"Received: {shape.image_shape[0]}×{shape.image_shape[1]}. Use larger images (--image_size for a folder)."
        )


def add_stem(graph: Graph, shape: NetworkShape) -> Key:
    """Adds the fixed convolution that expands the image to C channels (paper, section 3)."""
    return graph.add(("stem",), "stem", IMAGE, channels=shape.channels)


def add_head(graph: Graph, parts: dict[Key, Key], shape: NetworkShape) -> None:
    """Adds the classifier: global average pooling and a linear layer for each part, their sum and a bias.

    Args:
        graph: the graph so far.
        parts: for each part of the last output, the end of its key and its node.
        shape: holds the number of classes.
    """
    classes = shape.num_classes
    scores = [graph.add(("head", *end), "pooled_dense", node, channels=classes) for end, node in parts.items()]
    graph.add(("head", "sum"), "sum_bias", *scores, channels=classes)
