"""The network of a macro architecture (paper, section 3 and Fig. 1)."""

from epnas_tf.errors import ArchitectureError
from epnas_tf.space.architecture import MacroArchitecture
from epnas_tf.space.graph import Graph, Key, NetworkShape, add_head, add_stem, build_graph, check_image_size


def halvings(num_levels: int) -> tuple[int, ...]:
    """Returns after which layers (from 1) the images are halved: one and two thirds of the way, as in ENAS.

    Args:
        num_levels: layers L of the deepest architecture of the search.
    """
    third = num_levels // 3
    return (third, 2 * third) if third else ()


@build_graph.register
def build_macro_graph(architecture: MacroArchitecture, shape: NetworkShape) -> Graph:
    """Returns the network of a macro architecture; see `build_graph`.

    Layer l concatenates its sources, brings them to C channels by ReLU, 1×1 convolution and batch norm, and applies its
    operation. Channels stay C. At a halving, every earlier output that a later layer still reads is halved too.
    """
    depth, channels = len(architecture.layers), shape.channels
    if depth > shape.num_levels:
        raise ArchitectureError(f"The deepest architecture has {shape.num_levels} layers. Received: {depth} layers")
    halved_after = halvings(shape.num_levels)
    check_image_size(shape, len(halved_after))
    graph = Graph()
    outputs: dict[int, Key] = {0: add_stem(graph, shape)}  # H_l at the present resolution
    for l, layer in enumerate(architecture.layers, 1):
        projections = [
            graph.add(
                ("layer", l, "source", s),
                "source_projection",
                outputs[s],
                channels=channels,
                # A skip connection may be dropped; the chain itself may not, or nothing would be left.
                path_depth=l / depth if s < l - 1 else 0.0,
            )
            for s in architecture.sources(l)
        ]
        merged = graph.add(("layer", l, "sources"), "sum_batch_norm", *projections, channels=channels)
        outputs[l] = graph.add(("layer", l, layer.operation), layer.operation, merged, channels=channels)
        if l in halved_after:
            needed = {s for later in range(l + 1, depth + 1) for s in architecture.sources(later) if s <= l}
            for s in sorted(needed):
                key = ("halving", l, "source", s)
                outputs[s] = graph.add(key, "factorized_reduction", outputs[s], channels=channels, stride=2)
            if l == halved_after[-1] and l < depth:
                graph.taps = (outputs[l],)
    add_head(graph, {("layer",): outputs[depth]}, shape)
    return graph
