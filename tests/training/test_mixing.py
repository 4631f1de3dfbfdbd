import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from epnas_tf.seeds import DROPOUT, derived_seed
from epnas_tf.training.mixing import beta, mixed, outside_rectangle
from tests.training import helpers

SEEDS = tf.random.split(tf.constant([1, 2], tf.int64), 2000)
COUNT = len(SEEDS)


def recipe(**settings):
    return dataclasses.replace(helpers.PLAIN, **settings)


def draw(function, output):
    """The results of a function for every seed, in one graph."""
    return tf.map_fn(tf.function(function, autograph=False), SEEDS, fn_output_signature=output).numpy()


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 4.0])
def test_share_is_of_the_beta_distribution(alpha):
    """The tail of a Kolmogorov-Smirnov test; the seeds are fixed."""
    shares = draw(lambda seed: beta(alpha, seed), tf.float32)
    assert np.all((shares >= 0) & (shares <= 1))
    # float32 cannot tell numbers near 1 from 1, where a small alpha has nearly half of its mass: the lower half alone.
    lower = shares[shares < 0.5].astype(np.float64)
    assert abs(len(lower) - COUNT / 2) < 4 * np.sqrt(COUNT / 4)
    lower = np.maximum(lower, 1e-30)
    assert stats.kstest(lower[lower > 1e-30], lambda x: truncated(x, alpha)).pvalue > 1e-4


def truncated(x, alpha):
    """The distribution function of Beta(α, α) within [1e-30, 0.5]."""
    cdf = stats.beta(alpha, alpha).cdf
    return (cdf(x) - cdf(1e-30)) / (cdf(0.5) - cdf(1e-30))


def test_rectangle_is_that_of_the_paper():
    """Its sides are √(1 - λ) of the image's, its centre is uniform, and it is clipped (Yun et al., section 3.1)."""
    height, width = 12, 20
    weights = draw(lambda seed: outside_rectangle(height, width, 1.0, seed), tf.float32)[:, 0, :, :, 0]
    assert set(np.unique(weights)) == {0.0, 1.0}
    generator, expected = np.random.default_rng(0), []
    for _ in range(20_000):
        sides = (np.array([height, width]) * np.sqrt(1 - generator.uniform())).astype(int)
        first = np.array([generator.integers(height), generator.integers(width)]) - sides // 2
        rows, columns = np.clip([first, first + sides], 0, [height, width]).T
        expected.append((rows[1] - rows[0]) * (columns[1] - columns[0]))
    areas = (1 - weights).sum(axis=(1, 2))
    assert stats.ks_2samp(areas, expected).pvalue > 1e-4
    for covered in (1 - weights[:200]).astype(bool):
        rows, columns = covered.any(axis=1), covered.any(axis=0)
        np.testing.assert_array_equal(covered, np.outer(rows, columns))
        for axis in (rows, columns):
            assert np.all(np.diff(np.flatnonzero(axis)) == 1)
    # The centres are spread evenly, so a pixel at the border is covered less often than one in the middle.
    frequency = (1 - weights).mean(axis=0)
    np.testing.assert_allclose(frequency, frequency[::-1, ::-1], atol=0.08)


def batch():
    generator = np.random.default_rng(0)
    images = generator.normal(size=(6, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.range(6)


@pytest.mark.parametrize("settings", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}], ids=str)
def test_mixture_is_of_two_images_by_the_share_of_their_labels(settings):
    images, labels = batch()
    before = np.roll(images, 1, axis=0)
    kinds = []
    for seed in SEEDS[:40]:
        found = mixed(images, labels, recipe(**settings), seed)
        share = float(found.share)
        np.testing.assert_array_equal(found.labels, labels)
        np.testing.assert_array_equal(found.others, np.roll(labels, 1))
        own, other = found.images == images, found.images == before
        if np.all(own | other):
            assert share == pytest.approx(np.mean(own), abs=1e-6)
            kinds.append("cutmix")
        else:
            np.testing.assert_allclose(found.images, share * images + (1 - share) * before, atol=1e-5)
            kinds.append("mixup")
    if len(settings) == 1:
        assert set(kinds) == set(settings)
    else:
        assert 8 < kinds.count("mixup") < 32  # four standard deviations of a fair coin


def test_mixture_follows_from_the_seed():
    images, labels = batch()
    one, same, other = (mixed(images, labels, recipe(mixup=1.0), SEEDS[i]) for i in (0, 0, 1))
    np.testing.assert_array_equal(one.images, same.images)
    assert float(one.share) == float(same.share) != float(other.share)


def test_a_step_weights_the_labels_and_counts_the_larger_share():
    """One step of a training that learns next to nothing, against the formulas."""
    settings = {"batch_size": 200, "epochs": 1, "learning_rate": 1e-12, "l2": 0.0, "final_learning_rate": 0.0}
    training = helpers.make_training(mixup=0.5, **settings)
    network = training.plain_network()
    ((images, labels),) = helpers.batches(training.recipe, 0)
    epoch = training.run_epoch(0)
    own = derived_seed(helpers.SEED, DROPOUT)
    seed = tf.random.fold_in(tf.constant([own, 1], tf.int64), tf.constant(0, tf.int64))
    mixture = mixed(images, labels, training.recipe, seed)
    scores = network(mixture.images, training=True).numpy().astype(np.float64)
    logarithms = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    share, rows = float(mixture.share), np.arange(200)
    right = share * logarithms[rows, labels] + (1 - share) * logarithms[rows, mixture.others]
    assert 0.01 < share < 0.99
    np.testing.assert_allclose(epoch.training_loss, -right.mean(), rtol=1e-4)
    main = labels if share >= 0.5 else mixture.others
    assert epoch.training_accuracy == pytest.approx(np.mean(scores.argmax(axis=1) == main), abs=0.006)


@pytest.mark.parametrize("settings", [{"mixup": 0.5}, {"cutmix": 1.0}], ids=str)
def test_a_training_feels_it(settings):
    plain, training = helpers.make_training(epochs=1), helpers.make_training(epochs=1, **settings)
    assert plain.run_epoch(0).training_loss != training.run_epoch(0).training_loss


def test_xla_trains_on_the_same_mixtures():
    compiled, plain = (helpers.make_training(mixup=0.5, cutmix=1.0, xla=on, epochs=1) for on in (True, False))
    losses = [training.run_epoch(0).training_loss for training in (compiled, plain)]
    np.testing.assert_allclose(*losses, rtol=1e-3)
