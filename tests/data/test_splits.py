import numpy as np
import pytest

from epnas_tf.data import splits
from epnas_tf.errors import DataError


def labels_of(sizes, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)


def draw(sizes, total, seed=0, leave=1):
    labels = labels_of(sizes)
    kept, drawn = splits.stratified_draw(labels, total, np.random.default_rng(seed), leave=leave)
    return labels, kept, drawn


@pytest.mark.parametrize("sizes", [[100, 100, 100], [173, 20, 9, 2], [2, 2], [50, 3, 3, 3, 3]])
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.37, 0.9])
def test_a_draw_is_a_partition_with_every_class_in_both_parts(sizes, fraction):
    total = round(fraction * sum(sizes))
    labels, kept, drawn = draw(sizes, total)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, drawn])), np.arange(len(labels)))
    assert set(labels[kept]) == set(labels[drawn]) == set(range(len(sizes)))
    # Exact unless that would leave a class out of one of the parts.
    assert len(drawn) == np.clip(total, len(sizes), sum(sizes) - len(sizes))


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_each_class_gives_its_part_to_within_one_image(fraction):
    sizes = np.array([300, 171, 44, 97])
    labels, _, drawn = draw(sizes, round(fraction * sizes.sum()))
    assert np.all(np.abs(np.bincount(labels[drawn]) - fraction * sizes) <= 1)


def test_a_draw_depends_on_the_seed_alone():
    first, second, other = (draw([40, 40], 20, seed)[2] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_draw_leaves_what_it_must():
    labels, kept, drawn = draw([2, 3, 30], 25, leave=2)
    np.testing.assert_array_equal(np.bincount(labels[drawn], minlength=3), [0, 1, 24])
    assert np.bincount(labels[kept]).min() == 2


def test_every_image_is_equally_likely_to_be_drawn():
    """20/19 of a chi-square with 38 degrees (5 of each 20 are drawn): a false alarm once in a million runs."""
    counts = np.zeros(40)
    labels = labels_of([20, 20])
    for seed in range(600):
        counts[splits.stratified_draw(labels, 10, np.random.default_rng(seed), leave=1)[1]] += 1
    variance = 600 * 0.25 * 0.75
    assert ((counts - 150) ** 2 / variance).sum() < 99.6


def test_limit_draws_the_number_asked_for_from_every_class():
    labels = labels_of([500, 60, 2])
    drawn = splits.limit(labels, 100, np.random.default_rng(0), "abc")
    assert len(np.unique(drawn)) == 100
    np.testing.assert_array_equal(np.bincount(labels[drawn]), [88, 10, 2])


def test_limit_of_all_images_keeps_all():
    labels = labels_of([5, 6])
    for total in (11, 12):
        np.testing.assert_array_equal(splits.limit(labels, total, np.random.default_rng(0), "ab"), np.arange(11))


def test_limit_refuses_less_than_two_a_class():
    with pytest.raises(DataError, match=r"two a class.*Received: train_images=3"):
        splits.limit(labels_of([5, 6]), 3, np.random.default_rng(0), "ab")


@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 0]])
def test_a_class_with_too_few_images_is_named(labels):
    with pytest.raises(DataError, match=r"Received: [01] of class 'dog'"):
        splits.check_class_sizes(np.array(labels, np.int32), ["cat", "dog"])
