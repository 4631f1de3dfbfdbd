import itertools
import re

import numpy as np
import pytest

from epnas_tf.config import LimitConfig, SearchConfig
from epnas_tf.cost.latency import Latencies
from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import ConfigError
from epnas_tf.search.limits import Limits
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import MacroSpace, MicroSpace, NetworkShape, build_graph

IMAGE = (16, 16, 3)


def shape_of(space, channels=6):
    return NetworkShape(IMAGE, 10, channels, space.num_levels, normal_cells=1)


def measured(architecture, shape):
    return cost(build_graph(architecture, shape), IMAGE)


def search(space, rule, limits=None, k=6, iterations=2, latencies=None):
    config = SearchConfig(k=k, iterations=iterations, sampling=rule)
    constraint = None if limits is None else Limits(space, shape_of(space), limits, latencies)
    progressive = ProgressiveSearch(space, config, seed=0, constraint=constraint)
    found = []
    while progressive.advance():
        (candidate,) = progressive.ask()
        found.append(candidate.architecture)
        # Large networks are better here, so that a search would go beyond the limits.
        parameters = measured(candidate.architecture, shape_of(space)).parameters
        progressive.tell(candidate, min(1.0, parameters / 100_000))
    return found


RULES_AND_LIMITS = [(rule, "max_params") for rule in ("probability", "greedy", "uniform", "thompson")]


@pytest.mark.parametrize(("rule", "name"), [*RULES_AND_LIMITS, ("uniform", "max_multiply_adds")])
@pytest.mark.parametrize("space", [MacroSpace(4), MicroSpace(3)], ids=lambda space: space.name)
def test_no_child_exceeds_a_limit(space, rule, name):
    measure = {"max_params": "parameters", "max_multiply_adds": "multiply_adds"}[name]
    shape = shape_of(space)

    def costs(children):
        return [getattr(measured(child, shape), measure) for child in children]

    limit = int(np.median(costs(search(space, rule))))
    children = search(space, rule, LimitConfig(**{name: limit}))
    assert max(costs(children)) <= limit
    assert any(len(space.extensions(child)) == space.num_levels for child in children), "it comes to whole networks"


@pytest.mark.parametrize("space", [MacroSpace(4), MicroSpace(3)], ids=lambda space: space.name)
def test_the_least_that_can_be_reached_is_allowed_and_one_less_is_refused(space):
    with pytest.raises(ConfigError, match=r"`max_params` must be at least [0-9,]+.*Received: max_params=1$") as refused:
        Limits(space, shape_of(space), LimitConfig(max_params=1))
    least = int(str(refused.value).split("at least ")[1].split(", what")[0].replace(",", ""))
    children = search(space, "greedy", LimitConfig(max_params=least), k=3, iterations=1)
    whole = [child for child in children if len(space.extensions(child)) == space.num_levels]
    assert {measured(child, shape_of(space)).parameters for child in whole} == {least}
    with pytest.raises(ConfigError, match=f"at least {least:,}"):
        Limits(space, shape_of(space), LimitConfig(max_params=least - 1))


def test_several_limits_hold_together():
    space = MacroSpace(4)
    limits = LimitConfig(max_params=4000, max_multiply_adds=600_000)
    found = [measured(child, shape_of(space)) for child in search(space, "uniform", limits, k=10)]
    assert max(c.parameters for c in found) <= 4000
    assert max(c.multiply_adds for c in found) <= 600_000


class SlowSeparable(Latencies):
    """As if a separable convolution took a millisecond and nothing else took time: then few parameters are slow."""

    def __init__(self):
        super().__init__({"scale": 1.0})

    def milliseconds(self, graph, image_shape):
        return float(sum(node.kind == "sep_conv_5x5" for node in graph))


OPPOSED = [MacroSpace(5, ("conv_3x3", "sep_conv_5x5")), MicroSpace(3, ("conv_3x3", "sep_conv_5x5"))]


def refused(space, **limits):
    """The required minimum of each limit, from the message that refuses some."""
    with pytest.raises(ConfigError) as error:
        Limits(space, shape_of(space), LimitConfig(**limits), SlowSeparable())
    assert all(f"{name}={limit}" in str(error.value).split("Received: ")[1] for name, limit in limits.items())
    found = re.findall(r"`(\w+)` must be at least (?:about )?([\d,]*\d)", str(error.value))
    return {name: int(number.replace(",", "")) for name, number in found}


@pytest.mark.parametrize("space", OPPOSED, ids=lambda space: space.name)
def test_all_limits_that_no_network_can_keep_are_named_at_once(space):
    alone = refused(space, max_params=1) | refused(space, max_multiply_adds=1)
    assert refused(space, max_params=1, max_multiply_adds=1) == alone


@pytest.mark.parametrize("space", OPPOSED, ids=lambda space: space.name)
def test_limits_that_cannot_be_kept_together_are_refused_with_what_each_must_be(space):
    least = refused(space, max_params=1)["max_params"]
    needed = refused(space, max_params=least, max_latency_ms=1)
    assert needed["max_params"] > least
    assert needed["max_latency_ms"] > 1
    for name, enough in needed.items():
        limits = {"max_params": least, "max_latency_ms": 1, name: enough}
        refused(space, **{**limits, name: enough - 1})
        # A search that can just keep both comes to its end.
        children = search(space, "uniform", LimitConfig(**limits), k=3, latencies=SlowSeparable())
        assert any(len(space.extensions(child)) == space.num_levels for child in children)
        for child in children:
            graph = build_graph(child, shape_of(space))
            assert cost(graph, IMAGE).parameters <= limits["max_params"]
            assert SlowSeparable().milliseconds(graph, IMAGE) <= limits["max_latency_ms"]


def test_no_child_is_slower_than_a_limit():
    space = MacroSpace(3)
    shape = shape_of(space)
    latencies = Latencies()
    unlimited = LimitConfig(max_latency_ms=1e9)
    Limits(space, shape, unlimited, latencies)  # measures what the whole network of a kind takes

    def milliseconds(children):
        return [latencies.milliseconds(build_graph(child, shape), IMAGE) for child in children]

    whole = [child for child in search(space, "uniform") if len(child.layers) == space.num_levels]
    limit = float(np.median(milliseconds(whole)))
    measured_once = dict(latencies.times)
    children = search(space, "uniform", LimitConfig(max_latency_ms=limit), latencies=latencies)
    # Sums in another order differ in their last bits.
    assert max(milliseconds(children)) <= limit * (1 + 1e-9)
    assert latencies.times.items() >= measured_once.items()
    message = r"`max_latency_ms` must be at least about \d.* on this device.*Received: max_latency_ms=1e-06"
    with pytest.raises(ConfigError, match=message):
        Limits(space, shape, LimitConfig(max_latency_ms=1e-6), latencies)


@pytest.mark.parametrize("rule", ["probability", "thompson"])
def test_wide_limits_change_nothing(rule):
    space = MacroSpace(3)
    wide = LimitConfig(max_params=10**9, max_multiply_adds=10**12)
    assert search(space, rule, wide) == search(space, rule) == search(space, rule, LimitConfig())


@pytest.mark.parametrize("cuts", [(0, 1, 2, 30, 31, 75), (0, 50, 75)])
def test_what_is_allowed_does_not_depend_on_how_candidates_are_cut(cuts):
    space = MacroSpace(3, ("conv_3x3", "conv_5x5", "max_pool_3x3"))
    parents = [(0, 1), (1, 3), (2, 0), (0, 0), (1, 1), (2, 5), (0, 3)]
    shape = shape_of(space)
    limits = Limits(space, shape, LimitConfig(max_params=2500))
    count = len(parents) * space.num_extensions(3)
    wanted = [
        measured(space.architecture((*parents[i % len(parents)], i // len(parents))), shape).parameters <= 2500
        for i in range(count)
    ]
    allowed = limits.allowed(parents, 3)
    cuts = [*(cut for cut in cuts if cut < count), count]
    found = np.concatenate([allowed(a, b - a) for a, b in itertools.pairwise(cuts)])
    assert found.tolist() == wanted
    assert 0 < sum(wanted) < count
