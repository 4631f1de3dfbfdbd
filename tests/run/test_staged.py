"""The staged space from search to report: every room takes it as it takes the paper's spaces."""

import keras
import pytest

import epnas_tf


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A search under a limit, two blocks in two stages, and a final training of one epoch."""
    path = tmp_path_factory.mktemp("staged")
    space = epnas_tf.SpaceConfig("staged", layers=2, stages=2, operations=("none", "residual", "inverted_3x3_e3_se"))
    config = epnas_tf.RunConfig(
        space=space,
        network=epnas_tf.NetworkConfig(channels=4),
        data=epnas_tf.DataConfig(dataset="digits", train_images=200),
        child=epnas_tf.ChildConfig(epochs=1, batch_size=64),
        search=epnas_tf.SearchConfig(k=3, iterations=1),
        limits=epnas_tf.LimitConfig(max_params=1_000),
    )
    result = epnas_tf.run_search(config, path)
    recipe = {"epochs": 1, "drop_path_keep": 0.5, "auxiliary_weight": 0.4}
    trained = epnas_tf.train_final(path, epnas_tf.training_config(path, channels=4, **recipe))
    return path, result, trained


def test_a_search_keeps_its_limit(run):
    path, result, trained = run
    assert isinstance(result.architecture, epnas_tf.StagedArchitecture)
    assert (result.architecture.stages, result.num_failed) == (2, 0)
    assert epnas_tf.load_architecture(path / "architecture.json") == result.architecture
    assert trained.cost.parameters <= 1_000


def test_it_is_exported(run):
    path, _, trained = run
    exported = epnas_tf.export_network(path, ["saved_model", "keras", "tflite", "tflite_full_int8"])
    assert [file.format.name for file in exported.files] == ["saved_model", "keras", "tflite", "tflite_full_int8"]
    model = keras.models.load_model(path / "export" / "model.keras")
    assert sum(variable.shape.num_elements() for variable in model.trainable_variables) == trained.cost.parameters


def test_it_is_reported(run):
    path, result, _ = run
    epnas_tf.write_report(path)
    page = (path / "report.html").read_text(encoding="utf-8")
    assert f"2 stages with {sum(name != 'none' for name in result.architecture.blocks)} block" in page
