import itertools

import numpy as np
import pytest

from epnas_tf.baselines.from_space import TOLERANCE, draw, keeps_limits, largest
from epnas_tf.config import LimitConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import ConfigError
from epnas_tf.search.limits import Limits
from epnas_tf.space import MacroSpace, MicroSpace, NetworkShape, StagedSpace, build_graph

TWO = ("conv_3x3", "max_pool_3x3")
SPACES = [MacroSpace(3, TWO), MicroSpace(2, TWO), StagedSpace(4, stages=2), StagedSpace(3)]


def shape_of(space):
    return NetworkShape((8, 8, 1), 10, channels=4, num_levels=space.num_levels, normal_cells=1)


def size_in(space, shape=None):
    shape = shape or shape_of(space)
    return lambda architecture: cost(build_graph(architecture, shape), shape.image_shape).parameters


def every(space):
    levels = [range(space.num_extensions(level)) for level in range(1, space.num_levels + 1)]
    return [space.architecture(indices) for indices in itertools.product(*levels)]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{space.name}-{space.num_levels}")
@pytest.mark.parametrize("limited", [False, True])
def test_largest_is_that_of_all(space, limited):
    size_of, everything = size_in(space), every(space)
    sizes = sorted(map(size_of, everything))
    bound = sizes[len(sizes) // 2]
    limits = Limits(space, shape_of(space), LimitConfig(max_params=bound)) if limited else None
    found = largest(space, size_of, limits and limits.allowed)
    best = max(size for size in sizes if size <= bound) if limited else sizes[-1]
    assert len(space.extensions(found)) == space.num_levels
    assert size_of(found) >= (0.99 * best if limited else best)
    assert limits is None or keeps_limits(space, found, limits.allowed)


def test_largest_of_a_space_of_the_papers_size():
    space = MacroSpace(12)
    found = largest(space, size_in(space, NetworkShape((32, 32, 3), 10, 24, 12)))
    assert all(layer.operation == "conv_5x5" for layer in found.layers)
    assert found.layers[-1].skips == tuple(range(11))


def test_draw_is_of_the_size_and_another_one_each_time():
    space = StagedSpace(6)
    size_of = size_in(space)
    target = size_of(space.sample(np.random.default_rng(0)))
    taken = []
    for seed in range(5):
        taken.append(draw(space, size_of, target, np.random.default_rng(seed), tuple(taken)))
        assert abs(size_of(taken[-1]) / target - 1) <= TOLERANCE
    assert len(set(taken)) == 5
    assert taken[3] == draw(space, size_of, target, np.random.default_rng(3), tuple(taken[:3]))


def test_draw_of_a_size_that_is_not_there_is_the_nearest():
    space = MacroSpace(2, TWO)
    size_of = size_in(space)
    found = draw(space, size_of, 10**6, np.random.default_rng(0))
    assert size_of(found) == max(map(size_of, every(space)))
    assert draw(space, size_of, 10**6, np.random.default_rng(0), every(space)) in every(space)


def test_draw_keeps_the_limits():
    space = StagedSpace(3)
    size_of = size_in(space)
    bound = int(np.median([size_of(one) for one in every(space)]))
    limits = Limits(space, shape_of(space), LimitConfig(max_params=bound))
    drawn = [draw(space, size_of, bound, np.random.default_rng(seed), (), limits.allowed) for seed in range(8)]
    assert max(map(size_of, drawn)) <= bound


def test_limits_that_leave_nothing_are_an_error():
    space = StagedSpace(2)
    nothing = lambda parents, level: lambda start, count: np.zeros(count, bool)  # noqa: E731
    with pytest.raises(ConfigError, match=r"Leave largest out of --networks. Received: none of level 1"):
        largest(space, size_in(space), nothing)
    taken = space.sample(np.random.default_rng(0))
    assert draw(space, size_in(space), 1000, np.random.default_rng(0), (taken,), nothing) == taken
