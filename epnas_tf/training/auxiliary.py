"""The auxiliary head: a second classifier after the last reduction, used only in training (ENAS, micro space)."""

from epnas_tf.errors import ConfigError
from epnas_tf.space.graph import Graph, Key, NetworkShape

SCORES: Key = ("auxiliary", "sum")
"""The node that gives the auxiliary head's class scores."""

PROJECTION_CHANNELS = 128
CONVOLUTION_CHANNELS = 768


def with_auxiliary_head(graph: Graph, shape: NetworkShape) -> Graph:
    """Adds an auxiliary head to a graph; all other nodes stay the same.

    As in ENAS: ReLU, pooling, 1×1 convolution to 128 channels, convolution over all pixels to 768 channels, linear
    layer. As in the network itself, the 1×1 convolution has one kernel for each of its sources.

    Raises:
        ConfigError: if the network has no nodes after a last reduction.
    """
    if not graph.taps:
        raise ConfigError(
            "An auxiliary head stands behind the last halving of the images, and this network has none. Received: "
            "auxiliary_weight above 0. Use auxiliary_weight=0."
        )
    extended = Graph()
    extended.taps = graph.taps
    for node in graph:
        extended.add(
            node.key,
            node.kind,
            *node.sources,
            channels=node.channels,
            stride=node.stride,
            path_depth=node.path_depth,
        )
        if node.key == graph.taps[-1]:
            _add_head(extended, shape)
    return extended


def _add_head(graph: Graph, shape: NetworkShape) -> None:
    projections = []
    for tap in graph.taps:
        pooled = graph.add(("auxiliary", "pool", *tap), "auxiliary_pool", tap, channels=graph[tap].channels)
        key: Key = ("auxiliary", "projection", *tap)
        projections.append(graph.add(key, "source_projection", pooled, channels=PROJECTION_CHANNELS))
    merged = graph.add(("auxiliary", "sources"), "sum_batch_norm", *projections, channels=PROJECTION_CHANNELS)
    full = graph.add(("auxiliary", "convolution"), "full_convolution", merged, channels=CONVOLUTION_CHANNELS)
    dense = graph.add(("auxiliary", "dense"), "pooled_dense", full, channels=shape.num_classes)
    graph.add(SCORES, "sum_bias", dense, channels=shape.num_classes)
