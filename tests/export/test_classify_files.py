"""A network for real photographs: the SavedModel's answers to files against the package's."""

import dataclasses
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from epnas_tf.config import DataConfig
from epnas_tf.data import load
from epnas_tf.evaluation import load_classifier, predict
from epnas_tf.evaluation.preparation import to_document
from epnas_tf.export import ExportError, decoding, export_network
from epnas_tf.network import Network, VariableStore
from epnas_tf.storage.data_file import describe_data, load_description
from epnas_tf.training.trained import final_shape
from tests.export import networks, photographs

FILES = photographs.every_kind()
EXAMPLE = Path(__file__).parents[2] / "examples" / "serve.py"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run on pieces of two photographs of many sizes, with a network of random values for it, and its export."""
    path = tmp_path_factory.mktemp("photographs")
    for name, photograph in photographs.PHOTOGRAPHS.items():
        (path / "images" / name).mkdir(parents=True)
        for number, piece in enumerate(photographs.pieces(photograph, 60, seed=1)):
            piece.save(path / "images" / name / f"{number}.png")
    config = dataclasses.replace(networks.CONFIG, data=DataConfig(dataset=str(path / "images")))
    data = load(config.data, config.seed)
    network = Network(
        networks.SMALL, final_shape(networks.SMALL, describe_data(data), config.network), VariableStore(0)
    )
    networks.randomise(network)  # brings the scores to a size where the softmax hides nothing
    networks.save_final(path / "final", network, describe_data(data), config)
    export_network(path, ["saved_model"])
    return path


@pytest.fixture(scope="module")
def signatures(run_dir):
    loaded = tf.saved_model.load(run_dir / "export" / "saved_model")
    return loaded, loaded.signatures


def test_files_are_answered_as_the_package_answers_them(run_dir, signatures):
    found = {name: value.numpy() for name, value in signatures[1]["classify_files"](files=[*FILES.values()]).items()}
    for model in (run_dir, run_dir / "export" / "saved_model"):
        expected = predict(model, list(FILES.values()))
        assert expected.class_names == ("flower", "temple")
        assert not expected.broken
        np.testing.assert_allclose(found["probabilities"], expected.probabilities, rtol=0, atol=1e-5)
        assert [name.decode() for name in found["class_name"]] == expected.class_name
    assert found["class_names"].shape == (len(FILES), 2)
    assert expected.probabilities.std() > 0.01  # they are not all one answer


def test_a_resize_by_tensorflow_alone_is_another_one(run_dir):
    """So the answers do depend on the preparation."""
    classifier = load_classifier(run_dir)
    contents = [content for name, content in FILES.items() if name.startswith("JPEG {")]
    images = [tf.image.resize(tf.io.decode_jpeg(content, channels=3), [32, 32]) for content in contents]
    naive = classifier.predict(tf.cast(tf.round(tf.stack(images)), tf.uint8).numpy())
    assert np.abs(naive - predict(run_dir, contents).probabilities).max() > 1e-2


def test_loaded_model_has_the_method_and_says_which_file_is_broken(signatures):
    loaded, _ = signatures
    png = photographs.encoded(Image.new("RGB", (40, 30), "red"), "PNG")
    assert loaded.classify_files([png])["probabilities"].shape == (1, 2)
    assert loaded.classify_files(tf.zeros([0], tf.string))["probabilities"].shape == (0, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Received: file 1 of the batch"):
        loaded.classify_files([png, b"no image"])


def test_example_answers_files(run_dir, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(FILES["PNG colour"])
    expected = predict(run_dir, tmp_path)
    runpy.run_path(str(EXAMPLE))["main"](run_dir, [tmp_path / "a.png"])
    share = f"{100 * expected.probabilities.max():.1f} %"
    assert capsys.readouterr().out.split(maxsplit=1) == [*expected.class_name, f"{share}  ({tmp_path / 'a.png'})\n"]


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"no image", "a JPEG or PNG file")])
def test_example_refuses_what_is_no_image_in_a_line(content, words, run_dir, tmp_path):
    if content:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SystemExit, match=words):
        runpy.run_path(str(EXAMPLE))["main"](run_dir, [tmp_path / "a.png"])


def test_export_file_says_how_images_are_prepared(run_dir):
    document = json.loads((run_dir / "export" / "export.json").read_text())
    preparation = load_description(run_dir / "final").preparation
    assert document["preparation"] == to_document(preparation)
    assert (document["preparation"]["height"], document["preparation"]["channels"]) == (32, 3)
    assert "Turn it as its EXIF orientation says" in document["preparation"]["how"]
    assert document["files"][0]["classify_files"] == {"files": {"type": "string", "shape": [None]}}
    assert [file["inputs"]["images"]["range"] for file in document["files"]] == [[0, 255]] * len(document["files"])


def test_signature_that_prepares_otherwise_is_not_exported(run_dir, tmp_path, monkeypatch):
    decode = decoding._decode_png
    monkeypatch.setattr(decoding, "_decode_png", lambda *arguments: tf.reverse(decode(*arguments), [1]))
    with pytest.raises(ExportError, match="saved_model does not answer as the trained network does"):
        export_network(run_dir, ["saved_model"], output=tmp_path / "export")
    assert not (tmp_path / "export").exists()
