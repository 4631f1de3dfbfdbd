import numpy as np
import pytest

from epnas_tf.data import scale
from epnas_tf.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 1), dtype=np.uint8)
PIXELS[0, 0, 0], PIXELS[0, 0, 1] = 0, 255


def scaled(*arrays, **named):
    """The 8-bit pixels of each array, and the notes."""
    parts = {f"part_{index}": array for index, array in enumerate(arrays)} | named
    found, warnings = scale.of_parts({key: scale.Blocks.of(part) for key, part in parts.items()}, "photos")
    return [found.apply(part) for part in parts.values()], [*filter(None, [found.note]), *warnings]


def with_value(array, value):
    changed = array.copy()
    changed[3, 2, 1, 0] = value
    return changed


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.int16, np.int32, np.uint32, np.int64])
def test_whole_numbers_to_255_stay_as_they_are(dtype):
    [pixels], notes = scaled(PIXELS.astype(dtype))
    np.testing.assert_array_equal(pixels, PIXELS)
    assert notes == ([] if dtype == np.uint8 else ["pixels 0 … 255, read as 0 … 255"])


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_more_bits_are_scaled_by_the_smallest_depth_that_holds_them(bits, dtype):
    white = 2**bits - 1
    values = np.rint(PIXELS * (white / 255)).astype(dtype)
    [pixels], notes = scaled(values)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert notes == [f"pixels 0 … {white}, scaled to 0 … 255"]
    dark, notes = scaled(np.minimum(values, white * 0.7).astype(dtype))
    assert dark[0].max() == round(np.floor(white * 0.7) / white * 255)
    assert f"scaled to 0 … 255 from 0 … {white}" in notes[0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (-0.5, 0.5), (0, 255)])
def test_floats_on_a_known_scale_become_their_pixels(low, high, dtype):
    values = (PIXELS / 255 * (high - low) + low).astype(dtype)
    [pixels], notes = scaled(values)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert len(notes) == 1
    assert f"pixels {low:g} … {high:g}" in notes[0]


@pytest.mark.parametrize("value", [1.001, -0.01, 1.15, -0.2])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (-0.5, 0.5), (0, 255), (0, 4095)])
def test_a_small_overshoot_is_clipped_and_moves_no_other_pixel(low, high, value):
    def at(part):
        return low + part * (high - low)

    [pixels], notes = scaled(with_value(at(PIXELS / 255), at(value)))
    np.testing.assert_array_equal(pixels, with_value(PIXELS, 255 if value > 1 else 0))
    assert notes[0].endswith("; 1 of 1,440 values lie outside and are clipped")
    assert f"from {low:g} … {high:g}" in notes[0] or "read as 0 … 255" in notes[0]


def test_the_digits_as_floats_are_the_same_with_one_value_too_high():
    from sklearn.datasets import load_digits

    values = (0.55 + 0.4 * load_digits().images / 16)[..., np.newaxis]
    [expected], _ = scaled(values)
    [pixels], notes = scaled(with_value(values, 1.001))
    np.testing.assert_array_equal(pixels, with_value(expected, 255))
    assert (expected.min(), expected.max()) == (140, 242)
    assert notes == [
        "pixels 0.55 … 1.001, scaled to 0 … 255 from 0 … 1; 1 of 115,008 values lie outside and are clipped"
    ]


def test_what_a_sharp_resize_leaves_is_an_overshoot():
    values = np.random.default_rng(1).uniform(-0.03, 1.03, (100, 10, 10, 3))
    values[values < 0] = np.where(np.random.default_rng(2).random((values < 0).sum()) < 0.5, 0, values[values < 0])
    [pixels], notes = scaled(values)
    np.testing.assert_array_equal(pixels, np.rint(values.clip(0, 1) * 255))
    assert "values lie outside and are clipped" in notes[0]


def test_bool_is_black_and_white():
    [pixels], notes = scaled(PIXELS > 99)
    np.testing.assert_array_equal(pixels, np.where(PIXELS > 99, 255, 0))
    assert notes == ["pixels 0 … 1, scaled to 0 … 255"]


def test_floats_of_0_and_1_are_black_and_white_too():
    [pixels], _ = scaled((PIXELS > 99).astype(np.float32))
    np.testing.assert_array_equal(pixels, np.where(PIXELS > 99, 255, 0))


def test_floats_of_0_to_255_with_fractions_are_rounded_and_said():
    [pixels], notes = scaled(PIXELS * 0.987)
    np.testing.assert_array_equal(pixels, np.rint(PIXELS * 0.987))
    assert notes == ["pixels 0 … 251.7, read as 0 … 255 and rounded"]


def test_whole_numbers_to_16_keep_their_levels_and_are_warned_of():
    values = (PIXELS // 16).astype(np.float64)
    [pixels], notes = scaled(values)
    np.testing.assert_array_equal(pixels, PIXELS // 16)
    assert notes == ["pixels 0 … 15, read as 0 … 255"]
    [warning] = scale.constant_notes({"x_train": pixels})
    assert warning.startswith("warning: all pixels lie between 0 and 15 of 0 … 255")


STANDARDISED = (PIXELS - PIXELS.mean()) / PIXELS.std()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (STANDARDISED, r"Received: floats from -1\.\d+ to 1\.\d+. Undo the normalisation"),
        ((PIXELS / 255 - 0.1307) / 0.3081, r"floats from -0\.4\d+ to 2\.\d+. Undo the normalisation"),
        (PIXELS / 255 * 1.5, "Received: floats from 0 to 1.5. Divide the images by the value that is white"),
        (with_value(PIXELS / 255, 1.5), "floats from 0 to 1.5.* or clip them there"),
        (PIXELS / 16, r"floats from 0 to 15\.94\. Divide the images by the value that is white"),
        (PIXELS / 255 - np.where(PIXELS < 60, 0.2, 0), "floats from -0.2 to 1.*clip values that an augmentation"),
        (PIXELS - 128.0, "floats from -128 to 127"),
        (PIXELS * 1e6, "floats from 0 to 255000000"),
        (PIXELS.astype(np.int16) - 1, "whole numbers from -1 to 254. Save them so that black is 0"),
        (PIXELS.astype(np.uint32) * 300, "whole numbers from 0 to 76500"),
        (PIXELS.astype(complex), "must hold whole numbers, floats or bool. Received: complex128"),
        (PIXELS.astype(object), "Received: object"),
        (with_value(PIXELS / 255, np.nan), r"1 of 1,440 values are NaN or infinite, the first at \[3, 2, 1, 0\]"),
        (with_value(PIXELS / 255, -np.inf), "`part_0` must be finite"),
    ],
)
def test_what_fits_no_known_scale_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        scaled(values)


def test_the_first_broken_value_is_found_beyond_the_first_chunk():
    values = np.zeros((3000, 2, 2, 1), np.float32)
    values[2500:, 1] = np.nan
    with pytest.raises(DataError, match=r"1,000 of 12,000 values .*, the first at \[2500, 1, 0, 0\]"):
        scaled(values)


def test_the_scale_is_one_for_all_parts():
    dark = PIXELS[:5] // 4
    (train, test), notes = scaled(PIXELS / 255, dark / 255)
    np.testing.assert_array_equal(train, PIXELS)
    np.testing.assert_array_equal(test, dark)
    assert notes == ["pixels 0 … 1, scaled to 0 … 255"]
    (_, test), notes = scaled(PIXELS * np.uint16(16), dark * np.uint16(16))
    np.testing.assert_array_equal(test, np.rint(dark * (16 * 255 / 4095)))
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (PIXELS, PIXELS / 255, "Received: x_train uint8, x_test float64 in photos"),
        (PIXELS > 9, PIXELS, "Received: x_train bool, x_test uint8"),
        (PIXELS / 255, PIXELS * 1.0, "one scale. Received: x_train 0 … 1, x_test 0 … 255"),
        (PIXELS * 1.0, PIXELS / 255, "one scale. Received: x_train 0 … 255, x_test 0 … 1"),
    ],
)
def test_parts_of_other_scales_are_refused(train, test, message):
    with pytest.raises(DataError, match=message):
        scaled(x_train=train, x_test=test)


@pytest.mark.parametrize(
    ("train", "test"),
    [(PIXELS * np.uint16(257), PIXELS.astype(np.uint16)), (PIXELS / 127.5 - 1, PIXELS / 255)],
)
def test_a_part_that_looks_otherwise_is_warned_of(train, test):
    _, [_, warning] = scaled(x_train=train, x_test=test)
    assert warning.startswith("warning: `x_test` alone looks like pixels of 0 … ")


def test_files_are_measured_one_by_one_and_scaled_alike():
    files = [np.arange(36, dtype=np.uint16).reshape(6, 6) * factor for factor in (1, 100)]
    extents = [scale.measure(file, "file") for file in files]
    found = scale.choose(extents, "photos")
    assert (found.low, found.high) == (0, 4095)
    assert found.note == "pixels 0 … 3500, scaled to 0 … 255 from 0 … 4095"
    np.testing.assert_array_equal(scale.to_8_bits(files[1], found.low, found.high), np.rint(files[1] / 4095 * 255))


def test_images_of_one_colour_are_counted_with_an_example():
    images = np.repeat(PIXELS, 3, axis=3)
    images[[7, 9]] = [10, 200, 30]
    images[9, 0, 0, 0] += 1
    assert scale.constant_notes({"train": images}) == ["2 of 40 images show one colour only, such as image 7 of train"]
    images[20:23] = 4
    notes = scale.constant_notes({"test": PIXELS, "train": images}, lambda part, index: f"{part}/{index}.png")
    assert notes == ["warning: 5 of 40 images show one colour only, such as train/7.png"]
    assert scale.constant_notes({"train": PIXELS}) == []


def test_images_that_are_all_alike_are_warned_of():
    [warning] = scale.constant_notes(
        {"train": np.zeros((9, 4, 4, 3), np.uint8), "test": np.zeros((2, 4, 4, 3), np.uint8)}
    )
    assert warning.startswith("warning: every pixel of every image is 0")
