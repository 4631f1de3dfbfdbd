"""A child's training on images in memory or in a file, and what a process needs that reads a file of images."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from epnas_tf import prepare_tensorflow
from epnas_tf.children.child import ChildTrainer, child_store
from epnas_tf.config import ChildConfig
from epnas_tf.data import ImageData, Images, TrainingPipeline, evaluation_batches
from epnas_tf.data.augmentation import Augmentation
from epnas_tf.data.pixels import Pixels, StoredPixels
from epnas_tf.data.values import statistics
from epnas_tf.space import MacroSpace, NetworkShape

BATCH = 64
LAYERS = 4


def _data(pixels: Pixels) -> ImageData:
    labels = (np.arange(len(pixels)) % 10).astype(np.int32)
    few = Images(pixels[:10], labels[:10])
    one = np.ones(pixels.shape[3], np.float32)
    names, augmentation = tuple(map(str, range(10))), Augmentation.parse("crop(4),mirror")
    return ImageData("random", Images(pixels, labels), few, few, names, 127 * one, 74 * one, augmentation)


class Training:
    """One epoch of a small macro network on shared weights, again and again.

    Args:
        file: uint8 images [n, height, width, channels] as `numpy.save` writes them.
        in_memory: whether they are read into memory first.
    """

    def __init__(self, file: Path, in_memory: bool) -> None:
        prepare_tensorflow()
        data = _data(np.load(file) if in_memory else StoredPixels(file))
        config = ChildConfig(epochs=1, batch_size=BATCH)
        shape = NetworkShape(data.image_shape, 10, channels=8, num_levels=LAYERS)
        batches = TrainingPipeline(data, BATCH, config.epochs)
        validation = evaluation_batches(data.validation, data.mean, data.std)
        self._trainer = ChildTrainer(child_store(config, 0), shape, config, batches, validation)
        space = MacroSpace(LAYERS)
        self._architecture: Any = space.sample(np.random.default_rng(0))

    def train(self) -> None:
        """Trains the child."""
        self._trainer.train(self._architecture, 0)


def peak_megabytes(file: Path, batches: int) -> float:
    """Reads a file of images as a run does: its statistics and checksum, then so many batches. Returns the peak."""
    data = _data(StoredPixels(file))
    statistics(data.train.images)
    assert data.digest
    for _ in itertools.islice(TrainingPipeline(data, BATCH, 1).batches(0), batches):
        pass
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000
