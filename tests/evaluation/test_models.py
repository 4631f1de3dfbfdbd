import contextlib
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import RunConfig
from epnas_tf.errors import DataError, EPNASError, RunDirectoryError
from epnas_tf.evaluation.classifier import Classifier, ModelError
from epnas_tf.evaluation.location import locate
from epnas_tf.evaluation.models import load_classifier
from epnas_tf.storage.run_directory import RunDirectory
from tests.evaluation import artifacts

FORMS = ("model.keras", "saved_model", "model.tflite")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_models_probabilities(plain, digits, form):
    classifier = load_classifier(plain.folder / form)
    assert classifier.image_shape == (8, 8, 1)
    assert classifier.num_classes == 10
    assert classifier.class_names == artifacts.NAMES
    probabilities = classifier.predict(digits.test.images)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, plain.expected, atol=1e-5)
    assert np.mean(probabilities.argmax(1) == digits.test.labels) > 0.8  # or all could be the same nonsense


@pytest.mark.parametrize("batch_size", [1, 7, 500])
@pytest.mark.parametrize("form", FORMS)
def test_batch_size_does_not_decide_the_result(plain, digits, form, batch_size):
    classifier = load_classifier(plain.folder / form)
    images = digits.test.images[:20]
    np.testing.assert_allclose(classifier.predict(images, batch_size), plain.expected[:20], atol=1e-5)


@pytest.mark.parametrize("folder", ["", "final"])
def test_run_directory_gives_its_final_trainings_network(final, digits, folder):
    classifier = load_classifier(final.path / folder)
    assert classifier.image_shape == (8, 8, 1)
    assert classifier.class_names == digits.class_names
    np.testing.assert_allclose(classifier.predict(digits.test.images, 64), final.expected, atol=1e-5)
    assert np.mean(final.expected.argmax(1) == digits.test.labels) > 0.5


def test_forms_without_names_beside_them_have_none(plain, tmp_path):
    for form in ("model.keras", "model.tflite"):
        shutil.copy(plain.folder / form, tmp_path / form)
        assert load_classifier(tmp_path / form).class_names is None


def test_saved_model_of_keras_itself_is_read(plain, digits, tmp_path):
    plain.model.export(tmp_path / "other", verbose=False)
    classifier = load_classifier(tmp_path / "other")
    assert classifier.class_names is None
    np.testing.assert_allclose(classifier.predict(digits.test.images), plain.expected, atol=1e-5)


def test_model_of_one_batch_size_gets_that(digits, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1), batch_size=4), keras.layers.Flatten(), keras.layers.Softmax()])
    model.save(tmp_path / "model.keras")
    (tmp_path / "model.tflite").write_bytes(artifacts.tflite(model))
    images = digits.test.images[:10]
    pixels = images.reshape(10, -1).astype(np.float64)
    expected = np.exp(pixels - pixels.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    for form in ("model.keras", "model.tflite"):
        np.testing.assert_allclose(load_classifier(tmp_path / form).predict(images), expected, atol=1e-6)


def test_images_of_another_form_are_refused(plain, digits):
    classifier = load_classifier(plain.folder / "saved_model")
    images = digits.test.images
    for wrong in (images / np.float32(255), images[0], images[:, :7], images[:0, :7], images.repeat(3, axis=3)):
        with pytest.raises(DataError, match=r"uint8 \[n, 8, 8, 1\].*Received"):
            classifier.predict(wrong)


def test_no_images_have_no_answers(plain, final, digits):
    for path in (final.path, *(plain.folder / form for form in FORMS)):
        found = load_classifier(path).predict(digits.test.images[:0])
        assert (found.shape, found.dtype) == ((0, 10), np.float32)


@pytest.mark.parametrize(
    ("row", "message"), [([0.5, np.nan], "finite"), ([3.0, -2.0], "down to -2"), ([0.5, 0.4], "sums from 0.9 to 0.9")]
)
def test_what_is_no_probabilities_is_refused(row, message):
    class Broken(Classifier):
        def run(self, images):
            return np.array([row] * len(images), np.float32)

    with pytest.raises(ModelError, match=message):
        Broken((4, 4, 1), 2).predict(np.zeros((3, 4, 4, 1), np.uint8))


@pytest.mark.parametrize(("step", "good"), [(0, False), (1 / 256, True)])
def test_rounded_probabilities_need_not_be_one_in_sum(step, good):
    """Of 100 classes with 0.2 % each, which is less than half a step, nothing is left."""

    class Rounded(Classifier):
        def run(self, images):
            return np.array([[0.8] + 99 * [0]] * len(images), np.float32)

    classifier = Rounded((4, 4, 1), 100, step=step)
    with contextlib.nullcontext() if good else pytest.raises(ModelError, match="in sum"):
        assert classifier.predict(np.zeros((3, 4, 4, 1), np.uint8)).argmax(axis=1).tolist() == [0, 0, 0]


def test_one_name_a_class_is_needed(plain, tmp_path):
    shutil.copy(plain.folder / "model.keras", tmp_path / "model.keras")
    (tmp_path / "export.json").write_text(json.dumps({"class_names": ["cat", "dog"]}))
    with pytest.raises(ModelError, match=r"each of its classes, 10\. .*with 2 names"):
        load_classifier(tmp_path / "model.keras")
    (tmp_path / "export.json").write_text('{"class_na')
    with pytest.raises(ModelError, match=r"export\.json must hold the class names"):
        load_classifier(tmp_path / "model.keras")


def model_of(inputs, layers):
    return keras.Sequential([keras.Input(inputs), *layers])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: model_of((8,), [keras.layers.Dense(3)]), r"an input \[n, 8\]"),
        (lambda: model_of((None, None, 1), [keras.layers.GlobalAveragePooling2D()]), r"an input \[n, n, n, 1\]"),
        (lambda: model_of((8, 8, 1), [keras.layers.Conv2D(3, 3)]), r"an output \[n, 6, 6, 3\]"),
        (lambda: model_of((8, 8, 1), [keras.layers.Flatten(), keras.layers.Dense(1)]), "two classes or more .* with 1"),
        (lambda: keras.Model([a := keras.Input((8,)), b := keras.Input((8,))], [a, b]), "2 inputs and 2 outputs"),
    ],
)
def test_models_that_are_no_classifiers_of_images_are_refused(tmp_path, model, message):
    model = model()
    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "saved_model", verbose=False)
    with pytest.raises(ModelError, match=message):
        load_classifier(tmp_path / "model.keras")
    with pytest.raises(ModelError, match=message):
        load_classifier(tmp_path / "saved_model")


def test_tflite_files_that_are_no_classifiers_of_raw_pixels_are_refused(tmp_path):
    model = model_of((8, 8, 1), [keras.layers.Conv2D(3, 3)])
    (tmp_path / "model.tflite").write_bytes(artifacts.tflite(model))
    with pytest.raises(ModelError, match=r"an output \[n, 6, 6, 3\]"):
        load_classifier(tmp_path / "model.tflite")
    model = model_of((8, 8, 1), [keras.layers.Flatten(), keras.layers.Softmax()])
    for highest, message in ((1, "uint8 input stands for 0 to 1"), (510, None)):
        (tmp_path / "model.tflite").write_bytes(quantised(model, [0, highest]))
        if message is None:
            load_classifier(tmp_path / "model.tflite")
        else:
            with pytest.raises(ModelError, match=rf"raw pixels, 0 to 255\. Received: .*model\.tflite, whose {message}"):
                load_classifier(tmp_path / "model.tflite")
    images, labels = keras.Input((8, 8, 1), dtype="int32"), keras.layers.Flatten()
    outputs = keras.layers.Softmax()(keras.ops.cast(labels(images), "float32"))
    (tmp_path / "model.tflite").write_bytes(artifacts.tflite(keras.Model(images, outputs)))
    with pytest.raises(ModelError, match=r"each as uint8, int8 or float32\. Received: int32 and float32"):
        load_classifier(tmp_path / "model.tflite")


def quantised(model, levels, number=tf.uint8):
    """Returns the bytes of a model of integers alone, calibrated on images of these grey levels."""
    samples = lambda: ([np.full((1, 8, 8, 1), level, np.float32)] for level in levels)  # noqa: E731
    options = {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": samples}
    options |= {"inference_input_type": number, "inference_output_type": number}
    return artifacts.tflite(model, **options)


@pytest.mark.parametrize("number", [tf.uint8, tf.int8], ids=["uint8", "int8"])
@pytest.mark.parametrize("highest", [255, 510])
def test_integers_of_a_tflite_file_stand_for_pixels_and_probabilities(number, highest, tmp_path):
    """Of a network whose answers are known: the share of each column's sum."""
    kernel = np.zeros((8, 8, 1, 8), np.float32)
    for column in range(8):
        kernel[:, column, 0, column] = 1 / 400
    layers = [keras.layers.Conv2D(8, 8, use_bias=False), keras.layers.Flatten(), keras.layers.Softmax()]
    model = model_of((8, 8, 1), layers)
    model.layers[0].set_weights([kernel])
    (tmp_path / "model.tflite").write_bytes(quantised(model, [0, highest], number))
    classifier = load_classifier(tmp_path / "model.tflite")
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 1), np.uint8).repeat(8, axis=1)
    found = classifier.predict(images)
    np.testing.assert_allclose(found, model.predict(images, verbose=0), atol=0.03)
    np.testing.assert_array_equal(found * 256, np.rint(found * 256))


def test_scores_without_a_softmax_are_refused(digits, tmp_path):
    model_of((8, 8, 1), [keras.layers.Flatten(), keras.layers.Dense(10)]).save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="Let the model end in a softmax"):
        load_classifier(tmp_path / "model.keras").predict(digits.test.images)


def test_keras_model_with_layers_of_its_own_is_refused(final, tmp_path):
    final.model.save(tmp_path / "model.keras")
    code = "import sys; from epnas_tf.evaluation import load_classifier; load_classifier(sys.argv[1])"
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "model.keras"], capture_output=True, text=True)
    assert "ModelError" in result.stderr
    assert "is not a plain Keras model that can be read" in result.stderr


@pytest.mark.parametrize("kept", [0, 4, 30, 0.5, 0.99])
@pytest.mark.parametrize("form", FORMS)
def test_files_cut_short_are_refused(plain, tmp_path, form, kept):
    place = tmp_path / form
    (shutil.copytree if (plain.folder / form).is_dir() else shutil.copy)(plain.folder / form, place)
    for file in [place] if place.is_file() else [*place.rglob("*.pb"), *place.rglob("variables.*")]:
        original = file.read_bytes()
        file.write_bytes(original[: kept if isinstance(kept, int) else int(kept * len(original))])
        if file.name == "fingerprint.pb":
            continue  # TensorFlow reads it to tell models apart, not to run them
        with pytest.raises(ModelError, match=r"is not a.*that can be read\. Received: \S"):
            load_classifier(place)
        file.write_bytes(original)


def test_paths_that_are_no_model_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"A model must be .*nowhere, which does not exist"):
        load_classifier(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"which cannot be read: .*name too long"):
        load_classifier(tmp_path / ("long" * 100))
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ModelError, match=r"notes\.txt, a file of another kind"):
        load_classifier(tmp_path / "notes.txt")
    with pytest.raises(ModelError, match=r"a folder with notes\.txt in it"):
        load_classifier(tmp_path)
    (tmp_path / "config.json").write_text('{"format": "something"}')
    with pytest.raises(RunDirectoryError, match=r"config\.json is not the config\.json of a run"):
        load_classifier(tmp_path)


def test_run_without_a_final_training_is_refused(tmp_path):
    with RunDirectory(tmp_path / "run", RunConfig()), pytest.raises(RunDirectoryError, match="Run epnas-train on it"):
        load_classifier(tmp_path / "run")


def test_final_training_whose_checkpoint_is_missing_or_cut_short_is_refused(final, tmp_path):
    shutil.copytree(final.path, tmp_path / "run")
    (checkpoint,) = (tmp_path / "run" / "final" / "state").glob("*.npz")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(EPNASError):
        load_classifier(tmp_path / "run")
    checkpoint.unlink()
    with pytest.raises(RunDirectoryError):
        load_classifier(tmp_path / "run")


def test_model_in_an_export_folder_belongs_to_the_run(final, plain, tmp_path, monkeypatch):
    shutil.copytree(final.path, tmp_path / "run")
    shutil.copytree(plain.folder, tmp_path / "run" / "export")
    for form in FORMS:
        assert locate(tmp_path / "run" / "export" / form).config() == artifacts.CONFIG
        assert locate(plain.folder / form).config() is None
    monkeypatch.chdir(tmp_path / "run" / "export")
    assert locate("model.keras").config() == artifacts.CONFIG
    assert locate(tmp_path / "run").path == tmp_path / "run" / "final"


def test_saved_model_needs_none_of_the_packages_networks(plain):
    code = (
        "import sys; from epnas_tf.evaluation.models import load_classifier; c = load_classifier(sys.argv[1]);"
        "import numpy as np; c.predict(np.zeros((1, 8, 8, 1), np.uint8));"
        "unneeded = {'epnas_tf.nn.operations', 'epnas_tf.network', 'epnas_tf.training', 'keras_tuner'};"
        "print(sorted(unneeded & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, plain.folder / "saved_model"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_importing_the_package_imports_no_tensorflow():
    code = (
        "import sys, epnas_tf.evaluation; print(sorted({'tensorflow', 'keras', 'sklearn', 'absl'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
