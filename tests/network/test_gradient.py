"""The gradient by hand through the layers against one tape over the whole network, and the flat values it reads."""

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.network import Network, NetworkShape, VariableStore
from epnas_tf.network.gradient import loss_and_gradients
from epnas_tf.network.layout import FlatValues, Layout
from epnas_tf.space.architecture import BlockSide, MicroArchitecture, MicroBlock
from tests.network.architectures import MACRO, MACRO_SHAPE, MICRO, MICRO_SHAPE

# Two identities of one input, added: the tensors that a tape sees must not be one and the same.
TWICE = MicroArchitecture((MicroBlock(BlockSide("identity", -1), BlockSide("identity", -1)),))
TWICE_SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=1, normal_cells=1)

CASES = {"macro": (MACRO, MACRO_SHAPE), "micro": (MICRO, MICRO_SHAPE), "twice": (TWICE, TWICE_SHAPE)}


@pytest.mark.parametrize("case", CASES)
def test_it_is_that_of_one_tape_over_the_whole_network(case):
    architecture, shape = CASES[case]
    store = VariableStore(0)
    network = Network(architecture, shape, store)
    layout = Layout(store, network.layers)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(4, *shape.image_shape)), tf.float32)
    labels = tf.constant(rng.integers(0, shape.num_classes, 4))

    def loss_of(scores):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))

    values = FlatValues(*(tf.constant(array) for array in layout.read()))
    weights, statistics = layout.weights.split(values.weights), layout.statistics.split(values.statistics)
    loss, gradients, after = loss_and_gradients(network, images, weights, statistics, loss_of)
    variables = [variable.value for variable in network.trainable_variables]
    with tf.GradientTape() as tape:
        expected_loss = loss_of(network(images, training=True))
    expected = tape.gradient(expected_loss, variables)
    assert float(loss) == float(expected_loss)
    together = np.concatenate([np.ravel(gradient) for gradient in expected])
    assert gradients.keys() == weights.keys()
    np.testing.assert_allclose(layout.weights.join(gradients), together, rtol=1e-4, atol=1e-6)  # sums in another order
    # The variables of the network that ran by itself have moved as the flat statistics say.
    moved = layout.read()
    np.testing.assert_array_equal(layout.statistics.join(after), moved.statistics)
    np.testing.assert_array_equal(values.weights, moved.weights)


def test_flat_parts_are_joined_as_they_were_split():
    layout = Layout(VariableStore(0), [])
    assert layout.weights.split(tf.zeros([0])) == {}
    assert layout.weights.join({}).shape == (0,)
    store = VariableStore(0)
    layout = Layout(store, Network(MICRO, MICRO_SHAPE, store).layers)
    for part, array in ((layout.weights, layout.read().weights), (layout.statistics, layout.read().statistics)):
        np.testing.assert_array_equal(part.join(part.split(tf.constant(array))), array)


def test_flat_values_are_written_where_they_were_read():
    store = VariableStore(0)
    network = Network(MACRO, MACRO_SHAPE, store)
    layout = Layout(store, network.layers)
    values = FlatValues(*(np.arange(array.size, dtype=np.float32) for array in layout.read()))
    before = store.get_state()[1]["weights"]
    layout.write(values, [])
    np.testing.assert_array_equal(store.get_state()[1]["weights"], before)
    layout.write(values, network.layers)
    for found, expected in zip(layout.read(), values, strict=True):
        np.testing.assert_array_equal(found, expected)
    kernel = store[("stem",)].trainable_variables[0]
    np.testing.assert_array_equal(kernel.numpy().ravel(), np.arange(kernel.numpy().size))


def test_a_layer_that_is_handed_out_is_read_anew():
    store = VariableStore(0)
    network = Network(MACRO, MACRO_SHAPE, store)
    layout = Layout(store, network.layers)
    layout.write(layout.read(), network.layers)
    Network(MACRO, MACRO_SHAPE, store)
    kernel = store[("stem",)].trainable_variables[0]
    kernel.assign(tf.ones_like(kernel.value))
    assert (store.values(("stem",))[0][0] == 1).all()
