"""Costs against the variables of real networks, closed forms, and what TensorFlow counts in its own graph."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import ArchitectureError
from epnas_tf.network import Network, VariableStore
from epnas_tf.nn import Cost, Operation, known, operation, registry
from epnas_tf.space import (
    MACRO_OPERATIONS,
    MICRO_OPERATIONS,
    STAGED_OPERATIONS,
    Graph,
    MacroSpace,
    MicroSpace,
    NetworkShape,
    StagedSpace,
    build_graph,
)
from epnas_tf.space.graph import IMAGE
from tests.network.architectures import macro, micro
from tests.network.closed_forms import macro_parameters, micro_parameters

IMAGES = ((8, 8, 1), (9, 13, 3), (28, 28, 1), (11, 8, 3), (32, 31, 3))
COUNTED = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
# Multiply-adds per output pixel, i input and c output channels.
PER_PIXEL = {
    "max_pool_3x3": lambda i, c: 0,
    "average_pool_3x3": lambda i, c: 0,
    "conv_3x3": lambda i, c: 9 * i * c,
    "conv_5x5": lambda i, c: 25 * i * c,
    "sep_conv_3x3": lambda i, c: 9 * i + i * c,
    "sep_conv_5x5": lambda i, c: 25 * i + i * c,
    "identity": lambda i, c: 0,
}


def random_networks(count):
    """Yields macro and micro architectures of all depths with shapes of many sizes; N is 1 to 3."""
    rng = np.random.default_rng(7)
    for number in range(count):
        image_shape, classes = IMAGES[number % len(IMAGES)], int(rng.integers(2, 101))
        levels, channels = int(rng.integers(1, 13)), int(rng.integers(2, 40))
        shape = NetworkShape(image_shape, classes, channels, levels)
        yield MacroSpace(levels).sample(rng, int(rng.integers(1, levels + 1))), shape, macro_parameters
        blocks, cells = int(rng.integers(1, 6)), int(rng.integers(1, 4))
        shape = NetworkShape(image_shape, classes, channels, blocks, cells)
        yield MicroSpace(blocks).sample(rng, int(rng.integers(1, blocks + 1))), shape, micro_parameters


def cost_of(architecture, shape):
    return cost(build_graph(architecture, shape), shape.image_shape)


def counted_by_tensorflow(network):
    """Returns the multiply-adds that TensorFlow's profiler counts for one image: half its floating-point operations."""
    profiler = tf.compat.v1.profiler
    images = tf.TensorSpec((1, *network.shape.image_shape), tf.float32)
    graph = tf.function(network).get_concrete_function(images).graph
    builder = profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().order_by("float_ops").build()
    with graph.as_default():
        operations = profiler.profile(graph, cmd="op", options=options)
    flops = {child.name: child.float_ops for child in _chain(operations)}
    return sum(flops.get(name, 0) for name in COUNTED) // 2


def _chain(profile):
    """Yields the entries of the profiler's list, each the child of the one before; their counts hold the rest's."""
    while profile.children:
        profile = profile.children[0]
        yield profile


def test_parameters_of_many_networks_follow_the_closed_forms():
    for architecture, shape, parameters in random_networks(200):
        assert cost_of(architecture, shape).parameters == parameters(architecture, shape), str(architecture)


def test_parameters_are_the_trainable_ones_of_the_network():
    for architecture, shape, _ in random_networks(4):
        network = Network(architecture, shape, VariableStore())
        assert cost(network.graph, shape.image_shape).parameters == network.num_parameters, str(architecture)


def test_every_kind_of_node_has_a_cost():
    without = {kind for kind in known(internal=True) if operation(kind).cost is None}
    assert without == {"auxiliary_pool", "full_convolution"}  # of the training alone


def test_an_operation_without_cost_is_refused(monkeypatch):
    monkeypatch.setitem(registry._OPERATIONS, "mine", Operation("mine", lambda **_: None))
    graph = Graph()
    graph.add(("stem",), "mine", IMAGE, channels=4)
    with pytest.raises(ArchitectureError, match=r"needs a cost.*Received: 'mine'.*Give `cost`"):
        cost(graph, (8, 8, 1))


def test_an_unknown_kind_of_node_is_refused():
    graph = Graph()
    graph.add(("stem",), "conv_7x7", IMAGE, channels=4)
    with pytest.raises(ArchitectureError, match="conv_7x7"):
        cost(graph, (8, 8, 1))


@pytest.mark.parametrize("operation", MACRO_OPERATIONS)
def test_multiply_adds_of_each_macro_operation(operation):
    """9×7 colour, C = 4: stem, source, operation, classifier of 5 classes; nothing is halved."""
    shape = NetworkShape((9, 7, 3), 5, channels=4, num_levels=1)
    expected = 63 * (9 * 3 * 4 + 4 * 4 + PER_PIXEL[operation](4, 4)) + 4 * 5
    assert cost_of(macro(operation), shape).multiply_adds == expected


@pytest.mark.parametrize("operation", MICRO_OPERATIONS)
def test_multiply_adds_of_each_micro_operation_where_it_halves(operation):
    """A chain of five cells of 2, 4, 4, 8, 8 channels on 9×9, 5×5 and 3×3 pixels, each an operation and a pooling."""
    shape = NetworkShape((9, 9, 1), 2, channels=2, num_levels=1, normal_cells=1)
    halved = (lambda i, c: i * c) if operation == "identity" else PER_PIXEL[operation]
    cells = (
        81 * (2 * 2 + PER_PIXEL[operation](2, 2)),
        81 * 2 * 4 + 25 * halved(4, 4),  # the input is brought to its channels before the operation halves it
        25 * (4 * 4 + PER_PIXEL[operation](4, 4)),
        25 * 4 * 8 + 9 * halved(8, 8),
        9 * (8 * 8 + PER_PIXEL[operation](8, 8)),
    )
    architecture = micro((operation, -1, "max_pool_3x3", -1))
    assert cost_of(architecture, shape).multiply_adds == 81 * 9 * 2 + sum(cells) + 8 * 2


def test_multiply_adds_of_a_halved_source():
    """3 layers on 8×8, C = 3: halvings to 4×4 after layer 1 (of the stem and layer 1) and 2×2 after layer 2."""
    shape = NetworkShape((8, 8, 1), 10, channels=3, num_levels=3)
    stem_and_first = 64 * (9 * 3 + 9)
    halved = 16 * 9 * 2  # both are still read
    second = 16 * 9
    then_halved = 4 * 9 * 2  # the stem and layer 2
    third = 4 * 9 * 2
    architecture = macro("max_pool_3x3", "max_pool_3x3", ("max_pool_3x3", 0))
    expected = stem_and_first + halved + second + then_halved + third + 3 * 10
    assert cost_of(architecture, shape).multiply_adds == expected


def test_multiply_adds_are_those_that_tensorflow_counts():
    for architecture, shape, _ in random_networks(3):
        network = Network(architecture, shape, VariableStore())
        expected = counted_by_tensorflow(network)
        assert expected > 0
        assert cost_of(architecture, shape).multiply_adds == expected, str(architecture)


@pytest.mark.parametrize("image_shape", [(9, 13, 3), (8, 8, 1)])
def test_costs_of_staged_networks_are_those_of_the_real_ones(image_shape):
    """Every operation in a place that halves and in one that does not, on odd sides too."""
    rng = np.random.default_rng(4)
    for stages in (1, 2, 2):
        space = StagedSpace(len(STAGED_OPERATIONS), stages=stages)
        architecture = space.architecture(rng.permutation(len(STAGED_OPERATIONS)).tolist())
        shape = NetworkShape(image_shape, 10, channels=5, num_levels=space.num_levels)
        network = Network(architecture, shape, VariableStore())
        found = cost_of(architecture, shape)
        assert found.parameters == network.num_parameters
        assert found.multiply_adds == counted_by_tensorflow(network)


def test_costs_add_up():
    assert Cost(1, 20) + Cost(2, 30) == Cost(3, 50)


def test_no_tensorflow_is_imported():
    code = (
        "import sys; import numpy as np; from epnas_tf.cost.network_cost import cost; "
        "from epnas_tf.space import MacroSpace, NetworkShape, build_graph; "
        "graph = build_graph(MacroSpace(3).sample(np.random.default_rng(0)), NetworkShape((8, 8, 1), 10, 4, 3)); "
        "assert cost(graph, (8, 8, 1)).parameters; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
