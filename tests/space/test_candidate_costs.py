import itertools

import numpy as np
import pytest

from epnas_tf.cost.network_cost import cost
from epnas_tf.space import MacroSpace, MicroSpace, NetworkShape, StagedSpace, build_graph
from epnas_tf.space.candidate_costs import MAX_WAYS, CandidateCosts, cheapest, sums_of_cheapest
from epnas_tf.space.definition import candidate_costs

CONVOLUTIONS = ("conv_3x3", "sep_conv_5x5")


def cost_of(space, image_shape=(16, 16, 3)):
    shape = NetworkShape(image_shape, 10, channels=6, num_levels=space.num_levels, normal_cells=1)

    def costs(architecture):
        found = cost(build_graph(architecture, shape), image_shape)
        return np.array([found.parameters, found.multiply_adds], np.float64)

    return costs


SPACES = [
    MacroSpace(7),
    MacroSpace(3, CONVOLUTIONS),
    MicroSpace(5),
    MicroSpace(3, CONVOLUTIONS),
    MicroSpace(1),
    StagedSpace(7),
    StagedSpace(3, CONVOLUTIONS, stages=2),
    StagedSpace(1),
]


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
    [found] = costs.of_level(parents, level)(indices)
    [wanted] = CandidateCosts(space, exact).of_level(parents, level)(indices)
    assert found.shape == wanted.shape == (len(indices), len(parents), 2)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("space", [MacroSpace(4, CONVOLUTIONS), StagedSpace(4)], ids=["macro", "staged"])
def test_costs_of_a_candidate_are_those_of_the_cheapest_network_that_it_can_become(space):
    exact = cost_of(space)
    costs = candidate_costs(space, exact)
    for level in (1, 2, 3):
        everything = np.arange(space.num_extensions(level))
        parent = space.sample(np.random.default_rng(0), level - 1) if level > 1 else None
        found = np.min([way[:, 0] for way in costs.of_level([parent], level)(everything)], axis=0)
        wanted = [completed(space, exact, space.extend(parent, space.extension(level, i))) for i in everything.tolist()]
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "space",
    [MacroSpace(3), MacroSpace(3, CONVOLUTIONS), MicroSpace(2, CONVOLUTIONS), StagedSpace(3)],
    ids=["all", "convolutions", "micro", "staged"],
)
def test_the_least_cost_is_that_of_the_cheapest_of_all_architectures(space):
    exact = cost_of(space)
    firsts = [space.extend(None, space.extension(1, i)) for i in range(space.num_extensions(1))]
    wanted = np.min([completed(space, exact, architecture) for architecture in firsts], axis=0)
    np.testing.assert_array_equal(candidate_costs(space, exact).least().min(axis=0), wanted)


@pytest.mark.parametrize("space", [MicroSpace(4, CONVOLUTIONS), MicroSpace(4)], ids=["convolutions", "all"])
def test_a_candidate_can_become_what_its_costs_say(space):
    exact = cost_of(space)
    costs = candidate_costs(space, exact)
    rng = np.random.default_rng(1)
    for level in range(1, space.num_levels):
        parent = space.sample(rng, level - 1) if level > 1 else None
        index = int(rng.integers(space.num_extensions(level)))
        promised = min(way[0, 0, 0] for way in costs.of_level([parent], level)(np.array([index])))
        architecture = space.extend(parent, space.extension(level, index))
        assert exact(architecture)[0] <= promised
        for deeper in range(level + 1, space.num_levels + 1):
            everything = np.arange(space.num_extensions(deeper))
            found = np.min([way[:, 0, 0] for way in costs.of_level([architecture], deeper)(everything)], axis=0)
            assert found.min() <= promised
            architecture = space.extend(architecture, space.extension(deeper, int(found.argmin())))
        assert exact(architecture)[0] <= promised


def test_a_space_of_ones_own_has_its_graphs_built():
    space = MacroSpace(2)
    costs = CandidateCosts(space, cost_of(space))
    everything = np.arange(space.num_extensions(1))
    wanted = [cost_of(space)(space.extend(None, space.extension(1, i))) for i in everything.tolist()]
    [found] = costs.of_level([None], 1)(everything)
    np.testing.assert_array_equal(found[:, 0], wanted)
    np.testing.assert_array_equal(costs.least(), cheapest(np.array(wanted)))


def opposed(space):
    """Returns parameters, and a cost of the operation that has fewer of them: they pull in different directions."""
    exact = cost_of(space)

    def costs(architecture):
        parts = [part for e in space.extensions(architecture) for part in getattr(e, "sides", [e])]
        operations = [getattr(part, "operation", part) for part in parts]
        return np.array([exact(architecture)[0], 1000.0 * operations.count("sep_conv_5x5")])

    return costs


@pytest.mark.parametrize(
    "space",
    [MacroSpace(4, CONVOLUTIONS), MicroSpace(3, CONVOLUTIONS), StagedSpace(4, CONVOLUTIONS)],
    ids=["macro", "micro", "staged"],
)
def test_each_way_to_go_on_can_be_gone(space):
    costs_of = opposed(space)
    costs = candidate_costs(space, costs_of)
    rng = np.random.default_rng(2)
    parent = space.sample(rng, 1)
    index = int(rng.integers(space.num_extensions(2)))
    ways = [way[0, 0] for way in costs.of_level([parent], 2)(np.array([index]))]
    assert len(ways) > 1
    for promised in ways:
        architecture = space.extend(parent, space.extension(2, index))
        for deeper in range(3, space.num_levels + 1):
            everything = np.arange(space.num_extensions(deeper))
            found = [way[:, 0] for way in costs.of_level([architecture], deeper)(everything)]
            keeps = np.any([(way <= promised).all(axis=1) for way in found], axis=0)
            assert keeps.any()
            architecture = space.extend(architecture, space.extension(deeper, int(keeps.argmax())))
        assert (costs_of(architecture) <= promised).all()


def test_the_cheapest_networks_are_those_that_no_other_beats_in_all_costs():
    space = MacroSpace(3, CONVOLUTIONS)
    costs_of = opposed(space)
    everything = [None]
    for level in (1, 2, 3):
        extensions = [space.extension(level, i) for i in range(space.num_extensions(level))]
        everything = [space.extend(parent, extension) for parent in everything for extension in extensions]
    wanted = cheapest(np.array([costs_of(architecture) for architecture in everything]))
    assert len(wanted) > 1
    np.testing.assert_array_equal(candidate_costs(space, costs_of).least(), wanted)


def test_cheapest_are_those_that_no_other_beats():
    rows = [(3, 1), (1, 3), (2, 2), (2, 2), (3, 2), (2, 3), (4, 1)]
    assert cheapest(np.array(rows, np.float64)).tolist() == [[1, 3], [2, 2], [3, 1]]


def test_of_very_many_the_lowest_in_each_cost_are_kept():
    # On a sphere no row is as low as another in all costs.
    rows = -np.abs(np.random.default_rng(0).normal(size=(5 * MAX_WAYS, 3)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kept = cheapest(rows)
    assert MAX_WAYS / 2 < len(kept) <= MAX_WAYS
    np.testing.assert_array_equal(kept.min(axis=0), rows.min(axis=0))


def test_a_way_is_a_choice_and_a_way_of_the_next_place_even_of_very_many():
    choices = np.array([(0, 5, 3), (4, 1, 2), (2, 3, 0), (1, 1, 4)], np.float64)
    ways = sums_of_cheapest([choices + 0.1 * place for place in range(12)], (3,))
    assert len(ways) == 13
    assert [len(way) for way in ways[-2:]] == [4, 1]
    assert len(ways[0]) > MAX_WAYS / 2
    for place, (way, following) in enumerate(itertools.pairwise(ways)):
        sums = (choices[:, None] + 0.1 * place + following).reshape(-1, 3)
        assert all((np.abs(sums - row).max(axis=1) < 1e-9).any() for row in way)
