"""Tables that are made up are such as they are said to be."""

import numpy as np
import pytest

from benchmarks.table.made import CHANCE, KINDS, make_table, pairs, steep


def _explained_by_layers(accuracies):
    """Returns the part of the variance that the means of each layer's choices explain."""
    deviations = accuracies - accuracies.mean()
    axes = range(accuracies.ndim)
    means = [deviations.mean(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    return sum(mean.var() for mean in means) / deviations.var()


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_depends_on_its_seed_alone(kind):
    table = make_table(kind)
    made = table.accuracies
    assert made.shape == tuple(map(len, table.space.choices))
    assert CHANCE <= made.min() < made.max() < 100
    assert np.array_equal(KINDS[kind](np.random.default_rng(0)), made)
    assert not np.array_equal(KINDS[kind](np.random.default_rng(1)), made)


def test_layers_alone_explain_a_part_of_the_pairs():
    made = pairs(np.random.default_rng(0))
    assert made.std() == pytest.approx(1.5)
    assert 0.2 < _explained_by_layers(made) < 0.8  # half is meant; one table has 24 choices of its own


def test_what_is_steep_has_shallow_networks_at_chance_and_the_best_close_together():
    made = steep(np.random.default_rng(0))
    assert np.all(made[:, 0, 0, 0, 0, 0, 0] == CHANCE)
    assert np.quantile(made, 0.1) < 50 < 70 < np.median(made)
    assert np.ptp(np.sort(made.ravel())[-100:]) < 2
