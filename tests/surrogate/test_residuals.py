import itertools

import numpy as np
import pytest

from epnas_tf.space import MacroSpace
from epnas_tf.surrogate.residuals import ResidualProcess, differing_symbols
from epnas_tf.surrogate.table import encode_rows
from tests.space.chain_space import ChainSpace


def every_chain(levels=5):
    """The symbol arrays of all chains of three symbols."""
    space = ChainSpace(levels)
    return encode_rows(space, list(itertools.product(range(3), repeat=levels)))[0]


def neighbours_alike(features, rng):
    """Values with the correlations that the process knows: half as alike for each symbol that differs."""
    correlations = np.exp(-np.log(2) * differing_symbols(features, features))
    return np.linalg.cholesky(correlations + 1e-9 * np.eye(len(features))) @ rng.normal(size=len(features))


def test_a_changed_operation_is_one_symbol_and_a_skip_connection_half_a_symbol():
    space = MacroSpace(layers=3, operations=("conv_3x3", "max_pool_3x3"))
    names = ["1 conv_3x3 | 2 conv_3x3", "1 conv_3x3 | 2 max_pool_3x3", "1 max_pool_3x3 | 2 max_pool_3x3 +0"]
    by_name = {str(a): a for a in (space.architecture(i) for i in itertools.product(range(2), range(4)))}
    features, _ = encode_rows(space, [space.indices(by_name[name]) for name in names])
    np.testing.assert_allclose(differing_symbols(features, features), [[0, 1, 2.5], [1, 0, 1.5], [2.5, 1.5, 0]])


def test_without_noise_own_residuals_are_kept_and_neighbours_follow():
    rng = np.random.default_rng(0)
    features = every_chain()
    values = neighbours_alike(features, rng)
    known, other = np.split(rng.permutation(len(features)), [150])
    process = ResidualProcess.fitted(features[known], values[known])
    # 150 values cannot tell no noise from noise of a tenth of their spread.
    assert (process.predict(features[known]) - values[known]).std() < 0.15 * values.std()
    assert np.corrcoef(process.predict(features[other]), values[other])[0, 1] > 0.5


def test_noise_alone_is_taken_for_noise():
    """Over ten data sets: each may look a little as if neighbours were alike."""
    features, kept = every_chain(4), []
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(size=len(features))
        kept.append(ResidualProcess.fitted(features, noise).predict(features).std() / noise.std())
    assert np.mean(kept) < 0.25


def test_the_more_scores_the_nearer_to_their_mean():
    rng = np.random.default_rng(0)
    features = every_chain(4)
    values = neighbours_alike(features, rng)
    counts = rng.integers(1, 9, len(features))
    many = np.repeat(np.arange(len(features)), counts)
    scores = values[many] + rng.normal(0, 1, len(many))
    found = ResidualProcess.fitted(features[many], scores).predict(features)
    means = np.bincount(many, scores) / counts
    moved = np.abs(found - means)
    assert moved[counts >= 6].mean() < moved[counts <= 2].mean() / 2
    assert np.square(found - values).mean() < np.square(means - values).mean()


def test_extensions_are_predicted_as_the_architectures_they_make():
    rng = np.random.default_rng(0)
    features = every_chain(4)
    process = ResidualProcess.fitted(features[::3], rng.normal(size=len(features[::3])))
    parents = features.copy()[[0, 30, 77]]
    parents[:, -1] = 0
    extensions = np.eye(3, features.shape[2])
    whole = np.repeat(parents[np.newaxis], 3, axis=0)
    whole[:, :, -1] = extensions[:, np.newaxis]
    expected = process.predict(whole.reshape(9, *features.shape[1:])).reshape(3, 3)
    np.testing.assert_allclose(process.of_extensions(parents, extensions), expected)


@pytest.mark.parametrize("count", [1, 2])
def test_equal_residuals_are_those_of_all(count):
    features = every_chain(3)
    np.testing.assert_allclose(ResidualProcess.fitted(features[:count], np.full(count, 0.2)).predict(features), 0.2)


@pytest.mark.parametrize(("deviation", "least", "most"), [(0.0, 0.0, 0.001), (1.0, 0.3, 0.7), (5.0, 0.9, 1.0)])
def test_the_share_of_noise_is_learned(deviation, least, most):
    rng = np.random.default_rng(0)
    features = np.eye(3)[rng.integers(0, 3, (150, 6))]
    # What like architectures share: a draw of the process itself, of variance one.
    correlations = np.exp(-np.log(2) * differing_symbols(features, features))
    values = np.linalg.cholesky(correlations + 1e-9 * np.eye(150)) @ rng.normal(size=150)
    process = ResidualProcess.fitted(features, values + deviation * rng.normal(size=150))
    assert least <= process.noise <= most
