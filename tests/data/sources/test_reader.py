import numpy as np
import pytest
from PIL import Image

from epnas_tf.config import DataConfig
from epnas_tf.data import progress, sources
from epnas_tf.data.sources import folder
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError
from tests.data.sources.image_files import fill, pixels, read, save
from tests.data.sources.test_pictures import png_of_16_bits


def deep(seed, high, kind=np.uint16):
    array = np.random.default_rng(seed).uniform(0, high, (6, 6)).astype(kind)
    array[0, 0] = high
    return array


@pytest.mark.parametrize(
    ("high", "kind", "extension", "white", "note"),
    [
        (4000, np.uint16, "png", 4095, "pixels 0 … 4000, scaled to 0 … 255 from 0 … 4095"),
        (250, np.uint16, "tif", 255, "pixels 0 … 250, read as 0 … 255"),
        (60000, np.uint16, "tif", 65535, "pixels 0 … 60000, scaled to 0 … 255 from 0 … 65535"),
        (1.001, np.float32, "tif", 1, "pixels 0 … 1.001, scaled to 0 … 255 from 0 … 1; 1 of 144 values lie outside"),
    ],
)
def test_files_of_more_than_8_bits_have_one_scale_over_all_parts(tmp_path, high, kind, extension, white, note):
    arrays = [deep(seed, high if seed == 3 else high / 3, kind) for seed in range(4)]  # the brightest is a test image
    for array in arrays:
        array[1, 1] = 0
    for name, array in zip(("train/a/0", "train/b/0", "train/b/1", "test/a/0"), arrays, strict=True):
        save(tmp_path / f"{name}.{extension}", array)
    source = read(tmp_path)
    images = np.concatenate([source.train.images, source.test.images])[..., 0]
    np.testing.assert_array_equal(images, [np.rint(255 * np.minimum(array / white, 1)) for array in arrays])
    assert source.value_range == (0, white)
    assert source.notes[1].startswith(note)


def test_a_scale_that_is_given_holds_for_files_that_look_like_another(tmp_path):
    for index in range(4):
        save(tmp_path / "ab"[index % 2] / f"{index}.png", deep(index, 900))
    source = folder.read(DataConfig(dataset=str(tmp_path)), Preparation(6, 6, 1, 0, 4095))
    np.testing.assert_array_equal(source.train.images[0, ..., 0], np.rint(deep(0, 900) / 4095 * 255))
    assert source.value_range == (0, 4095)
    assert source.notes[0].startswith("warning: the pixels look like 0 … 1023, but are scaled from 0 … 4095")


@pytest.mark.parametrize(("high", "deep"), [(None, False), (4000, True), (200, True)])
def test_whether_a_file_has_more_than_8_bits_is_known_afterwards(tmp_path, high, deep):
    fill(tmp_path, {"a": 2, "b": 1}, (6, 6))
    if high:
        save(tmp_path / "b" / "deep.png", np.full((6, 6), high, np.uint16))
    assert read(tmp_path).deep == deep


@pytest.mark.parametrize(("size", "box"), [((6, 9), (0, 3, 18, 15)), ((9, 6), (3, 0, 15, 18))])
def test_files_are_brought_to_a_size_that_is_no_square(tmp_path, size, box):
    written = fill(tmp_path, {"a": 2, "bb": 2}, (18, 18))
    source = sources.read(DataConfig(dataset=str(tmp_path)), Preparation(*size, 1))
    expected = [
        np.asarray(Image.fromarray(array).resize(size[::-1], Image.Resampling.BILINEAR, box))
        for array in (*written["a"], *written["bb"])
    ]
    np.testing.assert_array_equal(source.train.images[..., 0], expected)
    shown = f"{size[0]}×{size[1]}"
    assert source.notes == (f"images of 18×18 are brought to {shown} (the part of that shape at their centre)",)
    asked = sources.read(DataConfig(dataset=str(tmp_path), image_size=4), Preparation(*size, 1))
    assert asked.image_shape == (4, 4, 1)


def test_reading_tells_how_far_it_is(tmp_path, monkeypatch):
    told = []

    def display(items, total, what):
        for item in items:
            told.append((what, total))
            yield item

    monkeypatch.setattr(progress, "display", display)
    fill(tmp_path, {"a": 2, "b": 1})
    read(tmp_path)
    assert told == [(f"{doing} image files", 3) for doing in ("looking at", "measuring", "reading") for _ in range(3)]


def test_files_of_8_bits_beside_deep_ones_keep_their_values(tmp_path):
    (grey,) = fill(tmp_path, {"a": 1}, (6, 6)).values()
    for index in range(2):
        save(tmp_path / "b" / f"{index}.png", deep(index, 4095))
    source = read(tmp_path)
    np.testing.assert_array_equal(source.train.images[0, ..., 0], grey[0])
    np.testing.assert_array_equal(source.train.images[1, ..., 0], np.rint(deep(0, 4095) / 4095 * 255))
    assert source.notes[0].endswith("in files of more than 8 bits (2); those of 8 bits (1) keep their values")


def test_whole_numbers_beside_floats_are_refused_unless_on_one_scale(tmp_path):
    save(tmp_path / "a" / "0.tif", deep(0, 4095))
    save(tmp_path / "b" / "0.tif", deep(1, 1, np.float32))
    with pytest.raises(DataError, match=r"files of whole numbers \(1\) and of floats \(1\), on 0 … 1 and 0 … 4095"):
        read(tmp_path)
    save(tmp_path / "b" / "0.tif", deep(1, 4095, np.float32))
    assert read(tmp_path).value_range == (0, 4095)


def test_colour_of_16_bits_is_read_by_its_upper_8_or_refused(tmp_path):
    fill(tmp_path, {"a": 1})
    (tmp_path / "b").mkdir()
    array = np.random.default_rng(0).integers(0, 65536, (6, 6, 3))
    png_of_16_bits(tmp_path / "b" / "0.png", array)
    source = read(tmp_path)
    np.testing.assert_array_equal(source.train.images[1], array >> 8)
    assert source.notes[0].startswith("files of 16 bits a channel in colour or with transparency (1): the upper 8 bits")
    png_of_16_bits(tmp_path / "b" / "0.png", array >> 4)
    with pytest.raises(DataError, match=r"such files \(1\), whose upper 8 bits go up to 15 of 255 only"):
        read(tmp_path)


def test_dark_and_constant_images_are_told(tmp_path):
    fill(tmp_path, {"a": 2})
    save(tmp_path / "b" / "0.png", np.full((6, 6, 3), 9, np.uint8))
    assert "warning: 1 of 3 images show one colour only, such as b/0.png" in read(tmp_path).notes


@pytest.mark.parametrize(
    ("shapes", "image_size", "note"),
    [
        ([(300, 300)], -1, "images of 300×300 are brought to 32×32, so that a search takes hours"),
        (
            [(40, 30), (30, 40)],
            -1,
            "images of 2 sizes, up to 40 pixels a side, are brought to 32×32 (the square at their centre), as a "
            "network takes one size; --image_size=64",
        ),
        (
            [(40, 30), (30, 30)],
            0,
            "images of 2 sizes, up to 40 pixels a side, are brought to 32×32 (the square at their",
        ),
        ([(40, 30)], 16, "images of 40×30 are brought to 16×16 (the square at their centre)"),
        (
            [(100, 9)],
            16,
            "images of 100×9 are brought to 16×16 (the square at their centre, so 9 % of a picture of 100×9)",
        ),
        ([(40, 30)], -1, None),
        ([(80, 80)], 0, None),
        ([(80, 80), (90, 90)], 16, "images of 2 sizes, up to 90 pixels a side, are brought to 16×16"),
    ],
)
def test_what_becomes_of_the_sizes_is_told(tmp_path, shapes, image_size, note):
    for index, shape in enumerate(shapes * 2):
        save(tmp_path / "ab"[index % 2] / f"{index}.png", pixels(index, (*shape, 3)))
    for name in "ab":
        save(tmp_path / name / "x.png", pixels(ord(name), (*shapes[0], 3)))
    notes = read(tmp_path, image_size=image_size).notes
    assert notes == () if note is None else notes[0].startswith(note)
    assert len(notes) <= 1


def test_transparency_and_grey_among_colour_are_told(tmp_path):
    fill(tmp_path, {"a": 2})
    save(tmp_path / "b" / "0.png", pixels(1, (6, 6, 4)))
    save(tmp_path / "b" / "1.png", pixels(2, (6, 6)))
    assert read(tmp_path).notes == (
        "files with transparency (1): laid on white",
        "grey images (1) among coloured ones: all are read in colour",
    )
