"""How long networks take on this device, as the sum of their nodes' times, each measured once.

A search compares millions of candidates, so it cannot time each. It times each kind of node, of which there are few
dozens, and one whole network: what that takes beside the sum of its nodes' times scales all sums.
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
"""A node is run so many times a call, so that what a call itself takes weighs little."""

CALLS = 15
"""Timed calls; their median counts."""

FURTHER = 4
"""Further sources of a node that joins several, from which the time of one is taken."""


class Latencies:
    """The times of networks for one image, in milliseconds, while not training.

    Attributes:
        times: what was measured so far, by name, in milliseconds. A search keeps it, since times differ from one
            measurement to the next.

    Args:
        known: `times` of an earlier object.
    """

    def __init__(self, known: Mapping[str, float] | None = None) -> None:
        self.times = dict(known or {})

    def milliseconds(self, graph: Graph, image_shape: Size) -> float:
        """Returns the time of a network: the scaled sum of its nodes' times.

        Args:
            graph: the network.
            image_shape: (height, width, channels) of its images.
        """
        return self.times.get("scale", 1.0) * self._sum(graph, image_shape)

    def calibrate(self, architecture: Any, shape: NetworkShape) -> None:
        """Times a whole network, unless that was done: the sum of its nodes' times is scaled to what it takes."""
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
        """Returns the milliseconds of a node with so many sources of one size."""
        layer = make_layer(node.kind, node.channels, node.stride, seed=0, name="timed")
        shape = (1, *size) if node.kind != "sum_bias" else (1, size[-1])
        joins = layer_takes_list(layer)
        layer.build([shape] * sources if joins else shape)
        inputs: Any = [tf.ones(shape) for _ in range(sources)] if joins else tf.ones(shape)

        @tf.function(autograph=False)
        def run() -> tf.Tensor:
            output = tf.zeros([])
            for _ in range(COPIES):
                with tf.control_dependencies([output]):  # one after the other, and none is left out
                    output = layer(tf.nest.map_structure(tf.identity, inputs))
            return output

        return _milliseconds(run) / COPIES


def _milliseconds(run: Callable[[], tf.Tensor]) -> float:
    """Returns the median time of a call; the first ones, which trace and warm up, are not counted."""
    times = []
    for number in range(CALLS + 2):
        began = time.perf_counter()
        run().numpy()
        if number > 1:
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
