import numpy as np
import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import sources
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
    with pytest.raises(DataError, match=rf"Received: .*with \['._train', 'extra'\], without \['{missing}'\]"):
        read(tmp_path, **{missing: None}, extra=np.zeros(1))


@pytest.mark.parametrize(("given", "missing"), [("x_test", "y_test"), ("y_test", "x_test")])
def test_half_a_test_part_is_refused(tmp_path, given, missing):
    with pytest.raises(DataError, match=rf"without \['{missing}'\]"):
        read(tmp_path, **{given: np.zeros(3)})


def images(value, dtype=np.float32):
    return np.full((12, 5, 6, 3), value, dtype)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(11) % 3}, "one label for each image, 12. Received: 11 labels"),
        ({"y_train": np.zeros(12, int)}, "two classes or more.*Received: 1 class among 12"),
        ({"y_train": np.zeros(12)}, r"integers \[n\] or \[n, 1\]. Received: float64 \[12\]"),
        ({"y_train": np.eye(12, dtype=int)}, r"integers \[n\] or \[n, 1\]. Received: int64 \[12, 12\]"),
        ({"y_train": np.arange(12) - 1}, "Received: labels from -1 to 10"),
        ({"y_train": np.array(["a", "b"] * 6)}, "Received: <U1"),
        ({"x_train": np.zeros((12, 3, 5, 6), np.uint8)}, r"channels last. Received: shape \[12, 3, 5, 6\]"),
        ({"x_train": np.zeros((12, 30), np.uint8)}, r"Received: shape \[12, 30\]"),
        ({"x_train": np.zeros(0)}, r"Received: shape \[0\]"),
        ({"x_train": images(np.nan)}, "must be finite. Received: NaN"),
        ({"x_train": images(-0.5)}, "within 0 and 1 .*Received: values from -0.5 to -0.5"),
        ({"x_train": images(256.0)}, "within 0 and 255 .*Received: values from 256 to 256"),
        ({"x_train": images(300, np.int32)}, "within 0 and 255 .*Received: values from 300"),
        ({"x_train": images(True, bool)}, "Received: bool"),
        (
            {"x_train": images(0.5), "x_test": images(7.0)[:2], "y_test": np.arange(2)},
            "`x_test` must lie within 0 and 1",
        ),
        ({"x_test": images(0.5)[:2], "y_test": np.arange(2)}, "both be floats.*Received: uint8 and float32"),
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
    with pytest.raises(DataError, match=r"must be an \.npz file.*which is something else"):
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
