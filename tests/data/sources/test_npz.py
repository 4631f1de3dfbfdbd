import dataclasses
import re
import zipfile

import numpy as np
import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import decoded, sources
from epnas_tf.data.pixels import StoredPixels
from epnas_tf.data.scale import Scale
from epnas_tf.data.sources import decoding, npz
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError


def arrays(**changes):
    values = {
        "x_train": np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
    }
    values |= changes
    return {key: value for key, value in values.items() if value is not None}


def read(tmp_path, **changes):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays(**changes))
    config = DataConfig(dataset=str(path))
    sources.check(config)
    return sources.read(config)


def test_images_and_labels_are_read_as_they_are(tmp_path):
    source = read(tmp_path)
    np.testing.assert_array_equal(source.train.images, arrays()["x_train"])
    np.testing.assert_array_equal(source.train.labels, arrays()["y_train"])
    assert source.test is None
    assert source.class_names == ("0", "1", "2")
    assert source.name == "data.npz"


def test_a_test_part_and_class_names_are_read(tmp_path):
    test = np.zeros((2, 5, 6, 3), np.uint8)
    source = read(tmp_path, x_test=test, y_test=np.array([2, 1]), class_names=np.array(["ant", "bee", "cat"]))
    np.testing.assert_array_equal(source.test.images, test)
    np.testing.assert_array_equal(source.test.labels, [2, 1])
    assert source.class_names == ("ant", "bee", "cat")


def test_labels_may_have_gaps_and_a_column(tmp_path):
    names = np.array([f"n{label}" for label in range(8)])
    y_train = np.array([[7], [3], [5]] * 4, np.uint8)
    source = read(tmp_path, y_train=y_train)
    np.testing.assert_array_equal(source.train.labels, [2, 0, 1] * 4)
    assert source.class_names == ("3", "5", "7")
    assert read(tmp_path, y_train=y_train, class_names=names).class_names == ("n3", "n5", "n7")


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_grey_images_need_no_channel_axis(tmp_path, dtype):
    grey = arrays()["x_train"][..., 0]
    np.testing.assert_array_equal(read(tmp_path, x_train=grey.astype(dtype)).train.images[..., 0], grey)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_up_to_one_are_scaled(tmp_path, dtype):
    pixels = arrays()["x_train"]
    scaled = (pixels / 255).astype(dtype)
    dark = (pixels[:3] // 2 / 255).astype(dtype)
    source = read(tmp_path, x_train=scaled, x_test=dark, y_test=np.arange(3))
    np.testing.assert_array_equal(source.train.images, pixels)
    np.testing.assert_array_equal(source.test.images, pixels[:3] // 2)


@pytest.mark.parametrize("missing", ["x_train", "y_train"])
def test_a_missing_array_is_named_with_those_found(tmp_path, missing):
    with pytest.raises(DataError, match=rf"Received: .*with \['._train', 'extra'\]: without {missing}"):
        read(tmp_path, **{missing: None}, extra=np.zeros(1))


@pytest.mark.parametrize(("given", "missing"), [("x_test", "y_test"), ("y_test", "x_test")])
def test_half_a_test_part_is_refused(tmp_path, given, missing):
    with pytest.raises(DataError, match=rf"without {missing}"):
        read(tmp_path, **{given: np.zeros(3)})


def part(count=6, seed=1):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 5, 6, 3), dtype=np.uint8), np.arange(count) % 3


@pytest.mark.parametrize(("x", "y"), [("x_val", "y_val"), ("x_valid", "y_valid"), ("x_validation", "y_validation")])
def test_a_validation_part_is_read_under_each_of_its_names(tmp_path, x, y):
    images, labels = part()
    source = read(tmp_path, **{x: images, y: labels})
    np.testing.assert_array_equal(source.validation.images, images)
    np.testing.assert_array_equal(source.validation.labels, labels)
    assert source.test is None
    assert source.notes == (() if x == "x_val" else (f"{x} and {y} are the validation part",))


def test_the_names_of_medmnist_are_read(tmp_path):
    given = {f"{name}_{kind}": array for i, name in enumerate(("train", "val", "test"))
             for kind, array in zip(("images", "labels"), part(seed=i), strict=True)}  # fmt: skip
    source = read(tmp_path, x_train=None, y_train=None, **given)
    for name, found in (("train", source.train), ("val", source.validation), ("test", source.test)):
        np.testing.assert_array_equal(found.images, given[f"{name}_images"])
    assert source.notes[1] == "val_images and val_labels are the validation part"


def test_one_hot_rows_and_whole_floats_are_labels(tmp_path):
    rows = np.eye(3)[arrays()["y_train"]]
    np.testing.assert_array_equal(read(tmp_path, y_train=rows).train.labels, arrays()["y_train"])
    np.testing.assert_array_equal(read(tmp_path, y_train=rows.argmax(1) * 2.0).train.labels, arrays()["y_train"])
    [note] = read(tmp_path, y_train=np.pad(rows, [(0, 0), (0, 2)])).notes
    assert note == "classes without a training image are left out: 3, 4"
    images, labels = part()
    with pytest.raises(DataError, match=r"`y_val` as one-hot rows must have 3 columns.*Received: 4"):
        read(tmp_path, y_train=rows, x_val=images, y_val=np.eye(4)[labels])


def test_arrays_that_nothing_is_made_of_are_named(tmp_path):
    source = read(tmp_path, weights=np.ones(12), mean=np.zeros(3))
    assert source.notes[0].startswith("not used: weights, mean; the arrays that are read are x_train, y_train, x_val")


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"x_train": None, "X_train": np.zeros(3)}, "without x_train, with X_train (did you mean x_train?)"),
        (
            {"x_tset": np.zeros(3), "y_tset": np.zeros(3)},
            "with x_tset (did you mean x_test?), with y_tset (did you mean y_test?).",
        ),
        ({"classnames": np.zeros(3)}, ": with classnames (did you mean class_names?)."),
        ({"x_val": np.zeros(3), "X_test": np.zeros(3)}, ": without y_val, with X_test (did you mean x_test?)."),
        (
            {key: np.zeros(3) for key in ("x_val", "y_val", "x_valid")},
            ": without y_valid, with the validation part twice.",
        ),
    ],
)
def test_names_that_look_misspelt_are_refused_before_anything_is_read(tmp_path, changes, advice):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(DataError, match=re.escape(advice)):
        sources.check(DataConfig(dataset=str(path)))


def test_all_parts_are_on_one_scale_which_files_get_too(tmp_path):
    (validation, labels), (test, _) = part(seed=1), part(seed=2)
    deep = {"x_train": arrays()["x_train"], "x_val": validation // 2, "x_test": test // 3}
    deep = {key: value * np.uint16(16) for key, value in deep.items()}
    source = read(tmp_path, **deep, y_val=labels, y_test=labels)
    for key, found in zip(deep, (source.train, source.validation, source.test), strict=True):
        np.testing.assert_array_equal(found.images, np.rint(deep[key] * (255 / 4095)))
    assert source.value_range == (0, 4095)
    assert source.notes == ("pixels 0 … 4080, scaled to 0 … 255 from 0 … 4095",)


def test_one_value_above_one_moves_no_other_pixel(tmp_path):
    images = (0.55 + 0.4 * arrays()["x_train"] / 255).astype(np.float32)
    expected = read(tmp_path, x_train=images).train.images.copy()
    images[3, 1, 2, 0], expected[3, 1, 2, 0] = 1.001, 255
    source = read(tmp_path, x_train=images)
    np.testing.assert_array_equal(source.train.images, expected)
    assert "1 of 1,080 values lie outside and are clipped" in source.notes[0]


def test_images_that_show_nothing_are_warned_of(tmp_path):
    images = arrays()["x_train"].copy()
    images[[4, 7]] = 9
    assert read(tmp_path, x_train=images).notes == (
        "warning: 2 of 12 images show one colour only, such as image 4 of x_train",
    )


def test_classes_without_images_are_named(tmp_path):
    source = read(tmp_path, class_names=np.array([f"n{index}" for index in range(10)]))
    assert source.notes == ("classes without a training image are left out: n3, n4, n5, n6, n7 and 2 more",)


def images(value, dtype=np.float32):
    return np.full((12, 5, 6, 3), value, dtype)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(11) % 3}, "one label for each image, 12. Received: 11 labels"),
        ({"y_train": np.arange(12) / 2}, "`y_train` must be whole numbers, the classes. Received: 0.5"),
        ({"y_train": np.eye(12, 3, dtype=int)}, "single 1 in each row. Received: 0 ones and a sum of 0 in row 3"),
        ({"y_train": np.arange(12) - 1}, "Received: labels from -1 to 10"),
        ({"y_train": np.array(["a", "b"] * 6)}, "Received: <U1"),
        ({"x_train": np.zeros((12, 3, 5, 6), np.uint8)}, r"channels last, .*Received: shape \[12, 3, 5, 6\]"),
        ({"x_train": np.zeros((12, 30), np.uint8)}, r"Received: shape \[12, 30\]"),
        ({"x_train": np.zeros(0)}, r"Received: shape \[0\]"),
        (
            {"x_train": images(np.nan)},
            r"`x_train` must be finite. Received: 1,080 of 1,080 values .*first at \[0, 0, 0, 0\]",
        ),
        ({"x_train": images(-0.6) * 2}, "Received: floats from -1.2 to -1.2. Undo the normalisation"),
        ({"x_train": images(1e5)}, "Received: floats from 100000 to 100000"),
        ({"x_train": images(70_000, np.int32)}, "Received: whole numbers from 70000 to 70000"),
        ({"x_train": images(True, object)}, "no Python objects. Received: .*x_train cannot be read"),
        ({"x_train": images(1, complex)}, "Received: complex128"),
        (
            {"x_train": images(0.5), "x_test": images(7.0)[:2], "y_test": np.arange(2)},
            "Received: floats from 0.5 to 7",
        ),
        ({"x_test": images(0.5)[:2], "y_test": np.arange(2)}, "all floats.*Received: x_train uint8, x_test float32"),
        ({"x_test": np.zeros((2, 5, 6, 3), np.uint8), "y_test": np.array([1, 9])}, r"Received: test labels \[9\]"),
        (
            {"x_test": np.zeros((2, 5, 5, 3), np.uint8), "y_test": np.arange(2)},
            r"Received: \[5, 6, 3\] and \[5, 5, 3\]",
        ),
        ({"x_test": np.zeros((2, 5, 6, 3), np.uint8), "y_test": np.arange(3)}, "`y_test` .*, 2. Received: 3 labels"),
        ({"class_names": np.array(["a", "b"])}, "Received: 2 class names, and the label 2"),
        ({"class_names": np.arange(3)}, r"array of strings \[classes\]. Received: int64 \[3\]"),
        (
            {"class_names": np.array(["a", "b", "c"], object)},
            "no Python objects. Received: .*class_names cannot be read",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, **changes)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"Received: dataset=.*, no such file"):
        sources.check(DataConfig(dataset=str(tmp_path / "no.npz")))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 and no more"])
def test_a_file_that_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"must be an \.npz file.*which is no zip file, or a part of one"):
        sources.check(DataConfig(dataset=str(path)))


def test_a_folder_called_npz_is_refused(tmp_path):
    (tmp_path / "data.npz").mkdir()
    with pytest.raises(DataError, match="which is a folder"):
        sources.check(DataConfig(dataset=str(tmp_path / "data.npz")))


def test_a_damaged_array_is_named(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    content[300:320] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"must be whole.*x_train cannot be read"):
        sources.read(DataConfig(dataset=str(path)))


def test_masks_of_0_and_1_are_black_and_white(tmp_path):
    masks = arrays()["x_train"] // 128
    for dtype in (np.uint8, np.int64, np.float32):
        source = read(tmp_path, x_train=masks.astype(dtype))
        np.testing.assert_array_equal(source.train.images, masks * 255)
        assert source.notes == ("pixels 0 … 1, scaled to 0 … 255",)


def test_a_part_that_is_far_darker_is_warned_of(tmp_path):
    images = arrays()["x_train"]
    [note] = read(tmp_path, x_test=images // 32, y_test=np.arange(12) % 3).notes
    assert note.startswith(
        "warning: all pixels of x_test lie between 0 and 7, and those of all parts between 0 and 255"
    )


def test_copies_in_two_parts_and_classes_are_warned_of(tmp_path):
    images, labels = arrays()["x_train"], arrays()["y_train"]
    [note] = read(tmp_path, x_test=images[[5, 6]], y_test=[labels[5], (labels[6] + 1) % 3]).notes
    parts = "1 in two parts (image 5 of x_train = image 0 of x_test)"
    classes = "1 in two classes (image 6 of x_train = image 1 of x_test)"
    assert note.startswith(f"warning: copies of images: {classes}, {parts}; copies that are trained and tested on")
    [note] = read(tmp_path, x_train=images[[0, *range(12)]], y_train=[labels[0], *labels]).notes
    assert "1 within a class (image 0 of x_train = image 1 of x_train)" in note  # a test part may be drawn from them


def test_an_empty_part_and_a_zip_file_of_images_are_named(tmp_path):
    with pytest.raises(DataError, match=r"`x_val` must be .* n at least 1\. Received: shape \[0, 5, 6, 3\]"):
        read(tmp_path, x_val=arrays()["x_train"][:0], y_val=np.zeros(0, int))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as packed:
        packed.writestr("cat/1.png", b"")
    with pytest.raises(
        DataError,
        match=r"^A data set that is one file .*a zip file of others such as cat/1\.png\. Unpack it and give the folder",
    ):
        sources.check(DataConfig(dataset=str(tmp_path / "photos.zip")))


def test_class_names_that_differ_in_case_only_are_told(tmp_path):
    [note] = read(tmp_path, class_names=np.array(["Cat", "dog", "cat"])).notes
    assert note == "warning: the classes Cat and cat differ by upper and lower case only"
    assert not read(tmp_path, class_names=np.array(["A", "b", "a"])).notes


def test_deep_pixels_are_scaled_as_those_that_a_model_was_trained_on(tmp_path):
    deep = arrays()["x_train"].astype(np.uint16)
    read(tmp_path, x_train=deep)  # writes the file
    config = DataConfig(dataset=str(tmp_path / "data.npz"))
    trained = Preparation(5, 6, 3, 0.0, 4095.0)
    source = sources.read(config, trained)
    np.testing.assert_array_equal(source.train.images, np.rint(deep * (255 / 4095)))
    assert source.value_range == (0, 4095)
    assert source.notes[0].startswith(
        "warning: the pixels look like 0 … 255, but are scaled from 0 … 4095 as the model"
    )
    untold = dataclasses.replace(trained, deep=False)
    np.testing.assert_array_equal(sources.read(config, untold).train.images, deep)
    read(tmp_path, x_train=deep * 16)
    source = sources.read(config, dataclasses.replace(trained, high=65535.0))
    np.testing.assert_array_equal(source.train.images, np.rint(deep * (16 * 255 / 65535)))
    read(tmp_path)
    assert sources.read(config, trained).notes == ()  # bytes are bytes


def _streamed(monkeypatch, tmp_path):
    """Nothing fits into memory, and a few images are read at a time."""
    monkeypatch.setenv("EPNAS_CACHE", str(tmp_path / "cache"))
    for module in (npz, decoding):
        monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.setattr(npz, "CHUNK", 300)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "change",
    [
        lambda images: images,
        lambda images: images[..., 0],
        lambda images: images.astype(np.float32) / 255,
        lambda images: images.astype(np.uint16) * 16,
        lambda images: images > 100,
        np.asfortranarray,  # cannot be read by rows
    ],
)
def test_images_beyond_the_budget_are_read_by_parts(tmp_path, monkeypatch, change, save):
    images = change(arrays()["x_train"])
    save(tmp_path / "data.npz", **arrays(x_train=images, x_test=images[::2], y_test=np.arange(6) % 3))
    config = DataConfig(dataset=str(tmp_path / "data.npz"))
    plain = sources.read(config)
    _streamed(monkeypatch, tmp_path)
    first = sources.read(config)
    monkeypatch.setattr(Scale, "apply", None)  # what every image goes through
    second = sources.read(config)
    assert first.notes == second.notes == (*plain.notes, first.notes[-1])
    assert first.notes[-1].startswith("decoded images are kept for later runs")
    for part in ("train", "test"):
        for source in (first, second):
            assert isinstance(getattr(source, part).images, StoredPixels)
            np.testing.assert_array_equal(getattr(source, part).images[:], getattr(plain, part).images)
            np.testing.assert_array_equal(getattr(source, part).labels, getattr(plain, part).labels)


def test_faults_beyond_the_first_part_are_told_as_in_memory(tmp_path, monkeypatch):
    floats = arrays()["x_train"].astype(np.float32)
    floats[7, 1, 2, 0] = np.nan
    with pytest.raises(DataError) as plain:
        read(tmp_path, x_train=floats)
    _streamed(monkeypatch, tmp_path)
    with pytest.raises(DataError, match=r"the first at \[7, 1, 2, 0\]") as streamed:
        read(tmp_path, x_train=floats)
    assert str(streamed.value).split("the first")[1] == str(plain.value).split("the first")[1]
    path = tmp_path / "broken.npz"
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    content[content.index(b"x_train.npy") + 800] ^= 255  # in the last images
    path.write_bytes(content)
    with pytest.raises(DataError, match="x_train cannot be read"):
        sources.read(DataConfig(dataset=str(path)))
    assert decoded.entries(tmp_path / "cache") == []
