"""Timing of a few training steps of a shallow and a deep network, from which the time of a search follows.

It uses temporary objects only: a store of its own, images of noise, a function that traces the layers. Neither the
search nor any random state is affected.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from epnas_tf.arrays import Float64Array
from epnas_tf.children.child import make_fit
from epnas_tf.config import ChildConfig
from epnas_tf.cost.workload import CostModel, Load, load_of
from epnas_tf.memory import free_memory
from epnas_tf.network.functions import CallLayer, LayerFunctions, call_layer
from epnas_tf.network.layout import FlatValues, Layout
from epnas_tf.network.network import Network
from epnas_tf.network.optimizer import NesterovSGD
from epnas_tf.network.store import VariableStore, dtype_policy
from epnas_tf.space import NetworkShape, build_graph
from epnas_tf.space.base import SearchSpace

FIRST_BATCH = 8
"""Images of the first timed steps: of few of them it is seen what more would take."""

FIRST_OUTPUTS = 64_000_000
"""Numbers that the layers give in the first timed steps at most, a quarter of a gigabyte."""

STEP_SECONDS = 0.4
"""Seconds that the second batch's step may take at most, about; it is the whole batch where that is quick."""

REPEATS = 3
"""Steps that are timed of each batch; the quickest counts, as other programs only slow one down."""

SAMPLES = 5
"""Architectures of the deepest level, of which the median one is timed."""

VALIDATION = 4 / 3
"""Tracing and first steps of training and validation together, as a part of those of training alone."""

BEHIND = 0.5
"""Part of the tracing that still takes time where it is done beside a training, which needs the same cores."""


class Timed(NamedTuple):
    """The timings of one network.

    Attributes:
        load: the load of the network.
        trace: seconds to trace its graph.
        first: extra seconds of the first step over later ones.
        steps: (images, seconds) of each step.
    """

    load: Load
    trace: float
    first: float
    steps: list[tuple[int, float]]


def time_steps(space: SearchSpace[Any, Any], shape: NetworkShape, config: ChildConfig, batch: int) -> CostModel:
    """Measures the costs of a search's parts on this device, from some steps of two networks.

    Args:
        space: the search space.
        shape: all else that determines the children's networks.
        config: the training of the children.
        batch: images per training step.
    """
    rng = np.random.default_rng(0)
    shallow = space.sample(rng, 1)
    drawn = [space.sample(rng) for _ in range(SAMPLES)]
    deep = sorted(drawn, key=lambda one: load_of(build_graph(one, shape), shape.image_shape).outputs)[SAMPLES // 2]
    store = VariableStore(0, dtype_policy(config.mixed_precision))
    reused = config.reuse_traces and not (config.mirrored or config.xla)
    call = LayerFunctions() if reused else call_layer
    # The first network that is traced pays for the layers' own traces, which all later children find.
    networks = [deep, deep, shallow] if reused else [deep, shallow]
    timed = [_time(one, shape, store, config, batch, call) for one in networks]
    free_memory()
    return model_of(timed[1:] if reused else timed, config)


def model_of(timed: list[Timed], config: ChildConfig) -> CostModel:
    """Fits non-negative costs to the timings of some networks, by relative error."""
    from scipy.optimize import nnls  # slow to import

    steps = [
        ((one.load.nodes, images * one.load.multiply_adds, images * one.load.outputs), seconds)
        for one in timed
        for images, seconds in one.steps
    ]
    hidden = BEHIND if config.trace_ahead and config.share_weights and not config.mirrored else 1.0
    graphs = [((1.0, one.load.nodes), VALIDATION * (hidden * one.trace + one.first)) for one in timed]

    def fitted(pairs: Sequence[tuple[tuple[float, ...], float]]) -> Float64Array:
        seconds = np.array([seconds for _, seconds in pairs])
        rows = np.array([row for row, _ in pairs]) / seconds[:, np.newaxis]
        scale = np.abs(rows).max(axis=0)  # multiply-adds are millions, nodes a few
        found: Float64Array = nnls(rows / scale, np.ones(len(seconds)))[0] / scale
        return found

    return CostModel(*map(float, fitted(steps)), *map(float, fitted(graphs)))


def _time(
    architecture: Any, shape: NetworkShape, store: VariableStore, config: ChildConfig, batch: int, call: CallLayer
) -> Timed:
    began = time.perf_counter()
    network = Network(architecture, shape, store)
    load = load_of(network.graph, shape.image_shape)
    layout = Layout(store, network.layers)
    fit = make_fit(network, layout, config, NesterovSGD(config), 1, call)
    images = tf.TensorSpec([None, *shape.image_shape], tf.float32)
    spec = tf.data.DatasetSpec((images, tf.TensorSpec([None], tf.int32)))
    traced = fit.get_concrete_function(spec, layout.specs)
    trace, values = time.perf_counter() - began, layout.read()
    few = int(np.clip(FIRST_OUTPUTS // load.outputs, 1, min(FIRST_BATCH, batch)))
    first, *later = _seconds(traced, values, shape, few, 1 + REPEATS)
    steps = [(few, min(later))]
    more = int(np.clip(few * STEP_SECONDS / min(later), few, batch))
    if more > few:
        steps.append((more, min(_seconds(traced, values, shape, more, REPEATS))))
    return Timed(load, trace, max(first - min(later), 0.0), steps)


def _seconds(fit: Callable[..., Any], values: FlatValues, shape: NetworkShape, images: int, count: int) -> list[float]:
    """Times so many training steps, all on the same images of noise."""
    rng, times = np.random.default_rng(0), []
    noise = rng.normal(size=(images, *shape.image_shape)).astype(np.float32)
    labels = rng.integers(shape.num_classes, size=images).astype(np.int32)
    with tf.device("CPU:0"):
        batches = tf.data.Dataset.from_tensors((noise, labels)).repeat()
    for _ in range(count):
        began = time.perf_counter()
        float(fit(batches, values)[1])  # waits for a GPU
        times.append(time.perf_counter() - began)
    return times
