"""Files that are decoded in a graph, against the package's own decoding by Pillow."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from epnas_tf.data.sources import pictures
from epnas_tf.data.values import Preparation
from epnas_tf.export import decoding
from tests.export import photographs

FILES = photographs.every_kind()
TEMPLE = Image.fromarray(photographs.PHOTOGRAPHS["temple"])
JPEG, PNG = photographs.encoded(TEMPLE, "JPEG"), photographs.encoded(TEMPLE, "PNG")


def graph(preparation):
    spec = [tf.TensorSpec([None], tf.string)]
    return tf.function(lambda files: decoding.decode_files(files, preparation), spec, autograph=False)


@pytest.fixture(scope="module")
def decode():
    return graph(Preparation(32, 32, 3))


@pytest.mark.parametrize(
    "preparation",
    [
        Preparation(32, 32, 3),
        Preparation(24, 40, 1, low=1000, high=50000),
        Preparation(300, 300, 3),
        Preparation(8, 8, 1),
    ],
    ids=str,
)
def test_every_kind_of_file_gives_pillows_pixels(preparation):
    found = graph(preparation)(list(FILES.values())).numpy()
    expected = [pictures.decode(io.BytesIO(content), preparation) for content in FILES.values()]
    differing = [name for name, a, b in zip(FILES, found, expected, strict=True) if not np.array_equal(a, b)]
    assert not differing
    assert len({image.tobytes() for image in expected}) > 0.8 * len(FILES)  # they are not all one colour


def test_each_reduction_is_met():
    """Or the decoding of large files would not be tested."""
    sizes = [Image.open(io.BytesIO(content)).size for name, content in FILES.items() if name.startswith("JPEG")]
    times = {min(size) // pictures.kept_side(Preparation(side, side, 3)) for size in sizes for side in (8, 32)}
    assert {max(step for step in (1, 2, 4, 8) if step <= max(number, 1)) for number in times} == {1, 2, 4, 8}


@pytest.mark.skipif(not decoding.down_first_where_that_is_faster(), reason="this Pillow knows one order alone")
def test_order_of_the_two_passes_shows(decode, monkeypatch):
    tall = [photographs.encoded(TEMPLE.crop((0, 0, 60, 420)), "PNG")]
    expected = decode(tall).numpy()
    monkeypatch.setattr(decoding, "down_first_where_that_is_faster", lambda: False)
    other = graph(Preparation(32, 32, 3))(tall).numpy()
    assert 0 < np.abs(expected.astype(int) - other).max() <= 1


def test_no_files_give_no_images(decode):
    assert decode(tf.zeros([0], tf.string)).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must be a JPEG or PNG file"),
        (b"a text", "must be a JPEG or PNG file"),
        (photographs.encoded(TEMPLE, "WEBP"), "must be a JPEG or PNG file"),
        (JPEG[:3], "cut short or broken"),
        (JPEG[:200], "cut short or broken"),
        (JPEG[:-2], "cut short or broken"),
        (PNG[:8], "cut short or broken"),
        (PNG[:-20], "cut short or broken"),
        (photographs.encoded(TEMPLE.convert("CMYK"), "JPEG"), "save CMYK as RGB"),
        (
            photographs.chunk(tf.io.encode_png(np.zeros([9, 9, 1], np.uint16)).numpy(), b"tRNS", b"\0\1"),
            "16-bit grey PNG files without transparency",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_what_cannot_be_decoded_is_refused_with_its_position(decode, content, words):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode([JPEG, PNG, content, PNG])
    assert words in str(error.value)
    assert f"Received: file 2 of the batch, counted from 0, of {len(content)} bytes." in str(error.value)
