import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.data import augmentation
from tests.data.helpers import make_images


def shifted(image, offset, mirrored):
    """What crop and mirror should give, the slow way: pad by zeros, cut out, flip."""
    height, width, _ = image.shape
    padded = np.pad(image, [(height, height), (width, width), (0, 0)])
    row, column = height + offset[0], width + offset[1]
    crop = padded[row : row + height, column : column + width]
    return crop[:, ::-1] if mirrored else crop


def unit(channels):
    """A mean of 0 and a standard deviation of 1: normalising changes nothing."""
    return tf.zeros([channels]), tf.ones([channels])


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 9, 3), (1, 1, 1)])
def test_normalise_subtracts_and_divides(shape):
    images = make_images(5, shape).images
    mean = np.linspace(90, 130, shape[2]).astype(np.float32)
    std = np.linspace(40, 70, shape[2]).astype(np.float32)
    normal = augmentation.normalise(tf.constant(images), mean, std)
    assert normal.dtype == tf.float32
    np.testing.assert_allclose(normal, (images - mean) / std, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 9, 3)])
def test_crop_and_mirror_give_each_pixel_of_the_slow_way(shape):
    offsets = [(0, 0), (2, -1), (-2, 2), (1, 1), (0, -2), (shape[0], 0)]
    images = make_images(len(offsets), shape).images
    for flip in (False, True):
        mirrored = [flip] * len(offsets)
        moved, inside = augmentation.crop_and_mirror(
            tf.constant(images), tf.constant(offsets, tf.int32), tf.constant(mirrored)
        )
        blanked = augmentation.blank(tf.cast(moved, tf.float32), inside)
        expected = [shifted(*arguments) for arguments in zip(images, offsets, mirrored, strict=True)]
        np.testing.assert_array_equal(blanked, expected)
        seen = [shifted(np.ones_like(images[0]), *arguments) for arguments in zip(offsets, mirrored, strict=True)]
        np.testing.assert_array_equal(inside, np.array(seen)[..., 0] > 0)


@pytest.mark.parametrize(
    ("centre", "side", "rows", "columns"),
    [
        ((4, 4), 4, range(2, 6), range(2, 6)),
        ((4, 4), 3, range(3, 6), range(3, 6)),
        ((0, 0), 4, range(2), range(2)),
        ((7, 8), 5, range(5, 8), range(6, 9)),
        ((3, 3), 1, range(3, 4), range(3, 4)),
    ],
)
def test_the_square_is_clipped_at_the_borders(centre, side, rows, columns):
    kept = augmentation.outside_square(tf.constant([centre], tf.int32), side, 8, 9)
    expected = np.ones((1, 8, 9), bool)
    expected[0, rows.start : rows.stop, columns.start : columns.stop] = False
    np.testing.assert_array_equal(kept, expected)


def test_every_augmented_image_is_a_shifted_copy_and_every_shift_occurs():
    """25 positions × 2 in 2,000 images: one that can occur is missed with probability below 50 · 0.98^2000 = 1e-16."""
    image = make_images(1, (8, 8, 3)).images[0]
    batch = tf.constant(np.repeat(image[np.newaxis], 2000, axis=0))
    augmented = augmentation.augment(batch, *unit(3), tf.constant([1, 2]), padding=2, mirror=True, cutout=0).numpy()
    possible = {
        shifted(image, (row, column), mirrored).astype(np.float32).tobytes(): (row, column, mirrored)
        for row in range(-2, 3)
        for column in range(-2, 3)
        for mirrored in (False, True)
    }
    seen = {possible[one.tobytes()] for one in augmented + 0.0}
    assert len(seen) == 50


def test_half_of_the_images_are_mirrored():
    """Binomial with 4,000 draws, six standard deviations: a false alarm once in 5e8 runs."""
    image = make_images(1, (4, 4, 1)).images
    batch = tf.constant(np.repeat(image, 4000, axis=0))
    augmented = augmentation.augment(batch, *unit(1), tf.constant([5, 6]), padding=0, mirror=True, cutout=0).numpy()
    mirrored = np.all(augmented == image[:, :, ::-1], axis=(1, 2, 3))
    plain = np.all(augmented == image, axis=(1, 2, 3))
    assert np.all(mirrored != plain)
    assert abs(mirrored.sum() - 2000) < 6 * np.sqrt(4000 * 0.25)


@pytest.mark.parametrize("side", [1, 3, 4])
def test_cutout_blanks_one_clipped_square_and_nothing_else(side):
    batch = tf.fill([500, 8, 8, 2 + 1], tf.constant(200, tf.uint8))
    augmented = augmentation.augment(batch, *unit(3), tf.constant([1, 1]), padding=0, mirror=False, cutout=side).numpy()
    areas = set()
    for image in augmented:
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


def test_what_is_blanked_is_zero_after_normalisation():
    batch = tf.fill([64, 8, 8, 1], tf.constant(200, tf.uint8))
    mean, std = tf.constant([50.0]), tf.constant([10.0])
    augmented = augmentation.augment(batch, mean, std, tf.constant([1, 1]), padding=3, mirror=True, cutout=2)
    assert set(np.unique(augmented)) == {0.0, 15.0}


def test_without_augmentation_the_images_are_only_normalised():
    images = make_images(9, (8, 8, 3)).images
    mean, std = tf.constant([1.0, 2.0, 3.0]), tf.constant([4.0, 5.0, 6.0])
    augmented = augmentation.augment(images, mean, std, tf.constant([1, 1]), padding=0, mirror=False, cutout=0)
    np.testing.assert_array_equal(augmented, augmentation.normalise(images, mean, std))


def test_the_seed_decides_everything():
    images = tf.constant(make_images(32, (8, 8, 3)).images)
    first, second, other = (
        augmentation.augment(images, *unit(3), tf.constant(seed), padding=2, mirror=True, cutout=3).numpy()
        for seed in ([7, 8], [7, 8], [7, 9])
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
