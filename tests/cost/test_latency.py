import pytest

from epnas_tf.cost.latency import Latencies
from epnas_tf.cost.network_cost import node_sizes
from epnas_tf.space import MacroArchitecture, MacroLayer, NetworkShape, build_graph

IMAGE = (8, 8, 3)
SHAPE = NetworkShape(IMAGE, 10, channels=4, num_levels=3)


def macro(*layers):
    return MacroArchitecture(tuple(MacroLayer(operation, skips) for operation, skips in layers))


SMALL = macro(("conv_3x3", ()), ("max_pool_3x3", ()), ("conv_3x3", ()))
LARGE = macro(("conv_3x3", ()), ("max_pool_3x3", (0,)), ("conv_3x3", (0, 1)))


@pytest.fixture(scope="module")
def latencies():
    found = Latencies()
    found.calibrate(SMALL, SHAPE)
    return found


def milliseconds(latencies, architecture):
    return latencies.milliseconds(build_graph(architecture, SHAPE), IMAGE)


def test_every_time_is_positive_or_that_of_a_further_source(latencies):
    milliseconds(latencies, LARGE)
    assert all(value > 0 for name, value in latencies.times.items() if "further" not in name)
    assert all(value >= 0 for value in latencies.times.values())
    assert any("further" in name for name in latencies.times), "the joins of LARGE have several sources"


def test_a_network_takes_the_sum_of_its_nodes_times_scaled(latencies):
    times = latencies.times
    sum_of_nodes = sum(latencies._of_node(node, size) for node, size in _nodes_with_sizes(SMALL))
    assert milliseconds(latencies, SMALL) == pytest.approx(times["scale"] * sum_of_nodes)


def test_a_node_takes_the_time_of_one_source_and_that_of_each_further_one(latencies):
    milliseconds(latencies, LARGE)
    known = Latencies({name: 0.25 if "further" in name else 1.0 for name in latencies.times})
    graph = build_graph(LARGE, SHAPE)
    assert milliseconds(known, LARGE) == sum(1 + 0.25 * (len(node.sources) - 1) for node in graph) > len(graph)


def _nodes_with_sizes(architecture):
    graph = build_graph(architecture, SHAPE)
    sizes = node_sizes(graph, IMAGE)
    return [(node, sizes[node.sources[0]]) for node in graph]


def test_what_was_measured_is_not_measured_again(latencies):
    first = milliseconds(latencies, LARGE)
    again = Latencies(latencies.times)
    again.calibrate(LARGE, SHAPE)
    assert milliseconds(again, LARGE) == first
    assert again.times == latencies.times


def test_a_larger_network_takes_longer_by_what_it_has_more(latencies):
    assert milliseconds(latencies, LARGE) > milliseconds(latencies, SMALL)
