import dataclasses

import numpy as np
import pytest

from epnas_tf.data import pixels
from epnas_tf.data.augmentation import UNCHANGED
from epnas_tf.data.values import Images, statistics
from epnas_tf.errors import DataError
from tests.data.helpers import make_data, make_images


def test_images_know_their_length_and_shape():
    images = make_images(12, (4, 6, 3))
    assert len(images) == 12
    assert images.shape == (4, 6, 3)
    taken = images.take(np.array([3, 1]))
    np.testing.assert_array_equal(taken.images, images.images[[3, 1]])
    np.testing.assert_array_equal(taken.labels, [3, 1])


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 4, 1), np.float32),
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((2, 4, 4, 2), np.uint8),
        np.zeros((0, 4, 4, 1), np.uint8),
    ],
)
def test_images_refuse_another_array(images):
    with pytest.raises(DataError, match=r"uint8 array .*Received: "):
        Images(images, np.zeros(2, np.int32))


@pytest.mark.parametrize("labels", [np.zeros(2, np.int64), np.zeros(3, np.int32), np.zeros((2, 1), np.int32)])
def test_images_refuse_other_labels(labels):
    with pytest.raises(DataError, match=r"int32 array \[2\].*Received: "):
        Images(np.zeros((2, 4, 4, 1), np.uint8), labels)


def test_images_refuse_a_negative_label():
    with pytest.raises(DataError, match=r"one class number from 0 for each image. Received: int32 \[2\] from -1\."):
        Images(np.zeros((2, 4, 4, 1), np.uint8), np.array([0, -1], np.int32))


def test_image_data_knows_its_shape_and_classes():
    data = make_data(shape=(8, 6, 3), classes=7)
    assert data.image_shape == (8, 6, 3)
    assert data.num_classes == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": make_images(5, (8, 9, 1))}, "one size.*Received: .*8, 9, 1"),
        ({"class_names": ("a", "b")}, "Received: 2 names and labels up to 9"),
        ({"class_names": ("a",)}, "two classes or more"),
        ({"mean": np.zeros(3, np.float32)}, "`mean` must be .*Received: mean="),
        ({"mean": np.array([np.nan], np.float32)}, "`mean` must be .*Received: mean="),
        ({"std": np.zeros(1, np.float32)}, "`std` must be .*, above 0 and finite. Received: std="),
    ],
)
def test_image_data_refuses_parts_that_do_not_fit(changes, message):
    with pytest.raises(DataError, match=message):
        dataclasses.replace(make_data(), **changes)


def test_other_images_have_another_digest():
    data = make_data()
    assert dataclasses.replace(data, augmentation=UNCHANGED).digest == data.digest == make_data().digest
    order = np.arange(len(data.train))[::-1]
    darker = data.test.images.copy()
    darker[-1, -1, -1, -1] ^= 1
    other = [
        dataclasses.replace(data, train=data.train.take(order)),
        dataclasses.replace(data, train=data.train.take(order[:-1])),
        dataclasses.replace(data, test=Images(darker, data.test.labels)),
        dataclasses.replace(data, test=Images(data.test.images, 1 - np.minimum(data.test.labels, 1))),
        dataclasses.replace(data, validation=data.test, test=data.validation),
    ]
    assert len({data.digest, *(each.digest for each in other)}) == 6


def test_statistics_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr(pixels, "FEWEST", 64)
    monkeypatch.setattr(pixels, "CHUNK", 1)  # several chunks
    images = make_images(300, (5, 7, 3)).images
    mean, std = statistics(images)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, images.std(axis=(0, 1, 2)), rtol=1e-6)


def test_a_constant_channel_has_standard_deviation_one():
    images = make_images(10, (4, 4, 3)).images.copy()
    images[..., 1] = 77
    mean, std = statistics(images)
    assert mean[1] == 77
    assert std[1] == 1
    assert np.all(std[[0, 2]] > 10)
