"""The graph of a network: where it halves, what reads what, and what it refuses. No TensorFlow here but the store."""

import dataclasses

import numpy as np
import pytest

from epnas_tf.errors import ArchitectureError, DataError
from epnas_tf.network import Network, VariableStore
from epnas_tf.space import Graph, MacroArchitecture, MacroSpace, MicroSpace, NetworkShape, StagedSpace, build_graph
from epnas_tf.space.graph import IMAGE
from epnas_tf.space.macro import halvings
from epnas_tf.space.micro_network import reductions
from tests.network.architectures import MACRO, MACRO_SHAPE, MICRO, MICRO_SHAPE, macro, micro
from tests.network.closed_forms import cells, node_sizes
from tests.space.own import register_builder


def dense_macro(depth):
    """Every layer reads every earlier output."""
    return macro(*[("conv_3x3", *range(layer - 1)) for layer in range(1, depth + 1)])


def macro_shape(levels, image_shape=(32, 32, 3)):
    return NetworkShape(image_shape, 10, channels=4, num_levels=levels)


def halved_after(graph):
    return {node.key[1] for node in graph if node.key[0] == "halving"}


def layer_sizes(graph, image_shape):
    return {key[1]: size for key, size in node_sizes(graph, image_shape).items() if key[0] == "layer" and len(key) == 3}


@pytest.mark.parametrize(
    ("levels", "positions"), [(1, ()), (2, ()), (3, (1, 2)), (6, (2, 4)), (8, (2, 4)), (12, (4, 8)), (20, (6, 12))]
)
def test_macro_halves_after_a_third_and_two_thirds_of_the_deepest_network(levels, positions):
    assert halvings(levels) == positions
    assert halved_after(build_graph(dense_macro(levels), macro_shape(levels))) == set(positions)


@pytest.mark.parametrize("depth", range(1, 13))
def test_halvings_do_not_depend_on_a_child_s_own_depth(depth):
    """Otherwise shared weights would see two resolutions: 32×32 for the layers 1 to 4, 16×16 to 8, then 8×8."""
    sizes = layer_sizes(build_graph(dense_macro(depth), macro_shape(12)), (32, 32))
    assert sizes == {layer: (32 >> (layer - 1) // 4,) * 2 for layer in range(1, depth + 1)}


@pytest.mark.parametrize("space", [MacroSpace(7), MicroSpace(4), StagedSpace(7)], ids=["macro", "micro", "staged"])
def test_shared_keys_mean_the_same_layer_in_all_networks(space):
    """Of any two networks: same operation, channels, stride and input channels, and the same sizes, at each key.

    But the classifier: it reads the mean over all pixels, at whatever depth a child ends.
    """
    shape = NetworkShape((13, 9, 3), 10, channels=4, num_levels=space.num_levels, normal_cells=1)
    rng = np.random.default_rng(0)
    seen = {}
    for _ in range(60):
        graph = build_graph(space.sample(rng, int(rng.integers(1, space.num_levels + 1))), shape)
        sizes = node_sizes(graph, shape.image_shape)
        for node in graph:
            inputs = {graph[source].channels for source in node.sources if source != IMAGE}
            size = None if node.key[0] == "head" else sizes[node.key]
            place = (node.kind, node.channels, node.stride, inputs, size)
            assert seen.setdefault(node.key, place) == place, node.key
    assert len(seen) > 50


@pytest.mark.parametrize("space", [MacroSpace(7), MicroSpace(4), StagedSpace(7)], ids=["macro", "micro", "staged"])
def test_every_node_is_read_but_the_scores(space):
    shape = NetworkShape((8, 8, 3), 10, channels=4, num_levels=space.num_levels)
    rng = np.random.default_rng(1)
    for _ in range(30):
        graph = build_graph(space.sample(rng, int(rng.integers(1, space.num_levels + 1))), shape)
        read = {source for node in graph for source in node.sources}
        assert set(graph.keys) - read == {("head", "sum")}
        assert graph.keys[-1] == ("head", "sum")
        assert IMAGE in read


@pytest.mark.parametrize("normal_cells", [1, 2, 3])
def test_micro_channels_double_and_sizes_halve_at_reductions(normal_cells):
    shape = dataclasses.replace(MICRO_SHAPE, normal_cells=normal_cells, image_shape=(17, 8, 1))
    assert reductions(normal_cells) == (normal_cells + 1, 2 * normal_cells + 2)
    graph = build_graph(MICRO, shape)
    sizes = node_sizes(graph, shape.image_shape)
    for cell, (channels, _) in enumerate(cells(shape), 1):
        halved = [(17, 8), (9, 4), (5, 2)][(cell > normal_cells) + (cell > 2 * normal_cells + 1)]
        for key in [("cell", cell, "block", block, "sum") for block in (1, 2)]:
            assert graph[key].channels == channels
            assert sizes[key] == halved
    assert ("cell", len(cells(shape)) + 1, "block", 1, "sum") not in graph.keys


def test_micro_inputs_are_halved_where_their_sizes_differ():
    """N = 1: cell 3 reads cell 1, from before the reduction 2, and cell 5 reads cell 3; nothing else is halved."""
    graph = build_graph(MICRO, MICRO_SHAPE)
    halved = {node.key[1:4] for node in graph if node.kind == "source_projection" and node.stride == 2}
    assert halved == {(3, "input", -2), (5, "input", -2)}


def test_reduction_cells_have_stride_2_on_the_previous_cells_alone():
    graph = build_graph(micro(("conv_3x3", -2, "identity", -1), ("conv_3x3", -1, "identity", 1)), MICRO_SHAPE)
    strides = {node.key[:6]: node.stride for node in graph if node.key[2:3] == ("block",) and node.kind != "sum"}
    expected = {}
    for cell in range(1, 6):
        halves = 2 if cell in (2, 4) else 1
        expected[("cell", cell, "block", 1, "left", "conv_3x3")] = halves
        expected[("cell", cell, "block", 1, "right", "identity")] = halves
        expected[("cell", cell, "block", 2, "left", "conv_3x3")] = halves
        expected[("cell", cell, "block", 2, "right", "identity")] = 1
    assert strides == expected


def test_the_cell_s_output_is_its_unused_blocks():
    graph = build_graph(micro(("conv_3x3", -2, "identity", -1), ("conv_3x3", -1, "identity", -1)), MICRO_SHAPE)
    head = [graph[source].sources for source in graph[("head", "sum")].sources]
    assert head == [(("cell", 5, "block", block, "sum"),) for block in (1, 2)]


TOO_SMALL = [
    (MACRO, dataclasses.replace(MACRO_SHAPE, image_shape=(7, 8, 1)), "at least 8×8 pixels. Received: 7×8"),
    (macro("conv_3x3"), dataclasses.replace(MACRO_SHAPE, image_shape=(8, 7, 1)), "at least 8×8 pixels. Received: 8×7"),
    (macro("conv_3x3"), macro_shape(2, (1, 2, 1)), "at least 2×2 pixels. Received: 1×2"),
    (MICRO, dataclasses.replace(MICRO_SHAPE, image_shape=(64, 4, 3)), "at least 8×8 pixels. Received: 64×4"),
]


@pytest.mark.parametrize(("architecture", "shape", "message"), TOO_SMALL)
def test_images_too_small_are_refused_before_any_layer_is_made(architecture, shape, message):
    store = VariableStore()
    with pytest.raises(DataError, match=message):
        Network(architecture, shape, store)
    assert len(store) == 0


def test_the_smallest_images_pass():
    assert len(build_graph(MACRO, MACRO_SHAPE)) > 0
    assert len(build_graph(MICRO, MICRO_SHAPE)) > 0
    assert len(build_graph(macro("conv_3x3"), macro_shape(2, (2, 2, 1)))) > 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: NetworkShape((8, 8), 10, 4, 3), DataError, r"\(height, width, channels\). Received: \(8, 8\)"),
        (lambda: NetworkShape((8, 0, 1), 10, 4, 3), DataError, r"Received: \(8, 0, 1\)"),
        (lambda: NetworkShape((8, 8, 1), 1, 4, 3), DataError, "at least 2 classes. Received: 1"),
        (lambda: build_graph(dense_macro(4), MACRO_SHAPE), ArchitectureError, "has 3 layers. Received: 4 layers"),
        (
            lambda: build_graph(micro(*[("identity", -1, "identity", -1)] * 3), MICRO_SHAPE),
            ArchitectureError,
            "has 2 blocks. Received: 3 blocks",
        ),
        (lambda: build_graph("conv_3x3", MACRO_SHAPE), ArchitectureError, "Received: 'conv_3x3' of type str"),
        (lambda: Graph().add(("a",), "sum", ("b",), channels=4), ValueError, r"missing sources: \[\('b',\)\]"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_key_is_taken_once():
    graph = Graph()
    graph.add(("a",), "stem", IMAGE, channels=4)
    with pytest.raises(ValueError, match=r"A node must be new .* Received: \('a',\)"):
        graph.add(("a",), "stem", IMAGE, channels=4)


def test_a_new_kind_of_architecture_registers_its_own_builder():
    @dataclasses.dataclass(frozen=True)
    class Deep:
        depth: int

    def build_deep_graph(architecture, shape):
        return build_graph(MacroArchitecture(dense_macro(architecture.depth).layers), shape)

    register_builder(Deep, build_deep_graph)
    assert build_graph(Deep(2), MACRO_SHAPE).keys == build_graph(dense_macro(2), MACRO_SHAPE).keys
