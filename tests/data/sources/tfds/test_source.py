import http.server
import re
import shutil
import socket
import threading
import time
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from epnas_tf.config import DataConfig
from epnas_tf.data import check, load, sources
from epnas_tf.data.pixels import StoredPixels
from epnas_tf.data.scale import Scale
from epnas_tf.data.sources import decoding
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError


def shape_image(index, size=(6, 6)):
    return np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """A data set as anyone would write it for TFDS; one of its configurations leaves a class unused."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=name)
        for name in (
            "plain",
            "sizes",
            "one_size",
            "validated",
            "val",
            "extra",
            "hidden",
            "untested",
            "unlabelled",
            "no_train",
            "failing",
        )
    ]

    def _info(self):
        features = {
            "picture": tfds.features.Image(shape=(None, None, 3) if "size" in self.builder_config.name else (6, 6, 3)),
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
        if name == "val":
            generators["val"] = self._generate_examples(40, 8)
        if name == "extra":
            generators["unlabeled"] = self._generate_examples(50, 4, -1)
            generators["dev"] = self._generate_examples(60, 4)
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


KEYS = ("image", "label")
GREY, CLASSES = tfds.features.Image(shape=(6, 6, 1)), tfds.features.ClassLabel(names=["circle", "square"])
THREE = {"photo": GREY, "kind": CLASSES, "note": tfds.features.Text()}
KINDS = {
    # What is refused, with the reason; `supervised_keys` and the features.
    "text": ((None, {"text": tfds.features.Text()}), "of whose features none may be the image: text Text"),
    "four": (
        (KEYS, {"image": tfds.features.Image(shape=(6, 6, 4)), "label": CLASSES}),
        r"none may be the image: image Image\(shape=\(6, 6, 4\)",
    ),
    "string": (
        (KEYS, {"image": GREY, "label": tfds.features.Text()}),
        r"of whose features none may be the class: image Image.*, label Text",
    ),
    "number": (
        (KEYS, {"image": GREY, "label": tfds.features.Scalar(np.int64)}),
        r"label Scalar\(shape=\(\), dtype=int",
    ),
    "two_labels": (
        (None, {"image": GREY, "fine": CLASSES, "coarse": CLASSES}),
        "of whose features 2 may be the class: .*, fine Class.*, coarse Class",
    ),
    "many": (
        (KEYS, {"image": GREY, "label": tfds.features.Sequence(CLASSES)}),
        r"none may be the class.*, label Sequence\(ClassLabel",
    ),
    "two_images": (
        (None, {"left": GREY, "right": GREY, "label": CLASSES}),
        "2 may be the image: left Image.*, right Image",
    ),
    "tensor": (
        (KEYS, {"image": tfds.features.Tensor(shape=(6, 6, 1), dtype=np.uint8), "label": CLASSES}),
        r"of whose features none may be the image: image Tensor\(shape=\(6, 6, 1\), dtype=uint8\)",
    ),
    "video": (
        (None, {"video": tfds.features.Sequence(GREY), "label": CLASSES}),
        r"video Sequence\(Image",
    ),
    "mask": (
        (None, {"mask": tfds.features.LabeledImage(labels=2, shape=(6, 6, 1)), "label": CLASSES}),
        "mask LabeledImage",
    ),
    # What is read, with the note on the choice.
    "no_keys": ((None, THREE), "the feature photo, the classes kind"),
    "three_keys": ((("photo", "note", "kind"), THREE), None),
    "one_of_two": ((("photo", "coarse"), {"photo": GREY, "coarse": CLASSES, "fine": CLASSES}), None),
    "other_keys": ((("photo", "note"), THREE), "the classes kind"),
    "deep": ((KEYS, {"image": tfds.features.Image(shape=(6, 6, 1), dtype=np.uint16), "label": CLASSES}), None),
    "floats": ((KEYS, {"image": tfds.features.Image(shape=(6, 6, 1), dtype=np.float32), "label": CLASSES}), None),
    "large": ((KEYS, {"image": tfds.features.Image(shape=(80, 70, 1)), "label": CLASSES}), None),
}  # fmt: skip
READ = ("no_keys", "three_keys", "one_of_two", "other_keys", "deep", "floats", "large")


def tiny_value(feature, index):
    """An example's value of a feature."""
    if isinstance(feature, tfds.features.ClassLabel):
        return index % 2
    if not isinstance(feature, tfds.features.Image):
        return "text"
    values = np.random.default_rng(index).integers(0, 256, feature.shape)
    factor = {np.dtype(np.uint8): 1, np.dtype(np.uint16): 16, np.dtype(np.float32): 1 / 255}[np.dtype(feature.np_dtype)]
    return (values * factor).astype(feature.np_dtype)


class TinyKinds(tfds.core.GeneratorBasedBuilder):
    """A configuration for every form of features."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=name) for name in KINDS]

    def _info(self):
        (keys, features), _ = KINDS[self.builder_config.name]
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features), supervised_keys=keys)

    def _split_generators(self, dl_manager):
        assert self.builder_config.name in READ, "refused before anything is prepared"
        return {"train": self._generate_examples(0, 12), "test": self._generate_examples(20, 4)}

    def _generate_examples(self, first, count):
        features = self.info.features
        for index in range(first, first + count):
            yield index, {name: tiny_value(feature, index) for name, feature in features.items()}


class TinyDownload(tfds.core.GeneratorBasedBuilder):
    """Its images come from a file that is downloaded."""

    VERSION = tfds.core.Version("1.0.0")
    url = ""

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"image": GREY, "label": CLASSES}), supervised_keys=KEYS
        )

    def _split_generators(self, dl_manager):
        path = dl_manager.download(self.url)
        return {"train": self._generate_examples(path)}

    def _generate_examples(self, path):
        pixels = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 6, 6, 1)
        for index, image in enumerate(pixels):
            yield index, {"image": image, "label": index % 2}


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


@pytest.mark.parametrize("name", ["tiny_shapes", "tiny_shapes/plain", "tiny_shapes/plain:1.0.0"])
def test_a_data_set_is_prepared_and_read_by_its_name(tmp_path, name):
    source = read(tmp_path, name)
    assert source.name == name
    assert source.class_names == ("circle", "square")
    assert by_pixels(source.train) == {shape_image(index).tobytes(): index % 2 for index in range(20)}
    assert by_pixels(source.test) == {shape_image(index).tobytes(): index % 2 for index in range(20, 26)}
    again = read(tmp_path, name)
    np.testing.assert_array_equal(again.train.images, source.train.images)
    np.testing.assert_array_equal(again.train.labels, source.train.labels)


def numbered(first, count):
    return {shape_image(index).tobytes(): index % 2 for index in range(first, first + count)}


def test_a_test_part_without_labels_is_named_and_not_used(tmp_path):
    source = read(tmp_path, "tiny_shapes/hidden")
    assert source.test is None
    assert by_pixels(source.validation) == numbered(20, 6)
    assert "the split test is not used: 4 of its images have no label" in source.notes


def test_a_validation_split_is_the_validation_part_with_and_without_a_test(tmp_path):
    source = read(tmp_path, "tiny_shapes/val")
    assert by_pixels(source.validation) == numbered(40, 8)
    assert by_pixels(source.test) == numbered(20, 6)
    data = load(DataConfig(dataset="tiny_shapes/validated", data_dir=str(tmp_path), test_fraction=0.3), seed=0)
    assert by_pixels(data.validation) == numbered(20, 6)
    assert (len(data.train), len(data.test)) == (14, 6)
    assert by_pixels(data.train) | by_pixels(data.test) == numbered(0, 20)
    assert "test: 6 images drawn from the training images, as the data set has no test part" in data.notes


def test_other_splits_and_empty_classes_are_named(tmp_path):
    notes = read(tmp_path, "tiny_shapes/extra").notes
    assert "splits that are not used: dev, unlabeled" in notes
    assert "classes without a training image are left out: unused" in notes


def test_a_data_set_without_a_test_part_gets_one(tmp_path):
    config = DataConfig(dataset="tiny_shapes/untested", data_dir=str(tmp_path), test_fraction=0.3, image_size=8)
    data = load(config, seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 2, 6)
    assert data.image_shape == (8, 8, 3)
    assert str(data.augmentation).startswith("crop(-1),mirror(0.5)")


def test_images_of_several_sizes_become_squares(tmp_path):
    source = read(tmp_path, "tiny_shapes/sizes")
    assert source.train.shape == (32, 32, 3)
    assert re.match("images of 3 sizes, up to 8 pixels.* brought to 32×32", source.notes[0])
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


def test_images_of_one_size_that_is_not_declared_keep_it(tmp_path):
    assert by_pixels(read(tmp_path, "tiny_shapes/one_size").train) == numbered(0, 20)


def test_large_images_are_brought_to_the_size_of_a_search_and_said(tmp_path):
    source = read(tmp_path, "tiny_kinds/large")
    assert (source.train.shape, source.test.shape) == ((32, 32, 1), (32, 32, 1))
    assert source.notes[0].startswith("images of 80×70 are brought to 32×32")
    kept = sources.read(DataConfig(dataset="tiny_kinds/large", data_dir=str(tmp_path), image_size=0))
    assert kept.train.shape == (80, 70, 1)
    assert kept.notes == ()


@pytest.mark.parametrize("name", [name for name in KINDS if name not in READ])
def test_a_refusal_says_which_condition_failed_before_anything_is_prepared(tmp_path, name):
    with pytest.raises(DataError, match=rf"Received: dataset='tiny_kinds/{name}', .*{KINDS[name][1]}"):
        read(tmp_path, f"tiny_kinds/{name}")


@pytest.mark.parametrize("name", ["no_keys", "three_keys", "one_of_two", "other_keys"])
def test_one_image_and_one_class_label_are_enough_whatever_they_are_called(tmp_path, name):
    source = read(tmp_path, f"tiny_kinds/{name}")
    assert by_pixels(source.train) == {tiny_value(GREY, i).tobytes(): i % 2 for i in range(12)}
    note = KINDS[name][1]
    assert source.notes == (() if note is None else source.notes[:1])
    assert note is None or note in source.notes[0]


@pytest.mark.parametrize(("name", "white"), [("deep", 4095), ("floats", 1)])
def test_images_of_more_than_8_bits_are_scaled_alike_in_all_splits(tmp_path, name, white):
    source = read(tmp_path, f"tiny_kinds/{name}")
    for part, first in ((source.train, 0), (source.test, 20)):
        expected = {}
        for index in range(first, first + len(part)):
            values = tiny_value(KINDS[name][0][1]["image"], index) / white
            expected[np.rint(255 * values).astype(np.uint8).tobytes()] = index % 2
        assert by_pixels(part) == expected
    assert source.notes[0].startswith("pixels 0 … ")
    assert (source.value_range, source.deep) == ((0, 4095 if name == "deep" else 65535), name == "deep")


@pytest.mark.parametrize("name", ["tiny_kinds/deep", "tiny_shapes/sizes", "tiny_shapes/validated"])
def test_images_beyond_the_budget_stay_in_a_file_that_later_runs_read(tmp_path, monkeypatch, name):
    plain = read(tmp_path, name)
    monkeypatch.setenv("EPNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    first = read(tmp_path, name)
    monkeypatch.setattr(Scale, "apply", None)  # what every image goes through
    second = read(tmp_path, name)
    (kept_note,) = set(first.notes) - set(plain.notes)
    assert kept_note.startswith("decoded images are kept for later runs")
    assert first.notes == second.notes
    for part in ("train", "validation", "test"):
        kept = [getattr(source, part) for source in (plain, first, second)]
        if kept[0] is not None:
            assert isinstance(kept[2].images, StoredPixels)
            for other in kept[1:]:
                np.testing.assert_array_equal(other.images[:], kept[0].images)
                np.testing.assert_array_equal(other.labels, kept[0].labels)


def test_images_that_fit_nowhere_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    monkeypatch.setattr("epnas_tf.data.sources.base.available_bytes", lambda: 10)
    with pytest.raises(DataError, match=r"26 images of 6×6: the images must fit into memory.*EPNAS_CACHE=off"):
        read(tmp_path, "tiny_shapes/plain")


@pytest.mark.parametrize(
    ("name", "trained", "white", "note"),
    [
        (
            "deep",
            Preparation(6, 6, 1, 0, 65535),
            65535,
            "warning: the pixels look like 0 … 4095, but are scaled from 0 … 6",
        ),
        ("deep", Preparation(6, 6, 1, 0, 4095), 4095, "pixels 0 … "),
        ("deep", Preparation(6, 6, 1, 0, 65535, deep=False), 4095, "pixels 0 … "),
        ("floats", Preparation(6, 6, 1, 0, 4095), 1, "pixels 0 … 1, "),
    ],
)
def test_images_of_more_than_8_bits_are_scaled_as_those_that_a_model_was_trained_on(
    tmp_path, name, trained, white, note
):
    source = sources.read(DataConfig(dataset=f"tiny_kinds/{name}", data_dir=str(tmp_path)), trained)
    feature = KINDS[name][0][1]["image"]
    expected = {
        np.rint(255 * (tiny_value(feature, index) / white)).astype(np.uint8).tobytes(): index % 2 for index in range(12)
    }
    assert by_pixels(source.train) == expected
    assert len(source.notes) == 1 + (white == 65535)  # and that they are nearly black
    assert source.notes[0].startswith(note)


def test_images_are_brought_to_the_size_of_a_model_that_is_no_square(tmp_path):
    source = sources.read(DataConfig(dataset="tiny_kinds/large", data_dir=str(tmp_path)), Preparation(20, 35, 1))
    picture = Image.fromarray(tiny_value(KINDS["large"][0][1]["image"], 0)[..., 0])
    pixels = np.asarray(picture.resize((35, 20), Image.Resampling.BILINEAR, (0, 20, 70, 60)))
    assert pixels.tobytes() in by_pixels(source.train)
    assert source.notes == (
        "images of 80×70 are brought to 20×35 (the part of that shape at their centre, so 50 % of a picture of 80×70)",
    )


def test_a_data_set_of_something_else_is_refused_before_it_is_prepared(tmp_path):
    with pytest.raises(
        DataError, match=r"Received: dataset='tiny_texts', of whose features none may be the image: text"
    ):
        read(tmp_path, "tiny_texts")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny_shapes/no_train", r"split `train`, .*Received: tiny_shapes/no_train with \['test'\]"),
        (
            "tiny_shapes/unlabelled",
            r"has a label. Received: tiny_shapes/unlabelled with \['test', 'train'\].*train is not used: 20 of its",
        ),
        ("tiny_shapes/failing", "no network.*Received: RuntimeError: the host has moved. Prepare it"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, name)


@pytest.fixture
def direct(monkeypatch):
    """Takes all proxies away."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.delenv(variable, raising=False)


def refused_download(tmp_path, name, words):
    start = time.monotonic()
    with pytest.raises(
        DataError, match=rf"{name} could not be downloaded .*no network.*Received: .*{words}.*--data_dir"
    ):
        read(tmp_path, name)
    assert time.monotonic() - start < 30


def test_without_a_network_a_download_fails_at_once(tmp_path, monkeypatch, direct):
    def unreachable(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "other.zip").write_bytes(b"of another data set")
    refused_download(tmp_path, "cifar10", "toronto")


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pixels = np.random.default_rng(0).integers(0, 256, 20 * 36, dtype=np.uint8)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pixels.tobytes())

    def log_message(self, *arguments):
        pass


def test_what_is_downloaded_already_needs_no_network(tmp_path, monkeypatch, direct):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(TinyDownload, "url", f"http://127.0.0.1:{server.server_port}/pixels.bin")
    expected = by_pixels(read(tmp_path, "tiny_download").train)
    server.shutdown()
    thread.join()
    server.server_close()
    shutil.rmtree(tmp_path / "tiny_download")
    assert by_pixels(read(tmp_path, "tiny_download").train) == expected
    for folder in ("tiny_download", "downloads"):
        shutil.rmtree(tmp_path / folder)
    refused_download(tmp_path, "tiny_download", "127.0.0.1.*Connection refused")


def test_a_proxy_that_lets_nobody_through_is_found_out_at_once(tmp_path, monkeypatch, direct):
    class Closed(Quiet):
        def do_GET(self):
            self.send_error(503)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Closed)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(TinyDownload, "url", "http://images.invalid/pixels.bin")
    refused_download(tmp_path, "tiny_download", "images.invalid.*503")
    server.shutdown()
    thread.join()
    server.server_close()
    refused_download(tmp_path, "tiny_download", "images.invalid.*Connection refused")
