"""Trainings of the networks of a small space, each on weights of its own, for a table of their accuracies."""

import dataclasses
import functools
from typing import Any

from epnas_tf.config import RunConfig
from epnas_tf.surrogate.table import Indices


@dataclasses.dataclass(frozen=True)
class Job:
    """The trainings of one network.

    Attributes:
        config: the images, the size of the networks and the recipe.
        indices: the network.
        trainings: how often it is trained, from other initial values and in another order of the images.
    """

    config: RunConfig
    indices: Indices
    trainings: int


@dataclasses.dataclass(frozen=True)
class Network:
    """What is known of a network.

    Attributes:
        validation: its accuracy on the validation images, in percent, after each training.
        test: likewise on the test images.
        parameters: trainable parameters.
        multiply_adds: multiply-adds of one image.
    """

    validation: tuple[float, ...]
    test: tuple[float, ...]
    parameters: int
    multiply_adds: int

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return dataclasses.asdict(self)


def train(job: Job) -> tuple[Indices, Network]:
    """Trains a network, several times, and scores it each time."""
    return job.indices, _trainer(job.config).train(job)


@functools.cache
def _trainer(config: RunConfig) -> "_Trainer":
    return _Trainer(config)


class _Trainer:
    """Has the images in memory, and the layers' traced functions for all networks of a process."""

    def __init__(self, config: RunConfig) -> None:
        from epnas_tf import data
        from epnas_tf.devices import prepare_tensorflow
        from epnas_tf.run.comparison import own_trainer
        from epnas_tf.space import make_space

        prepare_tensorflow()
        images = data.load(config.data, config.seed)
        self.space = make_space(config.space)
        self.children = own_trainer(config, images, images.validation, config.child.epochs)
        self.test = data.evaluation_batches(images.test, images.mean, images.std)
        self.number = 0

    def train(self, job: Job) -> Network:
        from epnas_tf.children.child import child_store
        from epnas_tf.cost.network_cost import cost
        from epnas_tf.memory import free_memory
        from epnas_tf.network.layout import Layout
        from epnas_tf.network.network import Network as BuiltNetwork
        from epnas_tf.space import build_graph

        self.number += 1
        if self.number % 10 == 0:
            free_memory()
        shape, config = self.children.shape, self.children.config
        architecture = self.space.architecture(job.indices)
        child = self.children.prepare(architecture, child_store(config, 0))  # traced once for all trainings
        validation, test = [], []
        for seed in range(1, job.trainings + 1):
            store = child_store(config, seed)
            start = Layout(store, BuiltNetwork(architecture, shape, store).layers).read()
            outcome = child.run(start, seed)
            trained = self.children.snapshot(child, outcome.values)
            correct, _, count = (float(value) for value in child.evaluate(self.test, trained))
            validation.append(round(100 * outcome.result.score, 3))
            test.append(round(100 * correct / count, 3))
        costs = cost(build_graph(architecture, shape), shape.image_shape)
        return Network(tuple(validation), tuple(test), costs.parameters, costs.multiply_adds)
