"""Plain Keras models against the networks that they are made from, on every operation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import ArchitectureError
from epnas_tf.export.plain import plain_model
from epnas_tf.network import Network, VariableStore
from epnas_tf.nn import Convolution, FusedBatchNormalization, Operation, free, known, operation, registry
from epnas_tf.nn.plain import BATCH_NORM
from epnas_tf.space import MICRO_OPERATIONS, Graph, NetworkShape, StagedArchitecture, add_head, add_stem, build_graph
from epnas_tf.space.graph import IMAGE
from tests.export import networks
from tests.network.architectures import micro


def scores_of(model):
    """Returns the model up to the scores: a softmax of a random network says nearly nothing but its largest one."""
    return keras.Model(model.input, model.layers[-1].input)


def assert_same_scores(model, network, images, inputs=None):
    expected = network(tf.constant(images, tf.float32), training=False).numpy()
    assert np.ptp(expected, axis=0).min() > 0.01  # the images matter
    found = scores_of(model)(images if inputs is None else inputs, training=False).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("image_shape", networks.IMAGE_SHAPES.values(), ids=networks.IMAGE_SHAPES.keys())
@pytest.mark.parametrize("architecture", networks.ARCHITECTURES.values(), ids=networks.ARCHITECTURES.keys())
def test_plain_model_gives_the_scores_of_the_network(architecture, image_shape):
    network = networks.make_network(architecture, image_shape, channels=5)  # odd: the halves of a reduction differ
    model = plain_model(network.graph, image_shape, network.layers)
    images = np.random.default_rng(3).normal(size=(4, *image_shape)).astype(np.float32)
    assert_same_scores(model, network, images)
    assert model.output_shape == (None, 10)
    np.testing.assert_allclose(model(images).numpy().sum(axis=1), 1, rtol=1e-5)
    assert sum(variable.shape.num_elements() for variable in model.trainable_variables) == network.num_parameters
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}


def test_networks_of_the_tests_have_every_kind_of_node():
    shapes = {a: NetworkShape((8, 8, 1), 10, 6, a.num_levels, normal_cells=1) for a in networks.ARCHITECTURES.values()}
    graphs = [build_graph(architecture, shape) for architecture, shape in shapes.items()]
    halving = {(node.kind, node.stride) for graph in graphs for node in graph}
    plain = {kind for kind in known(internal=True) if operation(kind).plain is not None}
    assert {kind for kind, _ in halving} >= plain - set(known()) | set(MICRO_OPERATIONS)
    operations = {*MICRO_OPERATIONS, "source_projection"}
    assert {(kind, stride) for kind in operations for stride in (1, 2)} <= halving


@pytest.mark.parametrize("name", known())
def test_plain_form_of_an_operation_gives_its_scores_and_has_its_parameters(name):
    architecture = micro((name, -2, name, -1), (name, 1, name, -1))
    if operation(name).shortcut:  # several of these, one behind the other without it, would let nothing through
        architecture = StagedArchitecture((name,) * 3, stages=2)
    network = networks.make_network(architecture, (8, 8, 1))
    assert cost(network.graph, (8, 8, 1)).parameters == network.num_parameters
    images = 5 * np.random.default_rng(1).normal(size=[64, 8, 8, 1]).astype(np.float32)
    assert_same_scores(plain_model(network.graph, (8, 8, 1), network.layers), network, images)


def test_raw_pixels_are_normalised_inside():
    network = networks.make_network(networks.SMALL, (8, 8, 3))
    mean, std = (10.0, 100.0, 200.0), (20.0, 60.0, 1.0)
    model = plain_model(network.graph, (8, 8, 3), network.layers, (mean, std))
    pixels = networks.raw_images((8, 8, 3))
    normalised = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(std)
    assert_same_scores(model, network, normalised, inputs=pixels)
    assert_same_scores(model, network, normalised, inputs=pixels.astype(np.float32))


def test_model_is_float32_whatever_the_policy():
    policy = keras.config.dtype_policy()
    network = networks.make_network(networks.EVERY_MACRO, (8, 8, 1))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = plain_model(network.graph, (8, 8, 1), network.layers, ((0.0,), (1.0,)))
    finally:
        keras.config.set_dtype_policy(policy)
    assert {layer.compute_dtype for layer in model.layers[1:]} == {"float32"}
    assert_same_scores(model, network, np.random.default_rng(3).normal(size=(4, 8, 8, 1)).astype(np.float32))


def test_batch_norm_has_our_settings():
    ours = FusedBatchNormalization()
    assert {"momentum": ours.momentum, "epsilon": ours.epsilon} == BATCH_NORM


def test_values_are_copies():
    network = networks.make_network(networks.SMALL, (8, 8, 1))
    model = plain_model(network.graph, (8, 8, 1), network.layers)
    images = np.random.default_rng(3).normal(size=(4, 8, 8, 1)).astype(np.float32)
    before = model(images).numpy()
    for variable in network.trainable_variables:
        variable.assign(variable * 2)
    np.testing.assert_array_equal(model(images).numpy(), before)


def test_a_node_of_an_unknown_kind_is_refused():
    graph = Graph()
    graph.add(("stem",), "conv_7x7", IMAGE, channels=4)
    with pytest.raises(ArchitectureError, match="conv_7x7"):
        plain_model(graph, (8, 8, 1))


def keras_layers(channels, stride, seed, name, dtype):
    """ReLU and a convolution, as Keras has them."""
    start = keras.initializers.HeNormal(seed)
    conv = keras.layers.Conv2D(channels, 3, stride, padding="same", kernel_initializer=start, dtype=dtype)
    return keras.Sequential([keras.layers.ReLU(dtype=dtype), conv], name=name)


def network_of(monkeypatch, make_layer):
    monkeypatch.setitem(registry._OPERATIONS, "mine", Operation("mine", make_layer, free))
    graph = Graph()
    stem = add_stem(graph, SHAPE)
    add_head(graph, {("end",): graph.add(("mine",), "mine", stem, channels=4, stride=2)}, SHAPE)
    return Network(None, SHAPE, VariableStore(0), graph)


SHAPE = NetworkShape((8, 8, 3), 10, channels=4, num_levels=1)


def test_an_operation_of_keras_layers_needs_no_plain_form(monkeypatch):
    network = network_of(monkeypatch, keras_layers)
    model = plain_model(network.graph, (8, 8, 3), network.layers)
    images = np.random.default_rng(3).normal(size=(4, 8, 8, 3)).astype(np.float32)
    assert_same_scores(model, network, images)


def test_an_operation_of_other_layers_without_a_plain_form_is_refused(monkeypatch):
    network = network_of(monkeypatch, lambda **options: Convolution(kernel_size=3, **options))
    with pytest.raises(ArchitectureError, match=r"Received: the operation 'mine', made of Convolution.*Give `plain`"):
        plain_model(network.graph, (8, 8, 3), network.layers)
