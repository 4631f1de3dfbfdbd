"""A network as a Keras model: the same layers, the same scores, trained and saved the Keras way."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.network import Network, VariableStore, to_model
from tests.children.children import noise
from tests.network.architectures import PAIRS
from tests.network.values import arrays, changes, keys_of

CASES = {name: (architecture, shape) for name, (architecture, _, shape) in PAIRS.items()}
BOTH_SPACES = pytest.mark.parametrize(("architecture", "shape"), CASES.values(), ids=CASES.keys())


def trained(architecture, shape):
    """Returns a network whose batch norm statistics are no longer those it began with, and its store."""
    store = VariableStore(2)
    network = Network(architecture, shape, store)
    network(noise(30, seed=5)[0], training=True)
    return network, store


@BOTH_SPACES
def test_model_predicts_the_softmax_of_the_network(architecture, shape):
    network, _ = trained(architecture, shape)
    model = to_model(network)
    images, _ = noise(10)
    # The same float32 layers in a graph of their own, where kernels may be fused: some units in the last place.
    predictions = model.predict(images, verbose=0)
    np.testing.assert_allclose(predictions, tf.nn.softmax(network(images)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(predictions.sum(axis=1), 1.0, rtol=1e-5)
    assert model.input_shape == (None, *shape.image_shape)
    assert model.output_shape == (None, shape.num_classes)


@BOTH_SPACES
def test_model_holds_the_network_s_own_layers(architecture, shape):
    network, _ = trained(architecture, shape)
    model = to_model(network, name="found")
    assert model.name == "found"
    assert {id(layer) for layer in network.layers.values()} <= {id(layer) for layer in model.layers}
    assert len(model.layers) == len(network.layers) + 2  # the input and the softmax
    assert {id(v) for v in model.trainable_variables} == {id(v) for v in network.trainable_variables}
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == network.num_parameters


@BOTH_SPACES
def test_fit_moves_the_store_s_variables(architecture, shape):
    network, store = trained(architecture, shape)
    model = to_model(network)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    before = arrays(store, network.layers)
    model.fit(*noise(16), batch_size=8, epochs=1, verbose=0)
    for key, changed in changes(before, arrays(store, network.layers)).items():
        assert all(changed), key


@BOTH_SPACES
def test_a_saved_model_predicts_the_same(architecture, shape, tmp_path):
    network, _ = trained(architecture, shape)
    model = to_model(network)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    images, _ = noise(10)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


@BOTH_SPACES
def test_training_mode_uses_the_batch_s_statistics(architecture, shape):
    network, store = trained(architecture, shape)
    images, _ = noise(10)
    before = arrays(store, network.layers)
    scores = network(images)
    np.testing.assert_array_equal(network(images, training=False), scores)
    assert not any(any(changed) for changed in changes(before, arrays(store, network.layers)).values())
    assert not np.allclose(network(images, training=True), scores)
    moved = {key for key, changed in changes(before, arrays(store, network.layers)).items() if any(changed)}
    assert moved == {key for key in keys_of(shape, architecture) if network.layers[key].non_trainable_variables}
