"""The gradient by hand through the layers against one tape over the whole network, and the flat values it reads."""

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.network import Network, VariableStore
from epnas_tf.network.layout import FlatValues, Layout
from epnas_tf.space import NetworkShape
from epnas_tf.space.architecture import BlockSide, MicroArchitecture, MicroBlock
from tests.network.architectures import MACRO, MACRO_SHAPE, MICRO, MICRO_SHAPE, STAGED, STAGED_SHAPE
from tests.network.tapes import assert_like_one_tape

# Two identities of one input, added: the tensors that a tape sees must not be one and the same.
TWICE = MicroArchitecture((MicroBlock(BlockSide("identity", -1), BlockSide("identity", -1)),))
TWICE_SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=1, normal_cells=1)

CASES = {
    "macro": (MACRO, MACRO_SHAPE),
    "micro": (MICRO, MICRO_SHAPE),
    "staged": (STAGED, STAGED_SHAPE),
    "twice": (TWICE, TWICE_SHAPE),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_that_of_one_tape_over_the_whole_network(case):
    architecture, shape = CASES[case]
    store = VariableStore(0)
    network = Network(architecture, shape, store)
    assert_like_one_tape(network, store)


def test_flat_parts_are_joined_as_they_were_split():
    layout = Layout(VariableStore(0), [])
    assert layout.weights.split(tf.zeros([0])) == {}
    assert layout.weights.join({}).shape == (0,)
    store = VariableStore(0)
    layout = Layout(store, Network(MICRO, MICRO_SHAPE, store).layers)
    for part, array in ((layout.weights, layout.read().weights), (layout.statistics, layout.read().statistics)):
        np.testing.assert_array_equal(part.join(part.split(tf.constant(array))), array)


def write(layout, values):
    """Writes flat values to the layout's store."""
    for key, arrays in layout.cut(values)[0].items():
        layout.store.assign(key, arrays)


def test_flat_values_are_written_where_they_were_read():
    store = VariableStore(0)
    network = Network(MACRO, MACRO_SHAPE, store)
    layout = Layout(store, network.layers)
    values = FlatValues(*(np.arange(array.size, dtype=np.float32) for array in layout.read()))
    write(layout, values)
    found = layout.read()
    for name in ("weights", "statistics"):
        np.testing.assert_array_equal(getattr(found, name), getattr(values, name))
    assert not found.momentum.any()  # the optimizer's own business
    kernel = store[("stem",)].trainable_variables[0]
    np.testing.assert_array_equal(kernel.numpy().ravel(), np.arange(kernel.numpy().size))


def test_a_layer_that_is_handed_out_is_read_anew():
    store = VariableStore(0)
    network = Network(MACRO, MACRO_SHAPE, store)
    layout = Layout(store, network.layers)
    write(layout, layout.read())
    Network(MACRO, MACRO_SHAPE, store)
    kernel = store[("stem",)].trainable_variables[0]
    kernel.assign(tf.ones_like(kernel.value))
    assert (store.values(("stem",))[0] == 1).all()
