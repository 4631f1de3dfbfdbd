"""Losses of children after some steps from given values, on the GPU or on the CPU."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.cases import Case
from epnas_tf import prepare_tensorflow
from epnas_tf.arrays import Float32Array
from epnas_tf.children.child import ChildTrainer, child_store
from epnas_tf.config import ChildConfig, DataConfig
from epnas_tf.data import TrainingPipeline, evaluation_batches, load
from epnas_tf.network import Network
from epnas_tf.network.layout import FlatValues, Layout


def rounded(values: Float32Array) -> Float32Array:
    """Rounds numbers to the 10 bits behind the first one that a GPU's TF32 has; halves away from 0."""
    return ((values.view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)


class Devices:
    """What TensorFlow finds to compute on."""

    def gpu(self) -> str:
        """Returns the name of the first GPU; "" if there is none."""
        gpus = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU") if gpus else ""


class Losses:
    """Children on the digits, each from values that are given.

    Args:
        case: the networks; the digits are brought to the height of its images, and stay grey.
        batch_size: images of a step.
        steps: steps of a child at least; it has whole epochs.
        cpu: whether the CPU trains them though there is a GPU.
    """

    def __init__(self, case: Case, batch_size: int, steps: int, cpu: bool) -> None:
        if cpu:
            tf.config.set_visible_devices([], "GPU")
        prepare_tensorflow()
        data = load(DataConfig(dataset="digits", image_size=case.image_shape[0]), seed=0)
        self._shape = dataclasses.replace(case, image_shape=data.image_shape).shape
        self._store = child_store(ChildConfig(), seed=0)
        epochs = math.ceil(steps / TrainingPipeline(data, batch_size, 1).steps)
        config = ChildConfig(batch_size=batch_size, epochs=epochs)
        self._trainer = ChildTrainer(
            self._store,
            self._shape,
            config,
            TrainingPipeline(data, batch_size, epochs),
            evaluation_batches(data.validation, data.mean, data.std),
        )

    def initial(self, architecture: Any) -> tuple[FlatValues, FlatValues]:
        """Returns values to begin from, as arrays, and the same with rounded weights."""
        values = Layout(self._store, Network(architecture, self._shape, self._store).layers).read()
        return values, values._replace(weights=rounded(values.weights))

    def losses(self, architecture: Any, starts: Sequence[FlatValues]) -> list[tuple[float, float]]:
        """Trains a child from each of several values.

        Returns:
            For each, its mean loss over all steps, and its loss on the validation images after them.
        """
        child = self._trainer.prepare(architecture)
        results = [child.run(values, seed=0).result for values in starts]
        return [(result.training_loss, result.validation_loss) for result in results]
