"""The network of a micro architecture: one cell, stacked (paper, section 3 and Fig. 2)."""

import dataclasses

from epnas_tf.errors import ArchitectureError
from epnas_tf.space.architecture import MicroArchitecture
from epnas_tf.space.graph import Graph, Key, NetworkShape, add_head, add_stem, build_graph, check_image_size

NUM_REDUCTIONS = 2


@dataclasses.dataclass(frozen=True)
class _Output:
    """What a cell (or the stem) hands on: its parts by the end of their keys, and how often it was halved."""

    parts: dict[Key, Key]
    halvings: int


def reductions(normal_cells: int) -> tuple[int, ...]:
    """Returns which cells (from 1) are reduction cells: N normal, reduction, N normal, reduction, N normal (PNAS)."""
    return tuple(i * (normal_cells + 1) for i in range(1, NUM_REDUCTIONS + 1))


@build_graph.register
def build_micro_graph(architecture: MicroArchitecture, shape: NetworkShape) -> Graph:
    """Returns the network of a micro architecture; see `build_graph`.

    All cells have the architecture's structure. Channels double at a reduction cell, which has stride 2 on what comes
    from the two previous cells. Blocks need not use both of these: an input that none uses is left out, and so is a
    cell that no later one reads.
    """
    if len(architecture.blocks) > shape.num_levels:
        raise ArchitectureError(
            f"The largest cell has {shape.num_levels} blocks. Received: {len(architecture.blocks)} blocks"
        )
    check_image_size(shape, NUM_REDUCTIONS)
    graph = Graph()
    before = last = _Output({("stem",): add_stem(graph, shape)}, halvings=0)
    reduced_at = reductions(shape.normal_cells)
    behind_last_halving = []
    num_cells = shape.normal_cells * (NUM_REDUCTIONS + 1) + NUM_REDUCTIONS
    for cell in range(1, num_cells + 1):
        halved = last.halvings + (cell in reduced_at)
        channels = shape.channels * 2**halved
        inputs = {
            -2: _add_input(graph, cell, -2, before, last.halvings, channels),
            -1: _add_input(graph, cell, -1, last, last.halvings, channels),
        }
        parts = _add_blocks(
            graph, cell, architecture, inputs, channels, reduction=cell in reduced_at, path_depth=cell / num_cells
        )
        if cell >= reduced_at[-1]:
            behind_last_halving.append(tuple(parts.values()))
        before, last = last, _Output(parts, halved)
    add_head(graph, last.parts, shape)
    graph = graph.without_unread()
    # No cell need read the last reduction: where none reads the previous one, every second cell is left out.
    graph.taps = next(parts for parts in behind_last_halving if set(parts) <= set(graph.keys))
    return graph


def _add_input(graph: Graph, cell: int, number: int, output: _Output, halvings: int, channels: int) -> Key:
    """Brings an earlier cell's output to this cell's channels and to the size of the previous cell's output."""
    stride = 2 if output.halvings < halvings else 1
    position: Key = ("cell", cell, "input", number)
    projections = [
        graph.add((*position, *end), "source_projection", node, channels=channels, stride=stride)
        for end, node in output.parts.items()
    ]
    return graph.add((*position, "sources"), "sum_batch_norm", *projections, channels=channels)


def _add_blocks(
    graph: Graph,
    cell: int,
    architecture: MicroArchitecture,
    inputs: dict[int, Key],
    channels: int,
    reduction: bool,
    path_depth: float,
) -> dict[Key, Key]:
    """Adds the blocks of a cell and returns those that no other block uses: the cell's output (paper, section 3)."""
    outputs = dict(inputs)
    for b, block in enumerate(architecture.blocks, 1):
        sides = []
        for name, side in (("left", block.left), ("right", block.right)):
            stride = 2 if reduction and side.input < 0 else 1
            key: Key = ("cell", cell, "block", b, name, side.operation)
            if stride == 2:  # an operation that halves is another one, with weights of its own
                key = (*key, "halving")
            sides.append(
                graph.add(
                    key,
                    side.operation,
                    outputs[side.input],
                    channels=channels,
                    stride=stride,
                    path_depth=0.0 if side.operation == "identity" else path_depth,  # ENAS never drops the identity
                )
            )
        outputs[b] = graph.add(("cell", cell, "block", b, "sum"), "sum", *sides, channels=channels)
    return {("block", b): outputs[b] for b in architecture.unused_blocks()}
