"""Image files that are classified: the preparation that is found, what is answered, what is refused."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import epnas_tf
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError
from epnas_tf.evaluation import ModelError, predict, prediction as module
from epnas_tf.evaluation.prediction import Predictor
from epnas_tf.evaluation.preparation import to_document
from epnas_tf.storage.data_file import load_description


@pytest.fixture(scope="session")
def images(digits, tmp_path_factory):
    """A folder with the first test digits as PNG files, in the order of their names."""
    folder = tmp_path_factory.mktemp("images")
    for number, image in enumerate(digits.test.images[:20]):
        Image.fromarray(image[:, :, 0]).save(folder / f"{number:02}.png")
    return folder


def write_preparation(folder, **values):
    """Adds a preparation to an export.json."""
    file = folder / "export.json"
    document = json.loads(file.read_text())
    document["preparation"] = {**to_document(Preparation(8, 8, 1)), **values}
    file.write_text(json.dumps(document))


def content(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_run_directory_answers_files_as_it_answers_their_pixels(final, images, digits):
    found = epnas_tf.predict(final.path, images)
    assert found.files == tuple(str(images / f"{number:02}.png") for number in range(20))
    np.testing.assert_allclose(found.probabilities, final.expected[:20], atol=1e-5)
    assert found.class_names == digits.class_names
    assert found.class_name == [digits.class_names[number] for number in final.expected[:20].argmax(axis=1)]
    assert (found.broken, found.notes) == ({}, ())


@pytest.mark.parametrize("file", ["model.keras", "saved_model", "model.tflite"])
def test_exported_models_answer_as_well(file, plain, images, tmp_path):
    folder = shutil.copytree(plain.folder, tmp_path / "export")
    write_preparation(folder)
    found = predict(folder / file, [images / "03.png", (images / "01.png").read_bytes(), str(images / "02.png")])
    assert found.files == (str(images / "03.png"), "content 1", str(images / "02.png"))
    np.testing.assert_allclose(found.probabilities, plain.expected[[3, 1, 2]], atol=1e-5)
    assert found.class_name[0] in found.class_names
    assert found.notes == ()


def test_range_of_deep_files_is_that_of_the_export(plain, digits, tmp_path):
    folder = shutil.copytree(plain.folder, tmp_path / "export")
    deep = content(digits.test.images[0, :, :, 0].astype(np.uint16) * 16 + 100)
    write_preparation(folder, low=100, high=100 + 16 * 255)
    found = predict(folder / "model.keras", deep)
    np.testing.assert_allclose(found.probabilities, plain.expected[:1], atol=1e-5)
    write_preparation(folder)
    assert np.abs(predict(folder / "model.keras", deep).probabilities - plain.expected[:1]).max() > 0.01


def test_model_alone_says_what_it_assumes(plain, images, tmp_path):
    model = shutil.copy(plain.folder / "model.keras", tmp_path)
    found = predict(model, images)
    assert len(found.notes) == 2
    assert found.notes[0].startswith(f"there is no export.json with a `preparation` beside {model}")
    assert "8×8×1" in found.notes[0]
    assert "0 … 65535; it gets pixels of 0 … 255 and must scale them itself" in found.notes[0]
    assert found.notes[1].startswith(f"{model} does not know the names of its classes, so they are numbers from 0; ")
    assert found.class_names == tuple(map(str, range(10)))
    np.testing.assert_allclose(found.probabilities, plain.expected[:20], atol=1e-5)


def test_model_of_an_older_export_asks_the_run_that_it_is_in(final, plain, images):
    export = shutil.copytree(plain.folder, final.path / "export")
    try:
        predictor = Predictor(export / "model.keras")
        assert predictor.preparation == load_description(final.path / "final").preparation
        assert predictor.notes == ()
    finally:
        shutil.rmtree(export)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"height": 16}, r"takes \[8, 8, 1\] .* beside one of \[16, 8, 1\]"), ({"low": "a"}, "must say how images are")],
)
def test_preparation_of_another_model_is_refused(values, words, plain, images, tmp_path):
    folder = shutil.copytree(plain.folder, tmp_path / "export")
    write_preparation(folder, **values)
    with pytest.raises(ModelError, match=words):
        predict(folder / "model.keras", images)


def test_broken_files_are_listed_and_the_others_answered(final, images, tmp_path):
    (tmp_path / "within").mkdir()
    shutil.copy(images / "05.png", tmp_path / "within" / "good.png")
    (tmp_path / "cut.png").write_bytes((images / "05.png").read_bytes()[:60])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "no_extension").write_bytes((images / "06.png").read_bytes())
    found = predict(final.path, [tmp_path, b"no image"])
    assert found.files == (str(tmp_path / "no_extension"), str(tmp_path / "within" / "good.png"))
    np.testing.assert_allclose(found.probabilities, final.expected[[6, 5]], atol=1e-5)
    assert [*found.broken] == [str(tmp_path / "cut.png"), str(tmp_path / "empty.jpg"), "content 4"]
    assert all(found.broken.values())
    (note,) = found.notes
    assert note.startswith("files left out: ")
    assert "(.txt 1)" in note


def test_photographs_are_brought_to_the_models_size_and_colours(final):
    """A grey network, and a coloured picture of another size that is turned."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (90, 50, 3), np.uint8)).save(buffer, "JPEG", exif=exif)
    found = predict(final.path, buffer.getvalue())
    assert found.probabilities.shape == (1, 10)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "Received: nothing"),
        (["nowhere.png"], "nowhere.png, which does not exist"),
        (["TEXTS"], r"without any \(files left out: .*\.txt 1"),
    ],
)
def test_without_images_nothing_is_loaded(given, words, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "load_classifier", None)
    (tmp_path / "TEXTS").mkdir()
    (tmp_path / "TEXTS" / "a.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=words):
        predict("model", given)


@pytest.mark.parametrize("name", ["open file", "bytearray", "array", "picture"])
def test_what_is_neither_path_nor_bytes_is_refused(name, images, monkeypatch):
    """Python iterates over an open file, line by line, and over a bytearray, number by number."""
    monkeypatch.setattr(module, "load_classifier", None)
    path = images / "00.png"
    with open(path, "rb") as file, Image.open(path) as picture:
        pixels = np.asarray(picture)
        given = {"open file": file, "bytearray": bytearray(b"x"), "array": pixels, "picture": picture}[name]
        for files in (given, [given]):
            with pytest.raises(DataError, match=r"paths, or as their contents in bytes\. Received: \w+"):
                predict("model", files)


def test_one_batch_of_pictures_is_in_memory(final, images, monkeypatch):
    decoded = []
    decode = module.pictures.decode
    monkeypatch.setattr(module.pictures, "decode", lambda *given: decoded.append(given) or decode(*given))
    answers = Predictor(final.path).run(sorted(images.iterdir()), batch_size=6)
    for count in range(1, 21):
        assert next(answers).probabilities is not None
        assert len(decoded) == min(20, 6 * ((count + 5) // 6))


def test_files_of_12_bits_decide_their_scale_together_where_the_training_had_none(final, digits, tmp_path):
    images = digits.test.images[:3, :, :, 0].copy()
    images[2] //= 4  # alone, it would be on the scale of 10 bits
    for number, image in enumerate(images):
        Image.fromarray(image.astype(np.uint16) * 16).save(tmp_path / f"{number}.png")
    Image.fromarray(digits.test.images[3, :, :, 0]).save(tmp_path / "3.png")
    pixels = np.concatenate([np.rint(images * (16 * 255 / 4095)), digits.test.images[3:4, :, :, 0]])[..., np.newaxis]
    expected = final.model.predict((pixels - digits.mean) / digits.std, verbose=0)
    for files in (tmp_path, [(tmp_path / f"{number}.png").read_bytes() for number in range(4)]):
        found = predict(final.path, files)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
        assert found.notes == (
            "no image file of the training had more than 8 bits, and these have: pixels 0 … 4095 are scaled to 0 … 255",
        )
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "4.tif")
    with pytest.raises(DataError, match=r"the files to classify: image files of more than 8 bits must share one scale"):
        predict(final.path, tmp_path)


def test_files_of_12_bits_that_come_out_black_are_warned_of(final, tmp_path):
    rows = np.arange(64, dtype=np.uint16).reshape(8, 8)
    for name, step in (("deep", 1000), ("shallow", 60)):
        Image.fromarray(rows * step).save(tmp_path / f"{name}.png")
    _, note = predict(final.path, tmp_path).notes
    assert note.startswith("warning: images that are nearly black (1), such as ")
    assert note.endswith("shallow.png; files of more than 8 bits are scaled from 0 … 65535")


def test_files_in_colour_for_a_network_of_grey_images_are_told(final, images, tmp_path):
    Image.new("RGB", (9, 9), (200, 30, 90)).save(tmp_path / "red.png")
    shutil.copy(images / "00.png", tmp_path)
    assert predict(final.path, tmp_path).notes == (
        "files in colour (1) are made grey, as the network takes grey images",
    )
