"""The latency of networks on this device: the scaled sum of their nodes' times, each measured once.

A search compares millions of candidates and cannot time each. It times each kind of node, a few dozen, and one whole
network: the ratio of its time to the sum of its nodes' times scales all sums.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from epnas_tf.cost.network_cost import Size, node_sizes
from epnas_tf.network.network import Network
from epnas_tf.network.store import VariableStore, layer_takes_list
from epnas_tf.nn import make_layer
from epnas_tf.space.graph import Graph, NetworkShape, Node

COPIES = 8
"""Runs of a node in one timed call, so that the overhead of the call weighs little."""

CALLS = 15
"""Number of timed calls; the median is used."""

FURTHER = 4
"""Further sources of a joining node, from which the time of one further source is measured."""


class Latencies:
    """The inference times of networks for one image, in milliseconds.

    Attributes:
        times: the measurements so far, by name, in milliseconds. A search saves them, since times vary from one
            measurement to the next.

    Args:
        known: `times` of an earlier object.
    """

    def __init__(self, known: Mapping[str, float] | None = None) -> None:
        self.times = dict(known or {})

    def milliseconds(self, graph: Graph, image_shape: Size) -> float:
        """The time of a network: the scaled sum of its nodes' times.

        Args:
            graph: the network.
            image_shape: (height, width, channels) of its images.
        """
        return self.times.get("scale", 1.0) * self._sum(graph, image_shape)

    def calibrate(self, architecture: Any, shape: NetworkShape) -> None:
        """Times a whole network, once, to scale the sum of its nodes' times to its time."""
        if "scale" in self.times:
            return
        network = Network(architecture, shape, VariableStore())
        sum_of_nodes = self._sum(network.graph, network.shape.image_shape)
        images = tf.zeros([1, *network.shape.image_shape])
        run = tf.function(lambda: network(images), autograph=False)
        self.times["scale"] = _milliseconds(run) / sum_of_nodes

    def _sum(self, graph: Graph, image_shape: Size) -> float:
        sizes = node_sizes(graph, image_shape)
        return sum(self._of_node(node, sizes[node.sources[0]]) for node in graph)

    def _of_node(self, node: Node, size: Size) -> float:
        name = f"{node.kind} of {'×'.join(map(str, size))} to {node.channels}, stride {node.stride}"
        if name not in self.times:
            self.times[name] = self._time(node, size, 1)
        if len(node.sources) == 1:
            return self.times[name]
        further = f"{name}, further source"
        if further not in self.times:
            several = self._time(node, size, 1 + FURTHER)
            self.times[further] = max(0.0, several - self.times[name]) / FURTHER
        return self.times[name] + (len(node.sources) - 1) * self.times[further]

    def _time(self, node: Node, size: Size, sources: int) -> float:
        """The time of a node with `sources` sources of one size, in milliseconds."""
        layer = make_layer(node.kind, node.channels, node.stride, seed=0, name="timed")
        shape = (1, *size) if node.kind != "sum_bias" else (1, size[-1])
        joins = layer_takes_list(layer)
        layer.build([shape] * sources if joins else shape)
        inputs: Any = [tf.ones(shape) for _ in range(sources)] if joins else tf.ones(shape)

        @tf.function(autograph=False)
        def run() -> tf.Tensor:
            output = tf.zeros([])
            for _ in range(COPIES):
                with tf.control_dependencies([output]):  # in sequence, and none is optimised away
                    output = layer(tf.nest.map_structure(tf.identity, inputs))
            return output

        return _milliseconds(run) / COPIES


def _milliseconds(run: Callable[[], tf.Tensor]) -> float:
    """The median time of a call; the first calls, which trace and warm up, do not count."""
    times = []
    for number in range(CALLS + 2):
        began = time.perf_counter()
        run().numpy()
        if number > 1:
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
