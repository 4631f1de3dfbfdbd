"""Single steps of a network, without the first one's extra: ours, and `model.fit` of plain Keras."""

import itertools
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.cases import Case
from epnas_tf import prepare_tensorflow
from epnas_tf.children.child import ChildTrainer, child_store
from epnas_tf.config import ChildConfig
from epnas_tf.data.pipeline import made_ahead
from epnas_tf.export.plain import plain_model
from epnas_tf.network import Network
from epnas_tf.space import NetworkShape, build_graph


def build_model(architecture: Any, shape: NetworkShape) -> keras.Model:
    """Builds an architecture, node for node, in Keras's own layers, as a KerasTuner user would; compiled."""
    model = plain_model(build_graph(architecture, shape), shape.image_shape)
    optimizer = keras.optimizers.SGD(0.05, 0.9, nesterov=True, global_clipnorm=5.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def one_batch(case: Case, batch_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns random images, normalised, and random labels."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch_size, *case.image_shape), np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, case.num_classes, batch_size), tf.int32)


class OneBatch:
    """Training batches that are all the same one, so that making them costs nothing.

    Args:
        case: the networks.
        batch_size: images of the batch.
        steps: how often it comes.
    """

    def __init__(self, case: Case, batch_size: int, steps: int) -> None:
        self.dataset = made_ahead(tf.data.Dataset.from_tensors(one_batch(case, batch_size)).repeat())
        self.element_spec = self.dataset.element_spec
        self.steps = steps

    def batches(self, seed: int) -> tf.data.Dataset:
        """Returns the batches; the seed changes nothing."""
        del seed
        return self.dataset


class OurSteps:
    """Steps as `epnas-search` takes them, in its loop inside the graph and with its settings of TensorFlow.

    Args:
        case: the networks.
        batch_size: images of a step.
        steps: steps at a time.
        grappler: whether Grappler's passes are on, which a search turns off.
    """

    def __init__(self, case: Case, batch_size: int, steps: int, grappler: bool = False) -> None:
        config = ChildConfig(batch_size=batch_size)
        prepare_tensorflow(config.xla, long_runs=grappler)
        self._case, self._steps = case, steps
        self._batches = OneBatch(case, batch_size, steps)
        self._validation = self._batches.dataset.take(steps)
        self._store = child_store(config, seed=0)
        self._trainer = ChildTrainer(self._store, case.shape, config, self._batches, self._validation)

    def prepare(self, architecture: Any) -> None:
        """Makes the network that is measured from now on, and takes all that is slow at first."""
        network = Network(architecture, self._case.shape, self._store)
        child = self._trainer.trace(network)
        self._fit, self._evaluate, self._values = child.fit, child.evaluate, child.layout.read()
        self.train()
        self.evaluate()

    def train(self) -> float:
        """Returns the seconds of a training step, on one batch over and over."""
        began = time.perf_counter()
        steps, _, values = self._fit(self._batches.batches(seed=0), self._values)
        float(values.weights[0])  # a GPU may still be at it
        seconds = time.perf_counter() - began
        if int(steps) != self._steps:
            raise ValueError(f"The loss was not finite. Received: {int(steps)} of {self._steps} steps")
        return seconds / self._steps

    def evaluate(self) -> float:
        """Returns the seconds of an evaluation step."""
        began = time.perf_counter()
        _, _, count = self._evaluate(self._validation, self._values)
        float(count)
        return (time.perf_counter() - began) / self._steps


class StepClock(keras.callbacks.Callback):
    """Notes when each step ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ends.append(time.perf_counter())

    on_test_batch_end = on_train_batch_end

    @property
    def seconds(self) -> float:
        """The mean time from one end to the next."""
        pauses = [after - before for before, after in itertools.pairwise(self.ends)]
        return sum(pauses) / len(pauses)


class KerasSteps:
    """Steps of `model.fit` and `model.evaluate`, of the same network in plain Keras layers; TensorFlow as it comes.

    The batches are those of the other competitor: made ahead, without `tf.data`'s tuning.

    What Keras does before the first step and after the last one is left out.

    Args:
        case: the networks.
        batch_size: images of a step.
        steps: steps at a time.
    """

    def __init__(self, case: Case, batch_size: int, steps: int) -> None:
        self._case, self._steps = case, steps
        self._dataset = OneBatch(case, batch_size, steps).dataset

    def prepare(self, architecture: Any) -> None:
        """Makes the network that is measured from now on, and takes all that is slow at first."""
        keras.backend.clear_session()
        self._model = build_model(architecture, self._case.shape)
        self.train()
        self.evaluate()

    def train(self) -> float:
        """Returns the seconds of a training step, on one batch over and over."""
        clock = StepClock()
        self._model.fit(self._dataset, steps_per_epoch=self._steps + 1, shuffle=False, verbose=0, callbacks=[clock])
        return clock.seconds

    def evaluate(self) -> float:
        """Returns the seconds of an evaluation step."""
        clock = StepClock()
        self._model.evaluate(self._dataset, steps=self._steps + 1, verbose=0, callbacks=[clock])
        return clock.seconds
