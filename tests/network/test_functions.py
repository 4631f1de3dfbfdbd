"""Layers that are traced once for all networks, against layers that compute in the network's own graph."""

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.network import Network, VariableStore
from epnas_tf.network.functions import LayerFunctions, call_layer, class_scores
from epnas_tf.network.gradient import loss_and_gradients
from tests.network.architectures import MACRO, MACRO_SHAPE, MICRO, MICRO_SHAPE, STAGED, STAGED_SHAPE, macro
from tests.network.values import split_values

CASES = {"macro": (MACRO, MACRO_SHAPE), "micro": (MICRO, MICRO_SHAPE), "staged": (STAGED, STAGED_SHAPE)}


def images_of(shape):
    return tf.constant(np.random.default_rng(0).normal(size=(4, *shape.image_shape)), tf.float32)


def learn(network, images, weights, statistics, call):
    """Returns a loss, its gradients and the statistics after it, out of one graph."""

    @tf.function(autograph=False)
    def function(images, weights, statistics):
        return loss_and_gradients(network, images, weights, statistics, lambda x: tf.reduce_sum(tf.tanh(x)), call)

    return function(images, weights, statistics)


@pytest.mark.usefixtures("without_grappler")
@pytest.mark.parametrize("case", CASES)
def test_a_network_of_functions_gives_the_same_bits(case):
    architecture, shape = CASES[case]
    store = VariableStore(0)
    network = Network(architecture, shape, store)
    weights, statistics = split_values(store, network)
    plain, traced = (
        learn(network, images_of(shape), weights, statistics, call) for call in (call_layer, LayerFunctions())
    )
    assert float(traced.loss) == float(plain.loss)
    assert all(np.any(gradient) for gradient in plain.weights.values())
    for found, expected in ((traced.weights, plain.weights), (traced.statistics, plain.statistics)):
        assert found.keys() == expected.keys()
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key], err_msg=str(key))


@pytest.mark.usefixtures("without_grappler")
@pytest.mark.parametrize("call", [call_layer, LayerFunctions()], ids=["plain", "functions"])
@pytest.mark.parametrize("case", CASES)
def test_class_scores_are_the_network_s(case, call):
    architecture, shape = CASES[case]
    store = VariableStore(0)
    network = Network(architecture, shape, store)
    scores = class_scores(network, images_of(shape), *split_values(store, network), call)
    np.testing.assert_array_equal(scores, network(images_of(shape), training=False))


def test_layers_that_read_the_same_share_their_relu():
    store = VariableStore(0)
    network = Network(MICRO, MICRO_SHAPE, store)
    values = split_values(store, network)
    graph = tf.function(lambda images: class_scores(network, images, *values), autograph=False)
    operations = graph.get_concrete_function(images_of(MICRO_SHAPE)).graph.get_operations()
    first = [node for node in network.graph if getattr(network.layers[node.key], "begins_with_relu", False)]
    sources = {node.sources for node in first}
    assert len(sources) < len(first)
    assert [operation.type for operation in operations].count("Relu") == len(sources)


def test_another_network_traces_only_kinds_that_are_new():
    store, call = VariableStore(0), LayerFunctions()

    def traced(architecture):
        network = Network(architecture, MACRO_SHAPE, store)
        class_scores(network, images_of(MACRO_SHAPE), *split_values(store, network), call)
        return len(call)

    first = traced(macro("conv_3x3"))
    assert first > 0
    assert traced(macro("conv_3x3")) == first
    assert traced(macro("conv_5x5")) == first + 1


def test_each_layer_computes_with_its_own_values():
    """Layers of one kind have one trace; what is handed in decides, not what was there when it was traced."""
    store, call = VariableStore(0), LayerFunctions()
    network = Network(macro("conv_3x3"), MACRO_SHAPE, store)
    weights, statistics = split_values(store, network)
    before = class_scores(network, images_of(MACRO_SHAPE), weights, statistics, call)
    doubled = {key: 2 * value for key, value in weights.items()}
    after = class_scores(network, images_of(MACRO_SHAPE), doubled, statistics, call)
    expected = class_scores(network, images_of(MACRO_SHAPE), doubled, statistics)
    assert np.any(before != after)
    np.testing.assert_array_equal(after, expected)
