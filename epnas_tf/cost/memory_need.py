"""An estimate of a search's main memory from its networks' sizes alone, before anything runs."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from epnas_tf.config import RunConfig
from epnas_tf.cost.network_cost import inner_values, node_cost, node_sizes
from epnas_tf.cost.workload import DataSize, output_sizes
from epnas_tf.data.pipeline import BATCHES_AHEAD, EVALUATION_BATCH
from epnas_tf.space import NetworkShape, build_graph, make_space
from epnas_tf.space.graph import Graph, Key

SAMPLES = 12
"""Whole architectures that are sampled, with a fixed seed; the largest counts."""

NUMBER = 4
"""Bytes of a float32 number."""

FURTHER = 6
"""Tensors of the size of a network's largest output that a training step holds besides all outputs: gradients, and
temporaries within a layer. Measured, see `TOLERANCE`."""

NODE = 1_200_000
"""Bytes of a node's graphs."""

FIXED = 300_000_000
"""Bytes that every search needs, whatever its networks: threads, pools, the surrogate, remains of children."""

TOLERANCE = 0.2
"""Relative error of the estimate.

Measured peaks of whole searches over the estimate: macro, 6 layers, 64×64 1.05; 4 layers of 64 channels, 32×32 0.87;
3 layers, 64×64, where 560 validation images need more than the training, 0.91. Of training steps alone, by the slope
over the batch: macro, 12 layers, 64×64 0.97; 3 layers, 128×128 0.96; micro, 5 blocks, 32×32 0.86.
"""


def bytes_needed(config: RunConfig, data: DataSize, cores: int) -> int:
    """The bytes that a search needs in addition to those of the process with its data set in memory.

    Args:
        config: the settings of the search.
        data: the images.
        cores: the number of cores that make batches ahead.

    Raises:
        DataError: if the images are too small for the space.
    """
    space, rng = make_space(config.space), np.random.default_rng(0)
    shape = NetworkShape.of(config.network, space.num_levels, data)
    graphs = [build_graph(space.sample(rng), shape) for _ in range(SAMPLES)]
    batch = min(config.child.batch_size, data.num_train)
    image, pixels = NUMBER * int(np.prod(data.image_shape)), int(np.prod(data.image_shape))
    step = max(batch * training_bytes(graph, data.image_shape) for graph in graphs)
    evaluated = min(EVALUATION_BATCH, data.num_validation)
    evaluation = max(evaluated * forward_bytes(graph, data.image_shape) for graph in graphs)
    kept = pixels * (data.num_train + data.num_validation) * data.in_memory  # TensorFlow's own copy
    batches = image * (batch + evaluated) * (BATCHES_AHEAD + min(cores, 16))
    nodes = NODE * max(map(len, graphs))
    return int(max(step, evaluation) + kept + batches + nodes + _of_weights(graphs, data.image_shape) + FIXED)


def training_bytes(graph: Graph, image_shape: tuple[int, int, int]) -> int:
    """The peak bytes of a training step for each image."""
    sizes = output_sizes(graph, image_shape)
    return NUMBER * (sum(sizes.values()) + FURTHER * max(sizes.values()))


def forward_bytes(graph: Graph, image_shape: tuple[int, int, int]) -> int:
    """The peak bytes of inference for each image: the outputs that are still to be read, and the values in a node."""
    sizes: dict[Any, Any] = node_sizes(graph, image_shape)
    last_read = {source: number for number, node in enumerate(graph) for source in node.sources}
    living: dict[Key, int] = {}
    peak = 0
    for number, node in enumerate(graph):
        living[node.key] = int(np.prod(sizes[node.key]))
        peak = max(peak, sum(living.values()) + inner_values(node, sizes))
        living = {key: size for key, size in living.items() if last_read.get(key, len(graph)) > number}
    return NUMBER * peak


def _of_weights(graphs: Iterable[Graph], image_shape: tuple[int, int, int]) -> int:
    """The bytes of the shared variables, their momentum, and the copies for training and saving."""
    every: dict[Key, int] = {}
    largest = 0
    for graph in graphs:
        sizes: dict[Any, Any] = node_sizes(graph, image_shape)
        of_graph = {node.key: node_cost(node, sizes).parameters for node in graph}
        every |= of_graph
        largest = max(largest, sum(of_graph.values()))
    return NUMBER * (6 * sum(every.values()) + 8 * largest)
