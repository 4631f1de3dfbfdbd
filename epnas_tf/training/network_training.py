"""Training of one network from fresh weights, epoch by epoch."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.config import RecipeConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.data import ImageData, TrainingPipeline, evaluation_batches
from epnas_tf.errors import EPNASError
from epnas_tf.network.evaluate import make_evaluate
from epnas_tf.network.network import Network
from epnas_tf.network.store import VariableStore, dtype_policy
from epnas_tf.seeds import DROPOUT, EPOCH, derived_seed
from epnas_tf.space.definition import build_graph
from epnas_tf.space.graph import Graph, NetworkShape
from epnas_tf.storage.state_files import prefixed, with_prefix
from epnas_tf.storage.training_directory import Epoch
from epnas_tf.training.auxiliary import with_auxiliary_head
from epnas_tf.training.optimizer import FinalOptimizer
from epnas_tf.training.schedule import learning_rate
from epnas_tf.training.steps import make_steps
from epnas_tf.training.trained import AVERAGE, STORE

OPTIMIZER = "optimizer."
"""The prefix of the optimizer's arrays in a checkpoint."""

STEPS_A_CALL = 50
"""Training steps between two looks at how it goes; the loop over them runs inside the graph."""


class TrainingDiverged(EPNASError):  # noqa: N818  (an outcome of a training)
    """The loss of a training, or one of its variables, became NaN or infinite."""


def training_graph(graph: Graph, shape: NetworkShape, recipe: RecipeConfig) -> Graph:
    """Returns the graph to train: the network's, with an auxiliary head if the recipe has one.

    Raises:
        ConfigError: if the network can have no auxiliary head.
    """
    return with_auxiliary_head(graph, shape) if recipe.auxiliary_weight else graph


class NetworkTraining:
    """The training of one network; call `run_epoch` for each epoch in order.

    Args:
        architecture: the architecture to train; None for a network that is none of a space.
        shape: the rest of what determines the network.
        data: the images; those of `train` are used.
        recipe: the training recipe.
        seed: of initial values, image order, augmentation, dropout and drop-path.
        graph: the network's layers; None for those of the architecture.

    Attributes:
        store: holds the variables, those of an auxiliary head included.
        result: holds the variables of the trained network: the averages if there are any, else `store`.
        optimizer: holds its slots.
        steps: training steps in an epoch.
        cost: parameters and multiply-adds of the network, without an auxiliary head.

    Raises:
        ConfigError: if the network can have no auxiliary head, or the augmentation does not fit the images.
        DataError: if the images are too small for the network.
    """

    def __init__(
        self,
        architecture: Any,
        shape: NetworkShape,
        data: ImageData,
        recipe: RecipeConfig,
        seed: int,
        graph: Graph | None = None,
    ) -> None:
        self._given_graph = graph
        graph = build_graph(architecture, shape) if graph is None else graph
        self.cost = cost(graph, shape.image_shape)
        self.recipe = recipe
        self.seed = seed
        self.store = VariableStore(seed, dtype_policy(recipe.mixed_precision))
        self._network = Network(architecture, shape, self.store, training_graph(graph, shape, recipe))
        # Of the same seed, so that the averages begin at the initial values.
        self.result = VariableStore(seed, self.store.dtype_policy) if recipe.ema_decay else self.store
        averaged = self.plain_network() if recipe.ema_decay else None
        self._pipeline = TrainingPipeline(data, recipe.batch_size, epochs=1)
        self.steps = self._pipeline.steps
        self.optimizer = FinalOptimizer(recipe, self._network.trainable_variables)
        own = derived_seed(seed, DROPOUT)
        self._run = make_steps(self._network, self.optimizer, recipe, self.steps, own, averaged)
        self._is_traced = False
        self._validation = None
        if recipe.held_out:
            self._validation = evaluation_batches(data.validation, data.mean, data.std)
            self._evaluate = make_evaluate(self.plain_network())

    def run_epoch(self, number: int, progress: Callable[[int], None] = lambda step: None) -> Epoch:
        """Trains for one epoch.

        Args:
            number: its number, from 0. Number and seed determine everything random in it.
            progress: called with the number of completed steps; in the first epoch with 0 once the graph is built.

        Raises:
            TrainingDiverged: if the loss or a variable became NaN or infinite.
        """
        began = time.perf_counter()
        iterator = iter(self._pipeline.batches(derived_seed(self.seed, EPOCH, number)))
        first, last = number * self.steps, (number + 1) * self.steps
        loss_sum = right = 0.0
        if not self._is_traced:
            self._run(iterator, tf.constant(first), tf.constant(first))  # no step: only makes the graph
            self._is_traced = True
            progress(0)
        for start in range(first, last, STEPS_A_CALL):
            stop = min(start + STEPS_A_CALL, last)
            done, loss, hits = (float(x) for x in self._run(iterator, tf.constant(start), tf.constant(stop)))
            loss_sum, right = loss_sum + loss, right + hits
            if not math.isfinite(loss):
                raise TrainingDiverged(
                    f"The loss became {loss} in step {int(start - first + done)} of {self.steps} of epoch "
                    f"{number + 1}. Use a lower learning rate. Received: learning_rate={self.recipe.learning_rate}"
                )
            progress(stop - first)
        self._refuse_broken_variables(number)
        images = self.steps * self._pipeline.element_spec[1].shape[0]
        validation_loss, validation_accuracy = self._validate()
        return Epoch(
            epoch=number + 1,
            learning_rate=float(learning_rate(tf.constant(last - 1), self.steps, self.recipe)),
            training_loss=loss_sum / self.steps,
            training_accuracy=right / images,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            seconds=time.perf_counter() - began,
        )

    def _refuse_broken_variables(self, number: int) -> None:
        """Refuses variables that the last step made NaN or infinite: its loss was computed before it moved them."""
        arrays = self.store.get_state()[1] | self.optimizer.get_state()[1]
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise TrainingDiverged(
                f"A variable became NaN or infinite in epoch {number + 1}. Use a lower learning rate. Received: "
                f"learning_rate={self.recipe.learning_rate}"
            )

    def _validate(self) -> tuple[float | None, float | None]:
        if self._validation is None:
            return None, None
        right, loss, count = (float(value) for value in self._evaluate(self._validation))
        return loss / count, right / count

    def plain_network(self) -> Network:
        """Returns the trained network, without the auxiliary head, over the variables of `result`."""
        return self._plain_network(self.result)

    def _plain_network(self, store: VariableStore) -> Network:
        return Network(self._network.architecture, self._network.shape, store, self._given_graph)

    def full_precision_network(self) -> Network:
        """Returns the network in float32, as it is exported, whatever precision it was trained in."""
        if not self.recipe.mixed_precision:
            return self.plain_network()
        store = VariableStore(self.seed)
        store.set_state(*self.result.get_state())
        return self._plain_network(store)

    def get_state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Returns the variables, their averages and the optimizer's slots, as values for JSON and arrays by name."""
        (store, weights), (optimizer, slots) = self.store.get_state(), self.optimizer.get_state()
        values, arrays = {"store": store, "optimizer": optimizer}, prefixed(STORE, weights) | prefixed(OPTIMIZER, slots)
        if self.result is not self.store:
            values["average"], averages = self.result.get_state()
            arrays |= prefixed(AVERAGE, averages)
        return values, arrays

    def set_state(self, values: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restores what `get_state` returned.

        Raises:
            KeyError: if a part is missing.
        """
        self.store.set_state(values["store"], with_prefix(STORE, arrays))
        self.optimizer.set_state(values["optimizer"], with_prefix(OPTIMIZER, arrays))
        if self.result is not self.store:
            self.result.set_state(values["average"], with_prefix(AVERAGE, arrays))
