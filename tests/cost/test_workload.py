import dataclasses
import itertools

import pytest

from epnas_tf.config import ChildConfig, RunConfig, SearchConfig, SpaceConfig
from epnas_tf.cost.workload import (
    CostModel,
    DataSize,
    Load,
    Workload,
    children_of_iteration,
    children_of_search,
    first_whole_child,
    workload,
)
from epnas_tf.errors import DataError
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import make_space

SPACES = (SpaceConfig(layers=3), SpaceConfig("micro", blocks=2), SpaceConfig(layers=1))


@pytest.mark.parametrize("config", SPACES, ids=["macro", "micro", "one level"])
def test_children_and_the_first_whole_one_are_those_of_the_search(config):
    space, settings = make_space(config), SearchConfig(k=4, iterations=2)
    search = ProgressiveSearch(space, settings)
    counts = children_of_iteration(space, settings)
    assert 2 * sum(counts.values()) == search.num_children
    assert children_of_search(space, settings) == search.remaining_levels
    first = search.first_whole_child if space.num_levels > 1 else 1
    assert first_whole_child(space, settings) == first


def test_workload_of_the_papers_macro_search():
    config = dataclasses.replace(RunConfig(), child=ChildConfig(epochs=3, batch_size=128))
    work = workload(config, DataSize(45_000, 5_000, (32, 32, 3), 10))
    assert (work.num_children, work.steps, work.batch, work.fits) == (843, 1_053, 128, 36)  # docs/scaling.md's table
    loads = [work.loads[level] for level in range(1, 13)]
    for shallower, deeper in itertools.pairwise(loads):
        assert shallower.nodes < deeper.nodes
        assert shallower.outputs < deeper.outputs
    assert loads[0].nodes == 6
    assert loads[-1].multiply_adds == pytest.approx(23.1e6, rel=0.3)  # docs/scaling.md's mean network


def test_images_that_are_too_small_are_refused():
    with pytest.raises(DataError, match="at least 8×8"):
        workload(RunConfig(), DataSize(100, 10, (4, 4, 3), 10))


def test_seconds_are_those_of_the_parts():
    work = Workload(
        children={1: 2, 2: 3},
        loads={1: Load(1, 10, 100), 2: Load(2, 20, 200)},
        steps=5,
        batch=4,
        validated=6,
        fits=2,
        candidates=30,
    )
    model = CostModel(
        step_node=1, step_multiply_add=0.1, step_output=0.01, graph=7, graph_node=0.5, fit=10, candidate=0.5
    )
    step = 1 + 4 * (1 + 1)
    child = 7 + 0.5 + 5 * step + (1 + 6 * 2) / 3
    deeper = 7 + 1 + 5 * 2 * step + 2 * (1 + 6 * 2) / 3
    surrogate = (2 * 10 + 30 * 0.5) / 5
    assert model.by_level(work) == pytest.approx({1: child + surrogate, 2: deeper + surrogate})
    assert model.seconds(work) == pytest.approx(2 * child + 3 * deeper + 5 * surrogate)
