"""The way from a final training over its export to the evaluation, with nothing in between replaced."""

import json

import numpy as np
import pytest

from epnas_tf.config import DataConfig, FinalNetworkConfig, RecipeConfig, TrainingConfig
from epnas_tf.data import load
from epnas_tf.evaluation import Metrics, evaluate, load_classifier
from epnas_tf.export.exporter import export_network
from epnas_tf.space.serialization import save_architecture
from epnas_tf.training.trainer import train_final
from tests.network.architectures import macro

FORMS = ("final", "export/saved_model", "export/model.keras")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("parity")
    save_architecture(macro("conv_3x3", ("max_pool_3x3", 0), "sep_conv_3x3"), path / "mine.json")
    config = TrainingConfig(FinalNetworkConfig(channels=8), RecipeConfig(epochs=4, batch_size=32), DataConfig(), seed=1)
    train_final(path / "run", config, architecture_file=str(path / "mine.json"))
    export_network(path / "run", ("saved_model", "keras"))
    return path / "run"


def test_evaluation_agrees_with_the_trainings_own_result(run_dir):
    recorded = Metrics.from_dict(json.loads((run_dir / "final" / "metrics.json").read_text()))
    assert recorded.accuracy > 0.5  # or the forms could agree in knowing nothing
    for form in FORMS:
        found = evaluate(run_dir / form).metrics
        assert found.accuracy == recorded.accuracy
        assert found.confusion == recorded.confusion
        assert found.class_names == recorded.class_names
        assert found.loss == pytest.approx(recorded.loss, abs=1e-4)


def test_every_form_gives_the_probabilities_of_the_training(run_dir):
    images = load(DataConfig(), 1).test.images
    with np.load(run_dir / "final" / "test.npz") as archive:
        expected = archive["probabilities"]
    for form in FORMS:
        np.testing.assert_allclose(load_classifier(run_dir / form).predict(images), expected, atol=1e-4)
