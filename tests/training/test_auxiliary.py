import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.errors import ConfigError
from epnas_tf.network import Network, VariableStore
from epnas_tf.nn import AuxiliaryPooling, FullConvolution
from epnas_tf.space import NetworkShape, build_graph
from epnas_tf.training.auxiliary import SCORES, with_auxiliary_head
from epnas_tf.training.network_training import NetworkTraining
from epnas_tf.training.trained import load_trained
from tests.network.architectures import macro
from tests.training import helpers

DEEP = macro("conv_3x3", ("max_pool_3x3", 0), "conv_3x3", ("sep_conv_3x3", 1), "conv_5x5", ("conv_3x3", 2))
TWO_ENDS = helpers.micro(("conv_3x3", -2, "identity", -1), ("max_pool_3x3", -1, "identity", -2))
"""A cell of two blocks that no other block reads."""
BEFORE_PREVIOUS = helpers.micro(("conv_3x3", -2, "identity", -2))
"""A cell that does not read the previous one, so that every second cell is left out."""


def shape(architecture, image_shape=(8, 8, 1)):
    levels = len(getattr(architecture, "layers", ()) or architecture.blocks)
    return NetworkShape(image_shape, 10, channels=4, num_levels=levels, normal_cells=1)


def both(architecture, image_shape=(8, 8, 1)):
    """Returns a graph without and with the auxiliary head."""
    graph = build_graph(architecture, shape(architecture, image_shape))
    return graph, with_auxiliary_head(graph, shape(architecture, image_shape))


@pytest.mark.parametrize("architecture", [helpers.SKIPS, DEEP, helpers.CELL, TWO_ENDS, BEFORE_PREVIOUS], ids=str)
def test_all_other_nodes_stay_as_they_are(architecture):
    plain, extended = both(architecture)
    head = [node for node in extended if node.key[0] == "auxiliary"]
    assert [node for node in extended if node not in head] == list(plain)
    assert extended.keys[-1] == plain.keys[-1] == ("head", "sum")
    assert extended.taps == plain.taps
    read = {source for node in head for source in node.sources} - {node.key for node in head}
    assert read == set(plain.taps)
    assert not any(node.path_depth for node in head)
    assert head[-1].key == SCORES
    assert head[-1].channels == 10


def test_the_head_stands_behind_the_last_halving():
    for architecture, taps in (
        (helpers.SKIPS, [("halving", 2, "source", 2)]),
        (DEEP, [("halving", 4, "source", 4)]),
        (TWO_ENDS, [("cell", 4, "block", b, "sum") for b in (1, 2)]),  # N = 1: the second reduction is cell 4 of 5
        (BEFORE_PREVIOUS, [("cell", 5, "block", 1, "sum")]),  # cells 5, 3 and 1 alone are there
    ):
        graph, _ = both(architecture)
        assert list(graph.taps) == taps


@pytest.mark.parametrize("image_shape", [(8, 8, 1), (11, 9, 3), (28, 28, 1), (32, 32, 3)], ids=str)
@pytest.mark.parametrize("architecture", [helpers.SKIPS, TWO_ENDS], ids=["macro", "micro"])
def test_the_head_scores_images_of_any_size_that_the_network_takes(architecture, image_shape):
    _, extended = both(architecture, image_shape)
    network = Network(architecture, shape(architecture, image_shape), VariableStore(0), extended)
    outputs = network.outputs(tf.zeros([2, *image_shape]), training=True)
    assert outputs[SCORES].shape == (2, 10)
    assert outputs[SCORES].dtype == tf.float32
    convolution = outputs[("auxiliary", "convolution")]
    assert convolution.shape == (2, 1, 1, 768)
    assert outputs[("auxiliary", "sources")].shape[-1] == 128


def test_initial_values_of_all_other_nodes_are_unchanged():
    plain, extended = (
        Network(helpers.SKIPS, shape(helpers.SKIPS), VariableStore(7), graph) for graph in both(helpers.SKIPS)
    )
    for key, layer in plain.layers.items():
        for one, other in zip(layer.get_weights(), extended.layers[key].get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    images = tf.random.stateless_normal([4, 8, 8, 1], [1, 2])
    np.testing.assert_array_equal(plain(images), extended(images))


def test_every_weight_of_the_head_moves_and_the_rest_trains_on():
    training = helpers.make_training(helpers.SKIPS, auxiliary_weight=0.4, l2=0.0)  # L2 would move what has no gradient
    before = helpers.layers_of(training.store)
    training.run_epoch(0)
    after = helpers.layers_of(training.store)
    moved = {key: [not np.array_equal(*pair) for pair in zip(before[key], after[key], strict=True)] for key in before}
    assert sum(key[0] == "auxiliary" for key in moved) > 4
    assert all(all(weights) for weights in moved.values()), moved


def test_without_weight_there_is_no_head():
    training = helpers.make_training(helpers.SKIPS, auxiliary_weight=0.0)
    assert not any(key[0] == "auxiliary" for key in helpers.layers_of(training.store))


def test_the_head_is_in_the_checkpoint_and_absent_from_the_network_that_is_used(tmp_path):
    helpers.train(tmp_path / "run", helpers.config(auxiliary_weight=0.4, epochs=1), helpers.SKIPS)
    index = helpers.checkpoint(tmp_path / "run" / "final").values["store"]["layers"]
    keys = {tuple(entry["key"]) for entry in index}
    head = {key for key in keys if key[0] == "auxiliary"}
    assert SCORES in head
    assert ("auxiliary", "convolution") in head
    network = load_trained(tmp_path / "run" / "final").network
    assert set(network.layers) == keys - head
    assert set(network.graph.keys) == set(build_graph(helpers.SKIPS, network.shape).keys)
    training = helpers.make_training(helpers.SKIPS, auxiliary_weight=0.4)
    assert set(training.plain_network().layers) == keys - head


@pytest.mark.parametrize("architecture", [macro("conv_3x3"), helpers.CHAIN], ids=["one layer", "two layers"])
def test_a_network_without_a_halving_is_refused(architecture):
    with pytest.raises(
        ConfigError, match=r"behind the last halving of the images, and this network has none.* Use aux"
    ):
        both(architecture)
    with pytest.raises(ConfigError, match="auxiliary_weight"):
        NetworkTraining(
            architecture, shape(architecture), helpers.digits(), helpers.config(auxiliary_weight=0.1).recipe, 0
        )


@pytest.mark.parametrize(("side", "pooled"), [(2, 1), (5, 1), (7, 1), (8, 2), (16, 4)])
def test_pooling_is_the_mean_over_windows_inside_the_image(side, pooled):
    layer = AuxiliaryPooling(3)
    images = tf.random.stateless_normal([2, side, side, 3], [0, side])
    found = layer(images).numpy()
    assert found.shape == (2, pooled, pooled, 3) == layer.compute_output_shape(images.shape)
    activated, size = np.maximum(images.numpy(), 0), min(side, 5)
    for row in range(pooled):
        for column in range(pooled):
            window = activated[:, 3 * row : 3 * row + size, 3 * column : 3 * column + size]
            np.testing.assert_allclose(found[:, row, column], window.mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_full_convolution_sees_all_pixels():
    layer = FullConvolution(6, seed=2)
    images = tf.random.stateless_normal([5, 2, 3, 4], [0, 1])
    found = layer(images, training=False).numpy()
    assert found.shape == (5, 1, 1, 6) == layer.compute_output_shape(images.shape)
    flat = np.maximum(images.numpy(), 0).reshape(5, -1) @ layer.kernel.numpy().reshape(-1, 6)
    np.testing.assert_allclose(found[:, 0, 0], flat / np.sqrt(1 + 1e-5), rtol=1e-4, atol=1e-5)  # untouched statistics
    assert np.prod(layer.kernel.shape) == 2 * 3 * 4 * 6
