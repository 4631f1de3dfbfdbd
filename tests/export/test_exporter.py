"""Exports of a network trained on the digits, each file read as its users would read it."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import DataConfig, FinalNetworkConfig, RecipeConfig, TrainingConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import DataError, RunDirectoryError
from epnas_tf.evaluation import load_classifier
from epnas_tf.evaluation.location import locate
from epnas_tf.evaluation.models import no_deprecation_of_tflite
from epnas_tf.export import FORMATS, Export, ExportError, export_network, exporter, plain, writers
from epnas_tf.export.formats import MAX_DIFFERENCE, OLDEST_KERAS
from epnas_tf.nn import plain as nn_plain
from epnas_tf.space import StagedArchitecture
from epnas_tf.space.serialization import save_architecture
from epnas_tf.storage.data_file import load_description
from epnas_tf.training.trainer import train_final
from tests.bin.runs import environment, snapshot
from tests.export import alone, networks

TFLITE = ("model.tflite", "model_int8.tflite")
FULL = "model_full_int8.tflite"


def only(*names):
    """Some of the formats, where an export of everything would take long."""
    return {name: FORMATS[name] for name in names}


def run_alone(missing, form, path, images, tmp_path):
    """Runs an exported file in a process where some packages cannot be imported, at several batch sizes."""
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, alone.__file__, missing, form, path, tmp_path / "images.npy", tmp_path / "out.npz"]
    subprocess.run([*map(str, command)], check=True, timeout=300, env=environment(), cwd=tmp_path)
    with np.load(tmp_path / "out.npz") as archive:
        return dict(archive)


def assert_same(found, expected, atol=MAX_DIFFERENCE):
    np.testing.assert_allclose(found, expected[np.arange(len(found)) % len(expected)], rtol=0, atol=atol)


def test_network_of_the_tests_knows_the_digits(final, digits):
    """Or the files could agree in knowing nothing."""
    assert np.mean(final.expected.argmax(axis=1) == digits.test.labels) > 0.8
    assert np.median(final.expected.max(axis=1)) < 1 - MAX_DIFFERENCE  # nor do they agree in being sure of everything


@pytest.mark.parametrize("name", FORMATS)
def test_files_answer_as_the_trained_network(name, exported, final, digits):
    found = load_classifier(exported.output / FORMATS[name].file).predict(digits.test.images)
    if FORMATS[name].quantised:
        assert np.mean(found.argmax(axis=1) == final.expected.argmax(axis=1)) >= (
            0.95 if FORMATS[name].calibrated else 0.98
        )
        assert np.abs(found - final.expected).mean() < 0.01
        assert not np.array_equal(found, final.expected)
    else:
        assert_same(found, final.expected)
    entry = next(file for file in exported.files if file.format.name == name)
    assert entry.parity.num_images == len(digits.test)
    assert entry.parity.max_difference == pytest.approx(np.abs(found - final.expected).max(), abs=1e-6)


def test_saved_model_serves_with_tensorflow_alone(exported, final, digits, tmp_path):
    path, images = exported.output / "saved_model", digits.test.images
    found = run_alone("epnas_tf,keras,tf_keras", "saved_model", path, images, tmp_path)
    for count in alone.BATCHES:
        probabilities = found[f"probabilities_{count}"]
        assert probabilities.dtype == np.float32
        assert_same(probabilities, final.expected)
        names = np.array(digits.class_names)
        np.testing.assert_array_equal(found[f"class_name_{count}"], names[probabilities.argmax(axis=1)])
        np.testing.assert_array_equal(found[f"class_names_{count}"], np.tile(names, (count, 1)))


@pytest.fixture(scope="module")
def loaded(exported):
    """The SavedModel, as TensorFlow loads it."""
    return tf.saved_model.load(exported.output / "saved_model")


WRONG_SHAPES = ((2, 300, 300, 1), (2, 16, 16, 1), (2, 8, 8, 3), (8, 8, 1), (2, 8, 8))


def test_saved_model_is_called_like_its_signature(loaded, digits):
    images = digits.test.images[:7]
    expected = loaded.signatures["serving_default"](images=tf.constant(images))
    for found in (loaded(images), loaded(tf.constant(images)), loaded(images=images)):
        assert found.keys() == expected.keys() == {"probabilities", "class_name", "class_names"}
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
    none = loaded(images[:0])
    assert {name: value.shape.as_list() for name, value in none.items()} == {
        "probabilities": [0, 10],
        "class_name": [0],
        "class_names": [0, 10],
    }
    assert none["class_name"].dtype == tf.string


@pytest.mark.parametrize("shape", WRONG_SHAPES, ids=str)
def test_saved_model_refuses_other_shapes(loaded, shape):
    images = tf.zeros(shape, tf.uint8)
    received = ",".join(map(str, shape))
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"images \[{received}\] .* expected shape \[\?,8,8,1\]"):
        loaded.signatures["serving_default"](images=images)
    with pytest.raises(ValueError, match=rf"(?s)shape={re.escape(str(shape))}.* TensorSpec\(shape=\(None, 8, 8, 1\)"):
        loaded(images)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_called_saved_model_refuses_other_types(dtype, loaded, digits):
    """TensorFlow would cast NumPy floats in [0, 1] to black images."""
    images = digits.test.images[:2].astype(dtype)
    for given in (images, tf.constant(images)):
        with pytest.raises(ValueError, match=rf"(?s)dtype={dtype}.* dtype=tf\.uint8"):
            loaded(given)


def test_saved_model_holds_each_value_once(exported, final):
    content = (exported.output / "saved_model" / "saved_model.pb").read_bytes()
    kernel = max(final.network.trainable_variables, key=lambda variable: variable.shape.num_elements())
    assert content.count(kernel.numpy().tobytes()) == 1


def test_keras_file_refuses_other_shapes(exported, digits):
    model = keras.models.load_model(exported.output / "model.keras")
    assert model.predict(digits.test.images[:3], verbose=0).shape == (3, 10)
    for shape in WRONG_SHAPES:
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            model.predict(np.zeros(shape, np.uint8), verbose=0)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="tensor with 90000 values, but the requested shape has 64"
    ):
        model.predict(np.zeros((1, 300, 300, 1), np.uint8), verbose=0)
    with pytest.raises(ValueError, match=r"expected shape=\(None, 8, 8, 1\), found shape=\(1, 300, 300"):
        model(np.zeros((1, 300, 300, 1), np.uint8))


@pytest.mark.parametrize("file", [*TFLITE, FULL])
def test_tflite_refuses_other_shapes(file, exported):
    interpreter = interpreter_of(exported.output / file)
    index = interpreter.get_input_details()[0]["index"]
    with pytest.raises(ValueError, match="Got 300 but expected 8 for dimension 1"):
        interpreter.set_tensor(index, np.zeros((1, 300, 300, 1), np.uint8))
    with pytest.raises(RuntimeError, match="dimension"):
        interpreter.resize_tensor_input(index, (1, 300, 300, 1), strict=True)


def interpreter_of(path):
    """Returns the interpreter without the XNNPACK delegate, which would hide operators."""
    kernels = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with no_deprecation_of_tflite():
        interpreter = tf.lite.Interpreter(str(path), experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    return interpreter


def test_full_integer_file_has_integers_alone(exported, digits, final):
    interpreter = interpreter_of(exported.output / FULL)
    types = {np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}
    assert types == {"uint8", "int8", "int32"}
    (images,), (probabilities,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (images["dtype"], images["shape"].tolist(), images["quantization"]) == (np.uint8, [1, 8, 8, 1], (1.0, 0))
    assert (probabilities["dtype"], probabilities["quantization"]) == (np.uint8, (1 / 256, 0))
    interpreter.set_tensor(images["index"], digits.test.images[:1])  # raw pixels as they are
    interpreter.invoke()
    answer = interpreter.get_tensor(probabilities["index"])
    assert answer.argmax() == final.expected[0].argmax()
    np.testing.assert_allclose(answer / 256, final.expected[:1], atol=0.1)


def test_eight_bit_file_that_differs_is_left_out_unless_asked_for(run_dir, monkeypatch):
    """An export of everything keeps the others; one that names the format is refused."""
    monkeypatch.setattr(exporter, "FORMATS", only("keras", "tflite_int8"))
    monkeypatch.setattr(writers, "WRITERS", {**writers.WRITERS, "tflite_int8": all_alike})
    with pytest.raises(ExportError, match=r"does not answer .* Nothing is exported; --format with the other"):
        export_network(run_dir, ["tflite_int8"])
    assert not (run_dir / "export").exists()
    result = export_network(run_dir)
    kept = ["keras"]
    assert [file.format.name for file in result.files] == kept
    assert {file.name for file in result.output.iterdir()} == {"export.json", *(FORMATS[name].file for name in kept)}
    document = json.loads((result.output / "export.json").read_text())
    assert [file["format"] for file in document["files"]] == kept
    assert document["left_out"] == result.left_out
    assert list(result.left_out) == ["tflite_int8"]
    assert re.search(r"model_int8\.tflite does not answer .* in another class.*\.", result.left_out["tflite_int8"])


def test_layer_without_an_integer_form_leaves_out_that_file_alone(run_dir, monkeypatch):
    """TFLite's sine has none, and its converter leaves it in float32 without a word."""
    monkeypatch.setattr(exporter, "FORMATS", only("keras", "tflite_full_int8"))

    def write(model, *args, **options):
        outputs = keras.layers.Softmax()(keras.ops.sin(model.layers[-2].output))
        writers.write_tflite_full_int8(keras.Model(model.inputs, outputs), *args, **options)

    monkeypatch.setattr(writers, "WRITERS", {**writers.WRITERS, "tflite_full_int8": write})
    with pytest.raises(ExportError, match=r"cannot be made: .* Received: float32 .* Nothing is exported"):
        export_network(run_dir, ["tflite_full_int8"])
    assert not (run_dir / "export").exists()
    result = export_network(run_dir)
    assert list(result.left_out) == ["tflite_full_int8"]
    assert [file.format.name for file in result.files] == ["keras"]


def all_alike(model, path):
    """Writes a network that answers every image with the first class."""
    model = keras.models.clone_model(model)
    scores = next(layer for layer in reversed(model.layers) if layer.weights)
    scores.set_weights([np.zeros_like(scores.weights[0]), np.arange(10, 0, -1)])
    writers.write_tflite(model, path)


def test_keras_file_loads_in_plain_keras(exported, final, digits, tmp_path):
    found = run_alone("epnas_tf", "keras", exported.output / "model.keras", digits.test.images, tmp_path)
    for count in alone.BATCHES:
        assert_same(found[f"probabilities_{count}"], final.expected)


def test_keras_file_can_be_trained_further(exported, digits):
    model = keras.models.load_model(exported.output / "model.keras")
    before = model.get_weights()
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(digits.train.images[:64], digits.train.labels[:64], batch_size=64, verbose=0)
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert all(moved)
    assert model.name == "epnas_digits"


@pytest.mark.parametrize("file", TFLITE)
def test_tflite_takes_raw_pixels_in_batches_of_any_size(file, exported, final, digits):
    classifier = load_classifier(exported.output / file)
    for count in (1, 7, 100):
        found = classifier.run(digits.test.images[:count])
        assert found.shape == (count, 10)
        assert_same(found, final.expected, atol=0.2 if "int8" in file else MAX_DIFFERENCE)


def test_eight_bits_make_a_smaller_file(exported):
    sizes = [(exported.output / file).stat().st_size for file in TFLITE]
    assert sizes[1] < sizes[0] - 1000


def test_export_file_says_what_was_measured(exported, final):
    document = json.loads((exported.output / "export.json").read_text())
    description = load_description(final.path / "final")
    assert document["class_names"] == list(description.class_names)
    assert (document["mean"], document["std"]) == (list(description.mean), list(description.std))
    expected_cost = cost(final.network.graph, description.image_shape)
    assert (document["parameters"], document["multiply_adds"]) == (
        expected_cost.parameters,
        expected_cost.multiply_adds,
    )
    assert document["compared_on"] == "180 test images of digits"
    assert document["calibrated_on"] == "300 training images of digits"
    assert document["oldest_keras"] == OLDEST_KERAS
    assert document["left_out"] == {}
    for entry, file in zip(document["files"], exported.files, strict=True):
        assert (entry["format"], entry["file"]) == (file.format.name, file.path.name)
        assert entry["max_difference"] == file.parity.max_difference
        assert entry["equal_predictions"] == file.parity.equal_predictions
        files = [file.path] if file.path.is_file() else [path for path in file.path.rglob("*") if path.is_file()]
        assert entry["bytes"] == sum(path.stat().st_size for path in files)
    assert {file.name for file in exported.output.iterdir()} == {"export.json", *(f.file for f in FORMATS.values())}


@pytest.mark.parametrize("space", networks.ARCHITECTURES)
def test_every_operation_passes(space, digits, tmp_path):
    architecture = networks.ARCHITECTURES[space]
    # The .keras files of all three are tested in test_portable.py. A cell has the operations of the macro network,
    # joined otherwise, which is the Keras model's matter.
    formats = ["tflite"] if space == "micro" else ["saved_model", "tflite_full_int8"]
    channels = 8 if isinstance(architecture, StagedArchitecture) else 4
    config = dataclasses.replace(networks.CONFIG, network=FinalNetworkConfig(channels=channels, normal_cells=1))
    network = networks.make_network(architecture, digits.image_shape, channels=channels)
    networks.save_final(tmp_path / "final", network, networks.describe_data(digits), config)
    result = export_network(tmp_path, formats)
    found = load_classifier(result.files[0].path).predict(digits.test.images)
    assert 0.15 < found.max() < 0.99  # the softmax hides nothing
    assert result.output == tmp_path / "export"
    assert [file.format.name for file in result.files] == formats


def test_file_that_its_runtime_refuses_is_left_out_unless_asked_for(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "FORMATS", only("keras", "tflite_full_int8"))
    # With 4 channels, squeeze-and-excitation has one squeezed value, which is 0 for every image of this network.
    config = dataclasses.replace(networks.CONFIG, network=FinalNetworkConfig(channels=4, normal_cells=1))
    network = networks.make_network(networks.ARCHITECTURES["staged"], digits.image_shape, channels=4)
    networks.save_final(tmp_path / "final", network, networks.describe_data(digits), config)
    with pytest.raises(ExportError, match="was written and cannot be run"):
        export_network(tmp_path, ["tflite_full_int8"])
    result = export_network(tmp_path)
    assert list(result.left_out) == ["tflite_full_int8"]
    assert "cannot be run" in result.left_out["tflite_full_int8"]
    assert not (result.output / FORMATS["tflite_full_int8"].file).exists()
    assert [file.format.name for file in result.files] == ["keras"]


def test_auxiliary_head_is_no_part_of_the_export(tmp_path):
    save_architecture(networks.SMALL, tmp_path / "mine.json")
    recipe = RecipeConfig(epochs=1, batch_size=256, auxiliary_weight=0.4)
    config = TrainingConfig(FinalNetworkConfig(channels=4), recipe, DataConfig(train_images=300), seed=1)
    result = train_final(tmp_path / "run", config, architecture_file=str(tmp_path / "mine.json"))
    export_network(tmp_path / "run", ["keras"])
    model = keras.models.load_model(tmp_path / "run" / "export" / "model.keras")
    assert sum(variable.shape.num_elements() for variable in model.trainable_variables) == result.cost.parameters
    assert not [layer.name for layer in model.layers if "auxiliary" in layer.name]


def swapped_classes(node, maker, layers, copy=plain.copy_weights):
    """Copies as it should be done, but for the classifier's first two classes."""
    copy(node, maker, layers)
    if node.kind == "sum_bias":
        kernel, bias = maker.layers[-1].get_weights()
        maker.layers[-1].set_weights([kernel[:, [1, 0, *range(2, 10)]], bias])


def initial_statistics(node, maker, layers, copy=plain.copy_weights):
    """Copies as it should be done, but for the statistics of one batch norm."""
    copy(node, maker, layers)
    if node.kind == "stem":
        gamma, beta, _, _ = maker.layers[-1].get_weights()
        maker.layers[-1].set_weights([gamma, beta, np.zeros_like(gamma), np.ones_like(gamma)])


@pytest.mark.parametrize(
    ("name", "corrupt"),
    [
        *((name, swapped_classes) for name in ("saved_model", "tflite")),
        *((name, initial_statistics) for name in ("keras", "tflite_int8", "tflite_full_int8")),  # one of each limit
    ],
)
def test_file_that_differs_is_not_left(name, corrupt, run_dir, monkeypatch):
    before = snapshot(run_dir)
    monkeypatch.setattr(plain, "copy_weights", corrupt)
    with pytest.raises(ExportError, match=f"{FORMATS[name].file} does not answer as the trained network does"):
        export_network(run_dir, [name])
    assert snapshot(run_dir) == before
    assert [entry.name for entry in run_dir.iterdir()] == ["final"]


def test_small_difference_is_noticed(run_dir, monkeypatch):
    monkeypatch.setitem(nn_plain.BATCH_NORM, "epsilon", 1e-3)  # Keras's own default
    with pytest.raises(ExportError, match=r"model\.keras does not answer"):
        export_network(run_dir, ["keras"])


def test_new_export_that_fails_leaves_the_old_one(run_dir, monkeypatch):
    export_network(run_dir, ["keras"])
    before = snapshot(run_dir)
    with pytest.raises(ExportError, match="exists"):
        export_network(run_dir, ["keras"])
    with monkeypatch.context() as patch:
        patch.setattr(plain, "copy_weights", swapped_classes)
        with pytest.raises(ExportError, match="does not answer"):
            export_network(run_dir, ["keras"], overwrite=True)
    assert snapshot(run_dir) == before
    export_network(run_dir, ["tflite"], overwrite=True)
    assert {file.name for file in (run_dir / "export").iterdir()} == {"model.tflite", "export.json"}


def test_images_that_the_training_kept_do_where_the_data_set_is_gone(digits, tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=digits.train.images, y_train=digits.train.labels)
    config = TrainingConfig(networks.CONFIG.network, networks.CONFIG.recipe, DataConfig(str(tmp_path / "mine.npz")))
    data = networks.load(config.data, config.seed)
    network = networks.make_network(networks.SMALL, data.image_shape, channels=config.network.channels)
    networks.save_final(tmp_path / "final", network, networks.describe_data(data), config)
    (tmp_path / "mine.npz").unlink()
    with pytest.raises(DataError, match="no images to compare the export on"):
        export_network(tmp_path, ["keras"])
    kept = {"right_images": data.test.images[:5], "wrong_images": data.test.images[5:8]}
    np.savez(tmp_path / "final" / "test.npz", **kept)
    told = []
    result = Export(tmp_path, ["keras", "tflite_full_int8"], tell=told.append).run()
    assert "writing model_full_int8.tflite, calibrated on 8 test images kept in test.npz" in told
    assert result.images == "8 test images kept in test.npz"
    assert result.files[0].parity.num_images == 8


def test_directory_of_the_training_does_as_well(run_dir):
    result = export_network(run_dir / "final", ["keras"])
    assert result.output == run_dir / "export"
    other = (run_dir / "final").rename(run_dir / "other")
    shutil.rmtree(result.output)
    result = export_network(other, ["keras"])
    assert result.output == other / "export"  # two final trainings of a run do not meet
    assert locate(result.files[0].path).final == other


def test_unfinished_training_is_refused(run_dir):
    shutil.rmtree(run_dir / "final" / "state")
    with pytest.raises(RunDirectoryError, match="has not ended"):
        export_network(run_dir)
    assert not (run_dir / "export").exists()


@pytest.mark.parametrize("path", ["nowhere", "run/final/data.json", "export/saved_model"])
def test_what_is_no_run_directory_is_refused(path, run_dir, exported):
    place = exported.output.parent / path if path.startswith("export") else run_dir.parent / path
    with pytest.raises(RunDirectoryError, match="An export begins with the directory of a run"):
        export_network(place)


def test_importing_the_package_imports_no_tensorflow():
    code = "import sys, epnas_tf.export; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=Path(__file__).parents[2])
