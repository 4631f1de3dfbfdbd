"""The networks and the trainer of a run's children, made from its settings and its images."""

from typing import Any

import numpy as np

from epnas_tf import data as data_module
from epnas_tf.children.child import ChildTrainer, child_store
from epnas_tf.config import RunConfig
from epnas_tf.data import ImageData, Images
from epnas_tf.space import NetworkShape, build_graph
from epnas_tf.space.base import SearchSpace


def network_shape(config: RunConfig, space: SearchSpace[Any, Any], data: ImageData) -> NetworkShape:
    """Returns all that determines a run's networks beside their architecture, checked against the images.

    Raises:
        DataError: if the images are too small for the space.
    """
    shape = NetworkShape.of(config.network, space.num_levels, data)
    build_graph(space.sample(np.random.default_rng(0)), shape)
    return shape


def child_trainer(
    config: RunConfig, shape: NetworkShape, data: ImageData, scored: Images | None = None, epochs: int | None = None
) -> ChildTrainer:
    """Makes the trainer of a search's children.

    Args:
        config: the search's settings.
        shape: the result of `network_shape`.
        data: the images.
        scored: the images that a child is scored on; None for the validation images.
        epochs: number of epochs of a child; None for the settings'.
    """
    child = config.child
    batches = data_module.TrainingPipeline(data, child.batch_size, epochs or child.epochs)
    validation = data_module.evaluation_batches(data.validation if scored is None else scored, data.mean, data.std)
    return ChildTrainer(child_store(child, config.seed), shape, child, batches, validation)
