"""Keras files in the oldest version of Keras that they are for, in an environment of its own."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.export.formats import OLDEST_KERAS
from epnas_tf.export.plain import plain_model
from epnas_tf.export.portable import minimal_config, save_portable
from tests.bin.runs import environment
from tests.export import networks

OLDEST = f"{OLDEST_KERAS}.0"

ANSWER = """
import sys
import keras, numpy as np
print(keras.__version__)
for file in sys.argv[1:]:
    answers = keras.models.load_model(file)(np.load(file + ".images.npy"), training=False)
    np.save(file + "." + keras.__version__, answers)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Networks with every operation, and what they answer."""
    folder, expected = tmp_path_factory.mktemp("portable"), {}
    for architecture, shape in (("macro", "odd_colour"), ("micro", "grey"), ("staged", "grey")):
        image_shape = networks.IMAGE_SHAPES[shape]
        network = networks.make_network(networks.ARCHITECTURES[architecture], image_shape)
        normalization = np.full(image_shape[2], 120.0), np.full(image_shape[2], 60.0)
        model = plain_model(network.graph, image_shape, network.layers, normalization)
        images = networks.raw_images(image_shape)
        file = folder / f"{architecture}.keras"
        expected[file] = model(images, training=False).numpy()
        save_portable(model, file)
        np.save(f"{file}.images.npy", images)
    return expected


def test_oldest_keras_answers_the_same(files, tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        tmp_path,
        f"keras=={OLDEST}",
    ]
    installed = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    if "from versions: none" in installed.stderr:
        pytest.skip("no package index can be reached")
    assert installed.returncode == 0, installed.stderr
    variables = {**environment(), "PYTHONPATH": os.fspath(tmp_path)}
    command = [sys.executable, "-c", ANSWER, *files]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, env=variables)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{OLDEST}\n"
    for file, expected in files.items():
        assert 0.1 < expected.max() < 0.99  # the softmax hides nothing
        np.testing.assert_allclose(np.load(f"{file}.{OLDEST}.npy"), expected, rtol=0, atol=1e-6)


def test_files_do_not_depend_on_global_settings(files):
    try:
        keras.config.set_dtype_policy("mixed_float16")
        keras.config.set_image_data_format("channels_first")
        for file, expected in files.items():
            model = keras.models.load_model(file)
            images = np.load(f"{file}.images.npy")
            np.testing.assert_allclose(model(tf.constant(images), training=False), expected, rtol=0, atol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_image_data_format("channels_last")


def test_config_says_what_differs_from_the_defaults():
    layer = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer="zeros", name="mine", dtype="float32")
    config = minimal_config(layer)
    assert set(config) == {"name", "dtype", "data_format", "filters", "kernel_size", "padding", "kernel_initializer"}
    assert keras.layers.Conv2D.from_config(config).get_config() == layer.get_config()
    relu = minimal_config(keras.layers.ReLU(name="relu", dtype="float32"))
    assert set(relu) == {"name", "dtype"}
