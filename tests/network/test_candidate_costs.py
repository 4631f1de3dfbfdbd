import numpy as np
import pytest

from epnas_tf.network import NetworkShape, build_graph
from epnas_tf.network.candidate_costs import CandidateCosts, candidate_costs
from epnas_tf.network.cost import cost
from epnas_tf.space import MacroSpace, MicroSpace

CONVOLUTIONS = ("conv_3x3", "sep_conv_5x5")


def cost_of(space, image_shape=(16, 16, 3)):
    shape = NetworkShape(image_shape, 10, channels=6, num_levels=space.num_levels, normal_cells=1)

    def costs(architecture):
        found = cost(build_graph(architecture, shape), image_shape)
        return np.array([found.parameters, found.multiply_adds], np.float64)

    return costs


SPACES = [MacroSpace(7), MacroSpace(3, CONVOLUTIONS), MicroSpace(5), MicroSpace(3, CONVOLUTIONS), MicroSpace(1)]


def completed(space, exact, architecture):
    """Returns the least costs of architectures of the deepest level that this one can become, by trying all."""
    if len(space.extensions(architecture)) == space.num_levels:
        return exact(architecture)
    level = len(space.extensions(architecture)) + 1
    longer = [space.extend(architecture, space.extension(level, i)) for i in range(space.num_extensions(level))]
    return np.min([completed(space, exact, a) for a in longer], axis=0)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{space.name}-{space.num_levels}")
def test_costs_of_whole_candidates_are_those_of_their_graphs(space):
    rng = np.random.default_rng(0)
    exact = cost_of(space)
    costs = candidate_costs(space, exact)
    assert type(costs) is not CandidateCosts
    level = space.num_levels
    parents = [space.sample(rng, level - 1) for _ in range(8)] if level > 1 else [None]
    indices = rng.choice(space.num_extensions(level), min(200, space.num_extensions(level)), replace=False)
    found = costs.of_level(parents, level)(indices)
    wanted = CandidateCosts(space, exact).of_level(parents, level)(indices)
    assert found.shape == wanted.shape == (len(indices), len(parents), 2)
    np.testing.assert_array_equal(found, wanted)


def test_costs_of_a_macro_candidate_are_those_of_the_cheapest_network_that_it_can_become():
    space = MacroSpace(4, CONVOLUTIONS)
    exact = cost_of(space)
    costs = candidate_costs(space, exact)
    for level in (1, 2, 3):
        everything = np.arange(space.num_extensions(level))
        parent = space.sample(np.random.default_rng(0), level - 1) if level > 1 else None
        found = costs.of_level([parent], level)(everything)[:, 0]
        wanted = [completed(space, exact, space.extend(parent, space.extension(level, i))) for i in everything.tolist()]
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "space",
    [MacroSpace(3), MacroSpace(3, CONVOLUTIONS), MicroSpace(2, CONVOLUTIONS)],
    ids=["all", "convolutions", "micro"],
)
def test_the_least_cost_is_that_of_the_cheapest_of_all_architectures(space):
    exact = cost_of(space)
    firsts = [space.extend(None, space.extension(1, i)) for i in range(space.num_extensions(1))]
    wanted = np.min([completed(space, exact, architecture) for architecture in firsts], axis=0)
    np.testing.assert_array_equal(candidate_costs(space, exact).least(), wanted)


@pytest.mark.parametrize("space", [MicroSpace(4, CONVOLUTIONS), MicroSpace(4)], ids=["convolutions", "all"])
def test_a_candidate_can_become_what_its_costs_say(space):
    exact = cost_of(space)
    costs = candidate_costs(space, exact)
    rng = np.random.default_rng(1)
    for level in range(1, space.num_levels):
        parent = space.sample(rng, level - 1) if level > 1 else None
        index = int(rng.integers(space.num_extensions(level)))
        promised = costs.of_level([parent], level)(np.array([index]))[0, 0, 0]
        architecture = space.extend(parent, space.extension(level, index))
        assert exact(architecture)[0] <= promised
        for deeper in range(level + 1, space.num_levels + 1):
            found = costs.of_level([architecture], deeper)(np.arange(space.num_extensions(deeper)))[:, 0, 0]
            assert found.min() <= promised
            architecture = space.extend(architecture, space.extension(deeper, int(found.argmin())))
        assert exact(architecture)[0] <= promised


def test_a_space_of_ones_own_has_its_graphs_built():
    space = MacroSpace(2)
    costs = CandidateCosts(space, cost_of(space))
    everything = np.arange(space.num_extensions(1))
    wanted = [cost_of(space)(space.extend(None, space.extension(1, i))) for i in everything.tolist()]
    np.testing.assert_array_equal(costs.of_level([None], 1)(everything)[:, 0], wanted)
    np.testing.assert_array_equal(costs.least(), np.min(wanted, axis=0))
