"""The profile of a graph whose operations are known."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks.sides.operations import Profiled, own_times

PRODUCTS = 3


class Products:
    def prepare(self, size):
        self._values = tf.constant(np.random.default_rng(0).normal(size=(size, size)), tf.float32)

        @tf.function(autograph=False)
        def run(values):
            for _ in range(PRODUCTS):
                values = tf.tanh(tf.matmul(values, self._values))
            return values

        self._run = run
        self.run()

    def run(self):
        return self._run(self._values).numpy()


def test_operations_of_a_graph_are_counted_and_timed():
    side = Profiled("tests.benchmarks.test_operations:Products")
    side.prepare(500)
    costs = side.costs("run")
    product = next(cost for name, cost in costs.items() if "MatMul" in name)
    assert product.count == costs["Tanh"].count == PRODUCTS
    assert product.milliseconds > 0
    assert not {"Process", "Record", "StartRegion", "MemoryAllocation"} & costs.keys()  # of the executor
    assert sum(cost.count for cost in costs.values()) < 3 * PRODUCTS


def test_time_inside_another_event_is_not_that_event_s_own():
    spans = {"outer": (0, 10), "first": (1, 4), "inside it": (2, 1), "second": (6, 2), "after": (10, 5)}
    names = dict(enumerate(spans))
    events = [
        xplane_pb2.XEvent(metadata_id=number, offset_ps=10**9 * start, duration_ps=10**9 * length)
        for number, (start, length) in enumerate(spans.values())
    ]
    assert dict(own_times(events, names)) == pytest.approx(
        {"outer": 4, "first": 3, "inside it": 1, "second": 2, "after": 5}
    )
