import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from epnas_tf.data import evaluation_batches
from epnas_tf.errors import RunDirectoryError, StateError
from epnas_tf.network.predict import predict
from epnas_tf.space import build_graph
from epnas_tf.space.serialization import save_architecture
from epnas_tf.storage.data_file import load_description
from epnas_tf.training.trained import final_shape, load_trained
from tests.bin.runs import snapshot
from tests.network.architectures import macro
from tests.training import helpers


def test_the_network_that_is_loaded_answers_as_the_trained_one_did(finished):
    before = snapshot(finished.directory)
    trained = load_trained(finished.directory)
    test, description = helpers.digits().test, trained.description
    mean, std = np.array(description.mean, np.float32), np.array(description.std, np.float32)
    probabilities = predict(trained.network, evaluation_batches(test, mean, std, 70))  # the last batch is smaller
    with np.load(finished.directory / "test.npz") as archive:
        np.testing.assert_allclose(probabilities, archive["probabilities"], rtol=1e-4, atol=1e-6)
    assert probabilities.dtype == np.float32
    assert trained.architecture == finished.architecture
    assert description == load_description(finished.directory)
    assert snapshot(finished.directory) == before


def test_it_holds_the_checkpoints_averages_and_no_auxiliary_head(finished):
    trained = load_trained(str(finished.directory))
    state = helpers.checkpoint(finished.directory)
    graph = build_graph(helpers.SKIPS, helpers.shape_of(helpers.SKIPS))
    assert trained.network.graph.keys == graph.keys
    assert list(trained.network.layers) == list(graph.keys)
    found = {key: list(layer.get_weights()) for key, layer in trained.network.layers.items()}
    offset = 0
    for entry in state.values["average"]["layers"]:
        for number, size in enumerate(entry["weights"]):
            array = state.arrays["average.weights"][offset : offset + int(np.prod(size))].reshape(size)
            offset += array.size
            np.testing.assert_array_equal(found[tuple(entry["key"])][number], array)
    assert offset == state.arrays["average.weights"].size < state.arrays["store.weights"].size


def test_a_network_of_mixed_precision_is_loaded_in_float32(tmp_path):
    settings = helpers.config(epochs=1, mixed_precision=True)
    result = helpers.train(tmp_path / "run", settings, helpers.CHAIN)
    trained = load_trained(result.directory)
    data = helpers.all_digits()
    probabilities = predict(trained.network, evaluation_batches(data.test, data.mean, data.std, 200))
    assert {layer.compute_dtype for layer in trained.network.layers.values()} == {"float32"}
    with np.load(result.directory / "test.npz") as archive:
        np.testing.assert_allclose(probabilities, archive["probabilities"], atol=0.02)  # bfloat16 has 8 bits


def test_shape_follows_from_architecture_data_and_settings(finished):
    description = load_description(finished.directory)
    settings = dataclasses.replace(helpers.CONFIG.network, channels=6, normal_cells=2)
    for architecture, levels in ((helpers.CHAIN, 2), (helpers.CELL, 2), (helpers.SKIPS, 3)):
        shape = final_shape(architecture, description, settings)
        assert dataclasses.astuple(shape) == ((8, 8, 1), 10, 6, levels, 2)


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished.directory, tmp_path / "final")


def test_nothing_and_something_else_are_refused(finished, copy, tmp_path):
    with pytest.raises(
        RunDirectoryError, match=r"holds no final training: it has no config.json. Run epnas-train first"
    ):
        load_trained(tmp_path / "nowhere")
    with pytest.raises(RunDirectoryError, match=r"holds no final training"):
        load_trained(finished.directory.parent)
    document = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**document, "format": "epnas_tf.run"}))
    with pytest.raises(RunDirectoryError, match=r"not of format epnas_tf.training"):
        load_trained(copy)


def test_a_training_that_has_not_ended_is_refused(copy):
    (copy / "state" / "epoch-000003.npz").unlink()
    with pytest.raises(
        RunDirectoryError, match=r"has not ended: expected a checkpoint after 3 epochs. .* Received: 2 epochs"
    ):
        load_trained(copy)
    (copy / "state" / "epoch-000002.npz").unlink()
    with pytest.raises(RunDirectoryError, match="Received: 0 epochs"):
        load_trained(copy)


def test_a_last_checkpoint_cut_short_is_refused_and_left_alone(copy):
    advice = {
        "epoch-000003.npz": "is not whole. Run epnas-train again.* Received: epoch 2 as the newest",
        "epoch-000002.npz": "None of the states in .* is whole.* Remove .* to start anew",  # epnas-train says so too
    }
    for name, said in advice.items():
        os.truncate(copy / "state" / name, 1000)
        before = snapshot(copy)
        with pytest.raises(StateError, match=said):
            load_trained(copy)
        assert snapshot(copy) == before


def test_an_architecture_that_was_not_trained_is_refused(copy):
    save_architecture(macro("conv_5x5"), copy / "architecture.json")
    with pytest.raises(RunDirectoryError, match=r"is not what was trained there: expected .* Received: 1 conv_5x5"):
        load_trained(copy)


def test_a_checkpoint_without_some_of_the_networks_layers_is_refused(copy):
    save_architecture(macro("conv_5x5"), copy / "architecture.json")
    config = json.loads((copy / "config.json").read_text())
    config["settings"]["architecture"] = "1 conv_5x5"
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(StateError, match=r"is of another network. Received: nothing for \('layer', 1, 'conv_5x5'\)"):
        load_trained(copy)


def test_a_checkpoint_of_another_network_is_refused(copy):
    file = copy / "state" / "epoch-000003.npz"
    with np.load(file) as archive:
        arrays = dict(archive)
    np.savez(file, **(arrays | {"average.weights": arrays["average.weights"][:-1]}))
    with pytest.raises(StateError, match="Received:"):
        load_trained(copy)
    del arrays["average.weights"]
    np.savez(file, **arrays)
    with pytest.raises(StateError, match=r"The checkpoint in .* is incomplete. Received: no 'weights'"):
        load_trained(copy)
