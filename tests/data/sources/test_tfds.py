import socket
import time
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds

from epnas_tf.config import DataConfig
from epnas_tf.data import check, load, sources
from epnas_tf.errors import DataError


def shape_image(index, size=(6, 6)):
    return np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """A data set as anyone would write it for TFDS; one of its configurations leaves a class unused."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=name)
        for name in ("plain", "sizes", "validated", "hidden", "untested", "unlabelled", "no_train", "failing")
    ]

    def _info(self):
        features = {
            "picture": tfds.features.Image(shape=(None, None, 3) if self.builder_config.name == "sizes" else (6, 6, 3)),
            "kind": tfds.features.ClassLabel(names=["circle", "unused", "square"]),
            "note": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), supervised_keys=("picture", "kind")
        )

    def _split_generators(self, dl_manager):
        name = self.builder_config.name
        if name == "failing":
            raise RuntimeError("the host has moved\nand more")
        generators = {"train": self._generate_examples(0, 20), "test": self._generate_examples(20, 6)}
        if name == "validated":
            generators["validation"] = generators.pop("test")
        if name == "hidden":
            generators["test"] = self._generate_examples(30, 4, -1)
            generators["validation"] = self._generate_examples(20, 6)
        if name == "untested":
            del generators["test"]
        if name == "unlabelled":
            generators["train"] = self._generate_examples(0, 20, -1)
        if name == "no_train":
            del generators["train"]
        return generators

    def _generate_examples(self, first, count, label=None):
        for index in range(first, first + count):
            size = (6 + index % 3, 6) if self.builder_config.name == "sizes" else (6, 6)
            kind = index % 2 * 2 if label is None else label
            yield index, {"picture": shape_image(index, size), "kind": kind, "note": f"number {index}"}


class TinyTexts(tfds.core.GeneratorBasedBuilder):
    """No image in it."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({"text": tfds.features.Text()}))

    def _split_generators(self, dl_manager):
        raise AssertionError("refused before anything is prepared")

    def _generate_examples(self):
        yield 0, {}


def read(tmp_path, name):
    return sources.read(DataConfig(dataset=name, data_dir=str(tmp_path)))


def by_pixels(part):
    return {image.tobytes(): int(label) for image, label in zip(part.images, part.labels, strict=True)}


@pytest.mark.parametrize(
    "name", ["tiny_shapes", "tiny_shapes/plain", "tiny_shapes/plain:1.0.0", "tiny_shapes/validated"]
)
def test_a_data_set_is_prepared_and_read_by_its_name(tmp_path, name):
    source = read(tmp_path, name)
    assert source.name == name
    assert source.class_names == ("circle", "square")
    assert by_pixels(source.train) == {shape_image(index).tobytes(): index % 2 for index in range(20)}
    assert by_pixels(source.test) == {shape_image(index).tobytes(): index % 2 for index in range(20, 26)}
    again = read(tmp_path, name)
    np.testing.assert_array_equal(again.train.images, source.train.images)
    np.testing.assert_array_equal(again.train.labels, source.train.labels)


def test_a_test_part_without_labels_is_passed_over(tmp_path):
    source = read(tmp_path, "tiny_shapes/hidden")
    assert by_pixels(source.test) == {shape_image(index).tobytes(): index % 2 for index in range(20, 26)}


def test_a_data_set_without_a_test_part_gets_one(tmp_path):
    config = DataConfig(dataset="tiny_shapes/untested", data_dir=str(tmp_path), test_fraction=0.3, image_size=8)
    data = load(config, seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 2, 6)
    assert data.image_shape == (8, 8, 3)
    assert data.mirror


def test_images_of_several_sizes_become_squares(tmp_path):
    assert read(tmp_path, "tiny_shapes/sizes").train.shape == (32, 32, 3)
    config = DataConfig(dataset="tiny_shapes/sizes", data_dir=str(tmp_path), image_size=6)
    images = by_pixels(sources.read(config).train)
    # The images that are 6 × 6 already come through untouched.
    assert all(shape_image(index).tobytes() in images for index in range(0, 20, 3))


def test_a_prepared_copy_needs_no_code_of_its_own(tmp_path):
    read(tmp_path, "tiny_shapes/plain")
    (tmp_path / "tiny_shapes").rename(tmp_path / "copied_shapes")
    info = tmp_path / "copied_shapes" / "plain" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("tiny_shapes", "copied_shapes"))
    for path in info.parent.glob("tiny_shapes*"):
        path.rename(info.parent / path.name.replace("tiny_shapes", "copied_shapes"))
    config = DataConfig(dataset="copied_shapes/plain", data_dir=str(tmp_path))
    check(config)
    assert sources.read(config).class_names == ("circle", "square")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar11", "Received: dataset='cifar11'.* Did you mean .*cifar10"),
        ("digit", "Received: dataset='digit'.* Did you mean .*digits"),
        ("Fashion-MNIST", "Did you mean .*fashion_mnist"),
        ("qqqq", "Received: dataset='qqqq', which is none of them. Try digits"),
        ("", "Received: dataset=''"),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        check(DataConfig(dataset=name, data_dir=str(tmp_path)))


@pytest.mark.parametrize("name", ["tiny_shapes/nothing", "tiny_shapes:9.9.9"])
def test_an_unknown_configuration_or_version_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=rf"Received: dataset='{name}', which TFDS refuses"):
        read(tmp_path, name)


def test_a_data_set_of_something_else_is_refused_before_it_is_prepared(tmp_path):
    with pytest.raises(DataError, match=r"Received: dataset='tiny_texts' with the features \['text'\]"):
        read(tmp_path, "tiny_texts")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny_shapes/no_train", r"split `train`. Received: tiny_shapes/no_train with \['test'\]"),
        ("tiny_shapes/unlabelled", "must have a label. Received: tiny_shapes/unlabelled"),
        ("tiny_shapes/failing", "no network.*Received: RuntimeError: the host has moved. Prepare it"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, name)


def test_without_a_network_a_download_fails_at_once(tmp_path, monkeypatch):
    def unreachable(address, timeout):
        raise socket.gaierror(-2, f"Name or service not known: {address[0]}")

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "create_connection", unreachable)
    start = time.monotonic()
    with pytest.raises(
        DataError, match=r"cifar10 could not be downloaded .*no network.*Received: .*toronto.*--data_dir"
    ):
        read(tmp_path, "cifar10")
    assert time.monotonic() - start < 30
