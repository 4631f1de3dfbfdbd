import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from epnas_tf.data.sources import pictures
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError
from tests.data.sources.image_files import pixels, save

ORIENTATION = 0x0112


def png_of_16_bits(path, array):
    """Writes a PNG file of several channels of 16 bits, which Pillow cannot."""
    height, width, channels = array.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + END)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


END = chunk(b"IEND", b"")


@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "webp", "avif"])
def test_the_header_tells_the_size_of_the_turned_picture(tmp_path, extension):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / f"turned.{extension}"
    array = np.zeros((4, 8, 3), np.uint8)
    array[:, :4] = 255
    save(path, array, exif=exif, **({} if extension == "tif" else {"quality": 100}))
    header = pictures.probe(path)
    assert (header.height, header.width) == (8, 4)
    np.testing.assert_allclose(pictures.decode(path, Preparation(8, 4, 3)), np.rot90(array, -1), atol=30)


def test_a_turn_that_stands_after_the_pixels_of_a_png_file_counts(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    save(tmp_path / "late.png", pixels(0, (4, 8, 3)))
    content = (tmp_path / "late.png").read_bytes()
    (tmp_path / "late.png").write_bytes(content[: -len(END)] + chunk(b"eXIf", exif.tobytes()[6:]) + END)
    header = pictures.probe(tmp_path / "late.png")
    assert (header.height, header.width) == (8, 4)


@pytest.mark.parametrize(
    ("channels", "depth", "mode"),
    [(1, "16 bits", "grey"), (2, pictures.UPPER_BITS, "grey and alpha"), (3, pictures.UPPER_BITS, "colour")],
)
def test_the_depth_of_png_files(tmp_path, channels, depth, mode):
    array = np.full((4, 5, channels), 40_000, np.uint16)
    if channels == 1:
        save(tmp_path / "deep.png", array[..., 0])
    else:
        png_of_16_bits(tmp_path / "deep.png", array)
    assert pictures.probe(tmp_path / "deep.png").depth == depth
    assert pictures.measure(tmp_path / "deep.png").high == (40_000 if channels == 1 else 40_000 >> 8)


def test_a_photograph_is_decoded_small_and_nearly_the_same(tmp_path):
    coarse = Image.fromarray(pixels(0, (30, 40, 3))).resize((1200, 900), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).normal(0, 6, (900, 1200, 1))
    array = (np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)
    save(tmp_path / "photograph.jpg", array, quality=92)
    header = pictures.probe(tmp_path / "photograph.jpg")
    preparation = Preparation(16, 16, 3)
    assert header.decoded_pixels(preparation) == 1200 * 900 // 16  # a quarter of each side: still 8 times 16 pixels
    small = pictures.decode(tmp_path / "photograph.jpg", preparation).astype(int)
    whole = np.asarray(pictures.fit(Image.open(tmp_path / "photograph.jpg"), 16, 16)).astype(int)
    assert 0 < np.abs(small - whole).mean() < 0.2
    with open(tmp_path / "photograph.jpg", "rb") as handle:
        np.testing.assert_array_equal(pictures.decode(io.BytesIO(handle.read()), preparation), small)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LA", "P", "1", "RGBA"])
def test_every_mode_becomes_red_green_and_blue(tmp_path, mode):
    array = np.repeat(np.repeat(pixels(0, (2, 2, 3)) // 128 * 255, 8, axis=0), 8, axis=1)
    picture = (
        Image.fromarray(array).convert("L").convert(mode)
        if mode in ("LA", "1")
        else Image.fromarray(array).convert(mode)
    )
    expected = np.asarray(picture.convert("RGB"))
    path = tmp_path / f"image.{'jpg' if mode == 'CMYK' else 'tif' if mode == 'YCbCr' else 'png'}"
    picture.save(path, **({"quality": 100, "subsampling": 0} if mode == "CMYK" else {}))
    np.testing.assert_allclose(pictures.decode(path, Preparation(16, 16, 3)).astype(int), expected, atol=3)


def test_a_palette_with_half_transparent_colours_is_laid_on_white(tmp_path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 200, 100, 0])
    picture.save(tmp_path / "palette.png", transparency=bytes([255, 128]))
    with pictures.quiet():
        image = pictures.decode(tmp_path / "palette.png", Preparation(4, 4, 3))
    np.testing.assert_allclose(image[0, 0], [227, 177, 127], atol=1)


def test_the_first_picture_of_an_animation_is_read(tmp_path):
    frames = [Image.fromarray(np.full((6, 6, 3), value, np.uint8)) for value in (10, 200)]
    for extension in ("gif", "webp", "png", "tif"):
        path = tmp_path / f"two.{extension}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert pictures.probe(path).animated
        np.testing.assert_allclose(pictures.decode(path, Preparation(6, 6, 1)), 10, atol=1)


def test_what_would_be_read_wrongly_is_refused(tmp_path):
    save(tmp_path / "clear.png", np.full((4, 4), 300, np.uint16), transparency=300)
    save(tmp_path / "negative.tif", np.full((4, 4), 300, np.uint16), tiffinfo={262: 0})
    save(tmp_path / "nan.tif", np.full((4, 4), np.nan, np.float32))
    for name, reason in (("clear.png", "transparency in a picture of more"), ("negative.tif", "0 is white")):
        with pytest.raises(DataError, match=rf"{name}, which cannot be read \(.*{reason}"):
            pictures.probe(tmp_path / name)
        with pytest.raises(DataError, match=reason):
            pictures.decode(tmp_path / name, Preparation(4, 4, 1))
    with pytest.raises(DataError, match="NaN or infinity among its values"):
        pictures.measure(tmp_path / "nan.tif")
    with pytest.raises(DataError, match="NaN or infinity among its values"):
        pictures.decode(tmp_path / "nan.tif", Preparation(4, 4, 1, 0, 1))


def test_a_text_is_no_image_whatever_it_begins_with(tmp_path):
    for index, start in enumerate(("P6 people", "BM", "II*", "\0\0\1\0", "GIF")):
        (tmp_path / f"{index}.txt").write_text(f"{start} and so on, some more words\n" * 9)
        assert not pictures.is_image(tmp_path / f"{index}.txt"), start


def test_floats_up_to_1_are_not_taken_for_black(tmp_path):
    save(tmp_path / "x.tif", np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6))
    with pytest.raises(DataError, match="floats up to 1, where 65535 is white: all would be black"):
        pictures.decode(tmp_path / "x.tif", Preparation(6, 6, 1))
    assert pictures.decode(tmp_path / "x.tif", Preparation(6, 6, 1, 0.0, 1.0)).max() == 255
