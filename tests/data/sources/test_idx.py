import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import load, sources
from epnas_tf.data.sources import idx
from epnas_tf.errors import DataError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder, name, content, *, zipped):
    if zipped:
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    else:
        (folder / name).write_bytes(content)


def write_all(folder, *, zipped):
    generator = np.random.default_rng(0)
    arrays = [
        generator.integers(0, 256, (40, 28, 28), dtype=np.uint8),
        np.arange(40, dtype=np.uint8) % 10,
        generator.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        np.arange(20, dtype=np.uint8) % 10,
    ]
    for name, array in zip(NAMES, arrays, strict=True):
        write(folder, name, idx_bytes(array), zipped=zipped)
    return arrays


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("dataset", "first"), [("mnist", "0"), ("fashion_mnist", "T-shirt/top"), ("kmnist", "o")])
def test_the_four_files_are_read(tmp_path, zipped, dataset, first):
    arrays = write_all(tmp_path, zipped=zipped)
    config = DataConfig(dataset=dataset, manual_dir=str(tmp_path))
    sources.check(config)
    source = sources.read(config)
    for part, images, labels in ((source.train, *arrays[:2]), (source.test, *arrays[2:])):
        np.testing.assert_array_equal(part.images, images[..., np.newaxis])
        np.testing.assert_array_equal(part.labels, labels)
    assert source.class_names[0] == first
    assert len(source.class_names) == 10


def test_images_that_show_nothing_are_warned_of(tmp_path):
    write_all(tmp_path, zipped=False)
    write(tmp_path, NAMES[2], idx_bytes(np.zeros((20, 28, 28), np.uint8)), zipped=False)
    source = sources.read(DataConfig(dataset="mnist", manual_dir=str(tmp_path)))
    assert source.notes == ("warning: 20 of 20 images show one colour only, such as image 0 of t10k",)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist():
    data = load(DataConfig(dataset="fashion_mnist", manual_dir=str(DEBIAN)), seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (54000, 6000, 10000)
    assert data.image_shape == (28, 28, 1)
    np.testing.assert_array_equal(np.bincount(data.train.labels), [5400] * 10)
    np.testing.assert_array_equal(np.bincount(data.test.labels), [1000] * 10)
    # The known figures of the training images: 0.2860 and 0.3530 of the whole range.
    assert abs(data.mean[0] / 255 - 0.286) < 0.002
    assert abs(data.std[0] / 255 - 0.353) < 0.002
    assert data.class_names[9] == "Ankle boot"
    assert str(data.augmentation) == "crop(-1),mirror(0.5),cutout(0)"


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named_before_anything_is_read(tmp_path, name):
    write_all(tmp_path, zipped=False)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=rf"Received: manual_dir=.*no {name} and no {name}\.gz there"):
        sources.check(DataConfig(dataset="mnist", manual_dir=str(tmp_path)))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"Received: manual_dir=.*nowhere', no such folder"):
        sources.check(DataConfig(dataset="mnist", manual_dir=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must begin with 00000803, .*Received: .* with 0 bytes, which begins with nothing"),
        (idx_bytes(np.zeros(5, np.uint8)), "must begin with 00000803, .*Received: .*begins with 00000801"),
        (b"\0\0\x0d\x03" + bytes(20), "begins with 00000d03"),
        (b"\0\0\x08\x03\0\0", "header of 16 bytes .*Received: .* with 6 bytes"),
        (
            idx_bytes(np.zeros((2, 3, 3), np.uint8))[:-1],
            "33 bytes, which begins with 00000803 00000002 00000003 00000003",
        ),
        (idx_bytes(np.zeros((2, 3, 3), np.uint8)) + b"x", "35 bytes, which begins with 00000803 00000002 00000003"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path, zipped, content, message):
    write(tmp_path, "images", content, zipped=zipped)
    with pytest.raises(DataError, match=message):
        idx.read_idx(tmp_path / ("images.gz" if zipped else "images"), 3)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(bytes(1000))[:-9], gzip.compress(bytes(1000))[:-2]],
    ids=["no_gzip", "cut_in_the_content", "cut_in_the_checksum"],
)
def test_a_broken_gzip_file_is_named(tmp_path, content):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"readable and whole. Received: .*images\.gz"):
        idx.read_idx(path, 3)


def test_counts_that_differ_are_refused(tmp_path):
    write_all(tmp_path, zipped=False)
    write(tmp_path, NAMES[1], idx_bytes(np.zeros(39, np.uint8)), zipped=False)
    with pytest.raises(DataError, match=r"The labels in .* one label for each image, 40. Received: 39 labels"):
        sources.read(DataConfig(dataset="mnist", manual_dir=str(tmp_path)))


def test_a_label_without_a_name_is_refused(tmp_path):
    arrays = write_all(tmp_path, zipped=False)
    write(tmp_path, NAMES[1], idx_bytes(arrays[1] + 1), zipped=False)
    with pytest.raises(DataError, match="Received: 10 class names, and the label 10"):
        sources.read(DataConfig(dataset="mnist", manual_dir=str(tmp_path)))


def test_names_as_kaggle_has_them_are_found(tmp_path):
    images, *_ = write_all(tmp_path, zipped=False)
    for name in NAMES:
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
    source = sources.read(DataConfig(dataset="mnist", manual_dir=str(tmp_path)))
    np.testing.assert_array_equal(source.train.images[..., 0], images)
