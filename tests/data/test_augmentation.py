import dataclasses
import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import DataConfig
from epnas_tf.data.augmentation import STEPS, Augmentation, Crop, Cutout, Erase, Mirror, Step
from epnas_tf.errors import ConfigError
from epnas_tf.options import fields_of

SEED = tf.constant([1, 2])
STEP = pytest.mark.parametrize("name", STEPS)


def shifted(image, offset, mirrored):
    """What crop and mirror should give, the slow way: pad by zeros, cut out, flip."""
    height, width, _ = image.shape
    padded = np.pad(image, [(height, height), (width, width), (0, 0)])
    row, column = height + offset[0], width + offset[1]
    crop = padded[row : row + height, column : column + width]
    return crop[:, ::-1] if mirrored else crop


def floats(count, shape=(8, 8, 3), seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def copies(count, shape=(8, 8, 3)):
    """One image, many times."""
    return np.repeat(floats(1, shape), count, axis=0)


class TestText:
    @pytest.mark.parametrize(
        ("text", "steps"),
        [
            ("crop(4),mirror,cutout(8)", (Crop(4), Mirror(0.5), Cutout(8))),
            (" mirror( 0.25 ) , crop", (Mirror(0.25), Crop(-1))),
            ("mirror,mirror()", (Mirror(), Mirror())),
            ("erase(0.25, 0),erase", (Erase(0.25, 0.0), Erase(0.5, 1.0))),
            ("none", ()),
        ],
    )
    def test_names_the_steps(self, text, steps):
        augmentation = Augmentation.parse(text)
        assert augmentation == Augmentation(steps)
        assert Augmentation.parse(str(augmentation)) == augmentation

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("blur", r"of these: crop, mirror, .*; or none. Received: 'blur'"),
            ("crop(4", r"of these: crop, .*Received: 'crop\(4'"),
            ("crop(4),", "Received: ''"),
            ("", "Received: ''"),
            ("crop(4, 5)", r"crop takes padding. Received: 'crop\(4, 5\)'"),
            ("crop(4.5)", r"numbers that its steps take. Received: 'crop\(4.5\)'"),
            ("mirror(2)", r"Received: 'mirror\(2\)'. `chance` must be at most 1"),
            ("mirror(nan)", "`chance` must be at least 0"),
            (None, "`augmentation` must be a str. Received: None"),
        ],
    )
    def test_mistake_is_refused(self, text, message):
        with pytest.raises(ConfigError, match=message):
            Augmentation.parse(text)

    @pytest.mark.parametrize(("text", "number"), [("crop(8)", "crop_padding=8"), ("cutout(9)", "cutout=9")])
    def test_step_that_does_not_fit_is_refused(self, text, number):
        augmentation = Augmentation.parse(f"mirror,{text}")
        augmentation.check_fits(9)
        with pytest.raises(ConfigError, match=f"shorter side, 8 pixels.*Received: {number}"):
            augmentation.check_fits(8)

    @STEP
    def test_help_names_every_step(self, name):
        (field,) = (field for field in fields_of(DataConfig) if field.name == "augmentation")
        numbers = dataclasses.fields(STEPS[name])
        assert f"{name}(" in field.metadata["help"] if numbers else name in field.metadata["help"]

    def test_name_is_taken_once(self):
        with pytest.raises(ConfigError, match=r"a name of its own. Received: crop"):

            class Other(Step, name="crop"):
                pass

        assert STEPS["crop"] is Crop


class TestEveryStep:
    @STEP
    def test_is_a_function_of_images_and_seed(self, name):
        images = floats(32)
        first, second, other = (STEPS[name]()(images, tf.constant(seed)).numpy() for seed in ([7, 8], [7, 8], [7, 9]))
        assert first.shape == images.shape
        assert first.dtype == np.float32
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)

    @STEP
    @pytest.mark.parametrize("shape", [(6, 9, 1), (1, 1, 3)])
    def test_runs_in_a_data_set(self, name, shape):
        step = STEPS[name]()
        dataset = tf.data.Dataset.from_tensors(floats(4, shape)).map(lambda images: step(images, SEED))
        (images,) = dataset
        assert images.shape == (4, *shape)
        assert np.all(np.isfinite(images))

    @STEP
    def test_changes_each_image_in_its_own_way(self, name):
        changed = STEPS[name]()(copies(200), SEED).numpy()
        assert len({image.tobytes() for image in changed}) >= 2

    @pytest.mark.parametrize("step", ["crop(0)", "mirror(0)", "cutout(0)", "erase(0)", "brightness(0)", "none"])
    def test_may_do_nothing(self, step):
        images = floats(5)
        np.testing.assert_array_equal(Augmentation.parse(step)(images, SEED), images)


def test_steps_have_seeds_of_their_own():
    images = floats(20)
    seeds = tf.random.split(SEED, 2)
    expected = Mirror()(Crop(2)(images, seeds[0]), seeds[1])
    np.testing.assert_array_equal(Augmentation.parse("crop(2),mirror")(images, SEED), expected)


def test_every_cropped_image_is_a_shifted_copy_and_every_shift_occurs():
    """25 positions × 2 in 2,000 images: one that can occur is missed with probability below 50 · 0.98^2000 = 1e-16."""
    batch = copies(2000, (8, 6, 3))
    changed = Augmentation.parse("crop(2),mirror")(batch, SEED).numpy()
    possible = {
        shifted(batch[0], (row, column), mirrored).tobytes(): (row, column, mirrored)
        for row in range(-2, 3)
        for column in range(-2, 3)
        for mirrored in (False, True)
    }
    seen = {possible[one.tobytes()] for one in changed}
    assert len(seen) == 50


@pytest.mark.parametrize(("shape", "padding"), [((8, 8, 1), 1), ((32, 40, 3), 4), ((7, 64, 1), 0)])
def test_crop_pads_by_an_eighth_of_the_side_unless_it_is_told(shape, padding):
    images = floats(20, shape)
    np.testing.assert_array_equal(Crop()(images, SEED), Crop(padding)(images, SEED))


@pytest.mark.parametrize("chance", [0.5, 0.1, 1.0])
def test_mirror_mirrors_by_its_chance(chance):
    """Binomial with 4,000 draws, six standard deviations: a false alarm once in 5e8 runs."""
    batch = copies(4000, (4, 4, 1))
    changed = Mirror(chance)(batch, SEED).numpy()
    mirrored = np.all(changed == batch[:, :, ::-1], axis=(1, 2, 3))
    plain = np.all(changed == batch, axis=(1, 2, 3))
    assert np.all(mirrored != plain)
    assert abs(mirrored.sum() - 4000 * chance) <= 6 * np.sqrt(4000 * chance * (1 - chance))


@pytest.mark.parametrize("side", [1, 3, 4])
def test_cutout_blanks_one_clipped_square_and_nothing_else(side):
    changed = Cutout(side)(tf.fill([500, 8, 8, 3], 200.0), SEED).numpy()
    areas = set()
    for image in changed:
        assert set(np.unique(image)) == {0.0, 200.0}
        blanked = np.all(image == 0, axis=2)
        rows, columns = np.flatnonzero(blanked.any(axis=1)), np.flatnonzero(blanked.any(axis=0))
        assert blanked.sum() == len(rows) * len(columns)
        assert np.all(np.diff(rows) == 1)
        assert np.all(np.diff(columns) == 1)
        areas.add(int(blanked.sum()))
    assert max(areas) == side**2
    # More than a quarter of the centres lie so near the border that it clips the square: 500 images never miss it.
    assert (min(areas) < side**2) == (side > 1)


def rectangles(changed, images):
    """Returns top, left, height and width of what was changed, int [k, 4], and the changed pixels of each image."""
    found, pixels = [], []
    for image, before in zip(changed, images, strict=True):
        covered = np.any(image != before, axis=2)
        if covered.any():
            rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
            assert covered.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)  # all of a rectangle
            found.append((rows[0], columns[0], len(rows), len(columns)))
            pixels.append(image[covered])
    return np.array(found), pixels


def numpy_rectangles(count, height, width):
    """Height and width of random rectangles, float [count, 2]; one that does not fit keeps its area."""
    generator, drawn = np.random.default_rng(0), []
    for area in generator.uniform(0.02, 0.4, count):
        aspect = np.exp(generator.uniform(np.log(0.3), -np.log(0.3)))
        sides = np.sqrt(area * height * width * np.array([aspect, 1 / aspect]))
        if sides[0] > height:
            sides = np.array([height, area * width])
        if sides[1] > width:
            sides = np.array([area * height, width])
        drawn.append(sides)
    return np.array(drawn)


@pytest.mark.parametrize(("height", "width"), [(60, 60), (90, 30)])
def test_erase_draws_area_and_aspect_as_the_paper_does(height, width):
    """A rank among 2,000 draws has a standard deviation of 0.011 at most; the seeds are fixed."""
    images = np.full((2000, height, width, 1), 50, np.float32)
    found, _ = rectangles(STEPS["erase"](1.0, 0.0)(images, SEED).numpy(), images)
    expected = numpy_rectangles(20_000, height, width)
    for quantity in (np.prod, lambda sides, axis: np.log(sides[:, 0] / sides[:, 1])):
        ours, theirs = quantity(found[:, 2:].astype(float), axis=1), quantity(expected, axis=1)
        levels = np.linspace(0.05, 0.95, 19)
        ranks = np.searchsorted(np.sort(theirs), np.quantile(ours, levels)) / len(theirs)
        # Whole pixels: an area of 60 × 60 is off by 2 % of it at most; many heights of the high image are the bound.
        np.testing.assert_allclose(ranks, levels, atol=0.06)
    areas = found[:, 2] * found[:, 3] / (height * width)
    assert 0.015 < areas.min() < 0.03
    assert 0.39 < areas.max() < 0.42


def test_erase_takes_every_position_inside_the_image():
    images = np.full((3000, 10, 10, 1), 50, np.float32)
    found, _ = rectangles(STEPS["erase"](1.0, 0.0)(images, SEED).numpy(), images)
    assert len(found) == 3000
    assert np.all(found[:, :2] >= 0)
    assert np.all(found[:, :2] + found[:, 2:] <= 10)
    # 200 rectangles or more have each of these heights: each of at most 8 positions occurs.
    for side in (3, 4, 5):
        for axis in (0, 1):
            assert set(found[found[:, 2 + axis] == side][:, axis]) == set(range(10 - side + 1))


@pytest.mark.parametrize(("chance", "noise"), [(0.5, 1.0), (0.2, 0.5), (1.0, 0.0)])
def test_erase_fills_some_images_with_noise(chance, noise):
    """Six standard deviations of a binomial number."""
    images = np.full((2000, 12, 12, 3), 50, np.float32)
    found, pixels = rectangles(STEPS["erase"](chance, noise)(images, SEED).numpy(), images)
    assert abs(len(found) - 2000 * chance) <= 6 * np.sqrt(2000 * chance * (1 - chance))
    values = np.concatenate(pixels)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(values.std(axis=0), noise, atol=0.03)
    if noise:  # each pixel and channel has its own
        assert abs(np.corrcoef(values.T)[0, 1]) < 0.03
        assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.03


def test_brightness_adds_one_number_within_its_bound():
    difference = STEPS["brightness"](0.3)(copies(500), SEED).numpy() - copies(500)
    added = difference.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(difference, np.broadcast_to(added[:, None, None, None], difference.shape), atol=1e-6)
    assert -0.3 <= added.min() < -0.2  # 500 of a uniform number: (5/6)^500 = 3e-40
    assert 0.2 < added.max() <= 0.3


def test_contrast_is_that_of_keras():
    images = floats(50)
    changed = STEPS["contrast"](0.4)(images, SEED).numpy()
    factors = (changed.std(axis=(1, 2)) / images.std(axis=(1, 2))).mean(axis=1)
    assert 0.6 <= factors.min() < 0.8 < 1.2 < factors.max() <= 1.4
    layer = keras.layers.RandomContrast(0.4, value_range=(-100, 100))
    expected = layer.transform_images(images, {"contrast_factor": factors[:, None, None, None]})
    np.testing.assert_allclose(changed, expected, atol=1e-5)


def test_rotate_turns_about_the_centre_within_its_angle():
    """A dot right of the centre of each image wanders up and down; the centre stays."""
    images = np.zeros((300, 21, 21, 1), np.float32)
    images[:, 10, 10] = images[:, 10, 18] = 1
    changed = STEPS["rotate"](30.0)(images, SEED).numpy()[..., 0]
    np.testing.assert_allclose(changed[:, 10, 10], 1, atol=1e-5)
    right = changed[:, :, 14:]
    weights = right / right.sum(axis=(1, 2), keepdims=True)
    row = (weights.sum(axis=2) * np.arange(21)).sum(axis=1) - 10
    column = (weights.sum(axis=1) * np.arange(14, 21)).sum(axis=1) - 10
    angles = np.degrees(np.arctan2(row, column))
    assert -31 < angles.min() < -25
    assert 25 < angles.max() < 31
    np.testing.assert_allclose(np.hypot(row, column), 8, atol=0.2)


# What the search's own steps gave before they were steps: the results of searches hang on these bits.
DIGEST = "a1140ef561c2384bc470212a9afb2a9f"


def test_default_steps_give_the_bits_that_they_always_gave():
    images = floats(16, (8, 8, 3))
    changed = Augmentation((Crop(2), Mirror(), Cutout(3)))(images, tf.constant([5, 6], tf.int64)).numpy()
    assert hashlib.blake2b(changed.tobytes(), digest_size=16).hexdigest() == DIGEST
