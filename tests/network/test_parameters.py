"""Networks of random architectures: parameters by closed forms, outputs of the right shape and finite."""

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.network import Network, VariableStore
from epnas_tf.space import MACRO_OPERATIONS, MICRO_OPERATIONS, MacroSpace, MicroSpace, NetworkShape
from tests.network.architectures import macro, micro
from tests.network.closed_forms import OPERATIONS, macro_parameters, micro_parameters

IMAGES = {"8x8_grey": (8, 8, 1), "9x9_colour": (9, 9, 3), "28x28_grey": (28, 28, 1), "11x8_colour": (11, 8, 3)}
CLASSES = (2, 10, 100)


def assert_scores(network):
    """Calls the network as it is and while training: finite scores, one row an image."""
    images = np.random.default_rng(0).normal(size=(2, *network.shape.image_shape)).astype(np.float32)
    for training in (False, True):
        scores = network(tf.constant(images), training=training)
        assert scores.shape == (2, network.shape.num_classes)
        assert scores.dtype == tf.float32
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("image_shape", IMAGES.values(), ids=IMAGES.keys())
@pytest.mark.parametrize(("levels", "channels"), [(2, 5), (7, 4)])
def test_random_macro_networks(image_shape, levels, channels):
    rng = np.random.default_rng([levels, *image_shape])
    for classes in CLASSES:
        shape = NetworkShape(image_shape, classes, channels, levels)
        architecture = MacroSpace(levels).sample(rng, int(rng.integers(1, levels + 1)))
        network = Network(architecture, shape, VariableStore())
        assert network.num_parameters == macro_parameters(architecture, shape), str(architecture)
        assert_scores(network)


@pytest.mark.parametrize(
    ("image_shape", "classes"), list(zip(IMAGES.values(), (2, 10, 100, 10), strict=True)), ids=IMAGES.keys()
)
def test_random_micro_networks(image_shape, classes):
    rng = np.random.default_rng([classes, *image_shape])
    architecture = MicroSpace(3).sample(rng, int(rng.integers(1, 4)))
    shape = NetworkShape(image_shape, classes, channels=3, num_levels=3, normal_cells=1)
    network = Network(architecture, shape, VariableStore())
    assert network.num_parameters == micro_parameters(architecture, shape), str(architecture)
    assert_scores(network)


@pytest.mark.parametrize("operation", MACRO_OPERATIONS)
def test_each_operation_of_a_macro_network(operation):
    """C = 4, one class pair: stem 9·4 + 8, source 16 + 8, the operation, classifier 8 + 2."""
    shape = NetworkShape((8, 8, 1), 2, channels=4, num_levels=1)
    network = Network(macro(operation), shape, VariableStore())
    assert network.num_parameters == 44 + 24 + OPERATIONS[operation](4) + 10


@pytest.mark.parametrize("operation", MICRO_OPERATIONS)
def test_each_operation_of_a_micro_network(operation):
    shape = NetworkShape((8, 8, 3), 2, channels=2, num_levels=1, normal_cells=1)
    architecture = micro((operation, -2, "max_pool_3x3", -1))
    network = Network(architecture, shape, VariableStore())
    assert network.num_parameters == micro_parameters(architecture, shape)


def test_a_micro_network_by_hand():
    """C = 2, cells of 2, 4, 4, 8, 8 channels; the identity has parameters where it halves, in the cells 2 and 4."""
    shape = NetworkShape((8, 8, 1), 2, channels=2, num_levels=1, normal_cells=1)
    network = Network(micro(("identity", -2, "identity", -1)), shape, VariableStore())
    stem = 18 + 4
    inputs = (4 + 4) * 2 + (8 + 8) * 2 + (8 + 8 + 16 + 8) + (32 + 16) * 2 + (32 + 16 + 64 + 16)
    identities = 2 * (16 + 8) + 2 * (64 + 16)
    assert network.num_parameters == stem + inputs + identities + 8 * 2 + 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # Cells 1 to 5 in a chain: 2→2, 2→4, 4→4, 4→8, 8→8 channels and the batch norm of each.
        (-1, (4 + 4) + (8 + 8) + (16 + 8) + (32 + 16) + (64 + 16) + 2 * (16 + 8) + 2 * (64 + 16)),
        # Cells 1, 3 and 5 alone: 2→2, 2→4, 4→8. Nobody reads the reductions; the inputs are halved in their place.
        (-2, (4 + 4) + (8 + 8) + (32 + 16)),
    ],
)
def test_what_nobody_reads_is_left_out(source, expected):
    """C = 2: stem 18 + 4, classifier 8·2 + 2, no kernel of an input or a cell that does not reach the scores."""
    shape = NetworkShape((8, 8, 1), 2, channels=2, num_levels=1, normal_cells=1)
    network = Network(micro(("identity", source, "identity", source)), shape, VariableStore())
    assert network.num_parameters == 22 + expected + 18
    assert_scores(network)


def test_the_paper_s_ratio_of_macro_sizes():
    """Channels stay C, so parameters go with C²: 38.8 M / 5.9 M = 6.58 for 512 and 200 channels (paper, Table 1)."""
    architecture = MacroSpace(12).sample(np.random.default_rng(0))
    counts = [macro_parameters(architecture, NetworkShape((32, 32, 3), 10, channels, 12)) for channels in (200, 512)]
    assert counts[1] / counts[0] == pytest.approx(38.8 / 5.9, rel=0.01)
