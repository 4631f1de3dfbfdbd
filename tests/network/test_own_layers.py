"""Networks of layers and graphs that are not the project's own: what they share and how they learn."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.network import Network, VariableStore
from epnas_tf.network.functions import LayerFunctions, call_layer, class_scores
from epnas_tf.nn import Convolution, Operation, registry
from epnas_tf.nn.base import ReluFirst, SeededLayer
from epnas_tf.space import Graph, NetworkShape
from epnas_tf.space.graph import add_head, add_stem
from tests.network.tapes import assert_like_one_tape
from tests.network.values import split_values
from tests.space.own import register_builder

SHAPE = NetworkShape((9, 8, 3), num_classes=5, channels=4, num_levels=1)


class Zero(SeededLayer):
    """An operation that gives nothing, and no gradient."""

    def call(self, inputs):
        return tf.zeros_like(inputs)


class ShiftedConvolution(Convolution):
    """Does something before the ReLU that its base begins with."""

    def call(self, inputs, training=False):
        return super().call(inputs + 1.0, training=training)


class Concatenation(ReluFirst):
    """Begins with the ReLU of several inputs."""

    joins_sources = True

    def build(self, input_shape):
        channels = sum(shape[-1] for shape in input_shape)
        self.kernel = self.add_kernel("kernel", (1, 1, channels, self.channels))

    def after_relu(self, inputs, training):
        return tf.nn.conv2d(tf.concat(inputs, -1), tf.convert_to_tensor(self.kernel), 1, "SAME")

    def compute_output_shape(self, input_shape):
        return super().compute_output_shape(input_shape[0])


OWN = {"zero": Zero, "shifted": partial(ShiftedConvolution, kernel_size=3), "concatenation": Concatenation}

# Nodes behind the stem, each a name, a kind and what it reads; the last one goes to the head.
GRAPHS = {
    "an operation without a gradient": [("a", "zero", "s"), ("b", "conv_3x3", "s"), ("c", "sum", "a", "b")],
    "one that reads what others read": [("a", "conv_3x3", "s"), ("b", "zero", "a"), ("c", "sum", "a", "b")],
    "something before the ReLU": [("a", "shifted", "s"), ("b", "conv_3x3", "s"), ("c", "sum", "a", "b")],
    "a ReLU of several": [("a", "conv_3x3", "s"), ("b", "concatenation", "s", "a"), ("c", "concatenation", "b", "a")],
    "the same twice": [("a", "conv_3x3", "s"), ("b", "concatenation", "a", "a"), ("c", "sum_batch_norm", "b", "b")],
    "a node called relu": [("a", "conv_3x3", "s"), ("relu", "max_pool_3x3", "a"), ("c", "concatenation", "a", "relu")],
}


def graph_of(nodes):
    graph = Graph()
    keys = {"s": add_stem(graph, SHAPE)}
    for name, kind, *sources in nodes:
        keys[name] = graph.add((name,), kind, *(keys[source] for source in sources), channels=SHAPE.channels)
    add_head(graph, {("end",): keys[nodes[-1][0]]}, SHAPE)
    return graph


@pytest.fixture(autouse=True)
def _own_layers(monkeypatch):
    for name, make in OWN.items():
        monkeypatch.setitem(registry._OPERATIONS, name, Operation(name, make))


@pytest.mark.usefixtures("without_grappler")
@pytest.mark.parametrize("call", [call_layer, LayerFunctions()], ids=["plain", "functions"])
@pytest.mark.parametrize("nodes", GRAPHS.values(), ids=GRAPHS)
def test_scores_and_gradients_are_those_of_the_whole_network(nodes, call):
    store = VariableStore(0)
    network = Network(None, SHAPE, store, graph_of(nodes))
    images = tf.constant(np.random.default_rng(1).normal(size=(3, *SHAPE.image_shape)), tf.float32)
    scores = class_scores(network, images, *split_values(store, network), call)
    np.testing.assert_array_equal(scores, network(images))
    assert_like_one_tape(network, store, call)


class Forgetful(tuple):
    """An architecture, of nodes, whose builder leaves in what nothing reads."""


register_builder(Forgetful, lambda architecture, shape: graph_of(architecture))


def test_node_that_nothing_reads_is_refused():
    nodes = [("forgotten", "conv_3x3", "s"), ("a", "conv_3x3", "s")]
    with pytest.raises(ValueError, match=r"depend on every node.*Received: \[\('forgotten',\)\]"):
        Network(Forgetful(nodes), SHAPE, VariableStore(0))
    assert ("a",) in Network(Forgetful(nodes[1:]), SHAPE, VariableStore(0)).layers
