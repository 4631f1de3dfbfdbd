import numpy as np
import pytest

from epnas_tf.config import SpaceConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.search.known_costs import known_costs
from epnas_tf.space import MacroSpace, MicroSpace, NetworkShape, build_graph, make_space
from epnas_tf.surrogate.table import Rows, encode_rows
from tests.space.chain_space import ChainSpace

SPACES = [MacroSpace(4), MicroSpace(3), make_space(SpaceConfig(space="staged", layers=4))]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_costs_of_new_networks_are_predicted(space):
    """In other images and channels than they were learned from."""
    costs, rng = known_costs(space), np.random.default_rng(1)
    architectures = [space.sample(rng) for _ in range(100)]
    features, levels = encode_rows(space, [space.indices(each) for each in architectures])
    predicted = costs.of_rows(Rows(features, levels, *np.zeros((3, 100), int)))
    shape = NetworkShape((32, 32, 1), 10, 8, space.num_levels, normal_cells=2)
    measured = [cost(build_graph(each, shape), shape.image_shape) for each in architectures]
    truth = np.array([[each.parameters, each.multiply_adds] for each in measured])
    for number in range(2):
        # What an operation costs depends on its inputs, too, which a sum over levels knows in part.
        assert np.corrcoef(predicted[:, number], truth[:, number])[0, 1] > 0.85


def test_they_are_the_same_each_time():
    one, other = known_costs(MacroSpace(3)), known_costs(MacroSpace(3))
    np.testing.assert_array_equal(one.of_symbols, other.of_symbols)


def test_nothing_is_known_of_a_space_that_is_not_registered():
    assert known_costs(ChainSpace(layers=2)) is None
