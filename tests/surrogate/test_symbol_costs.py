import numpy as np
import pytest

from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Rows, encode_rows
from tests.space.chain_space import ChainSpace

PRICES = np.array([[1.0, 5.0, 2.0], [0.0, 3.0, 3.0], [7.0, 0.0, 1.0]])
"""Of the choices of each of three layers."""


def price(architecture):
    """A sum over the layers, and a second cost that tells no architectures apart."""
    indices = ChainSpace(layers=3).indices(architecture)
    return np.array([sum(PRICES[level, index] for level, index in enumerate(indices)), 4.0])


def test_a_sum_over_the_levels_is_found():
    space = ChainSpace(layers=3)
    costs = SymbolCosts.of_space(space, price)
    for level in (1, 2, 3):
        found = costs.of_extensions(space, level, np.arange(3))
        # The ridge shrinks by 0.001 of some 85 architectures a symbol.
        np.testing.assert_allclose(found[:, 0] - found[0, 0], PRICES[level - 1] - PRICES[level - 1, 0], atol=1e-3)
        np.testing.assert_array_equal(found[:, 1], 0)


def test_scaled_costs_are_standard_deviations_and_a_cost_of_none_is_left_out():
    space = ChainSpace(layers=3)
    costs = SymbolCosts.of_space(space, price, scaled=True)
    assert len(costs) == 1
    rng = np.random.default_rng(1)
    architectures = [space.sample(rng) for _ in range(500)]
    features, levels = encode_rows(space, [space.indices(each) for each in architectures])
    found = costs.of_rows(Rows(features, levels, *np.zeros((3, 500), int)))
    # 500 architectures against 256: each deviation is known to some 5 %, each mean to 0.06 deviations.
    assert found.std() == pytest.approx(1, abs=0.15)
    assert found.mean() == pytest.approx(0, abs=0.2)
    truth = [price(each)[0] for each in architectures]
    assert np.corrcoef(found[:, 0], truth)[0, 1] > 0.9999


def test_shallow_architectures_are_compared_with_the_mean_of_their_levels():
    space = ChainSpace(layers=3)
    costs = SymbolCosts.of_space(space, price)
    features, levels = encode_rows(space, [(0,), (1,), (2,)])
    found = costs.of_rows(Rows(features, levels, *np.zeros((3, 3), int)))[:, 0]
    # The choices of 256 architectures are not exactly a third each.
    np.testing.assert_allclose(found, PRICES[0] - PRICES[0].mean(), atol=0.3)
