"""Tiny data sets and trainers for tests that train children."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from epnas_tf.children.child import ChildTrainer
from epnas_tf.config import ChildConfig


class ArrayBatches:
    """`TrainingBatches` over arrays: whole batches of each epoch's own order."""

    def __init__(self, images, labels, batch_size, epochs):
        self.images, self.labels = images, labels
        self.batch_size, self.epochs = batch_size, epochs
        self.steps = epochs * (len(images) // batch_size)
        self.element_spec = self.batches(0).element_spec

    def batches(self, seed):
        rng = np.random.default_rng(seed)
        whole = len(self.images) // self.batch_size * self.batch_size
        order = np.concatenate([rng.permutation(len(self.images))[:whole] for _ in range(self.epochs)])
        examples = tf.data.Dataset.from_tensor_slices((self.images[order], self.labels[order]))
        return examples.batch(self.batch_size, drop_remainder=True)


@functools.cache
def digits():
    """Returns scikit-learn's 8×8 digits: 600 to train on and 200 to validate, ((images, labels), (images, labels))."""
    data = load_digits()
    images = ((data.images - 8.0) / 8.0).astype(np.float32)[..., np.newaxis]
    labels = data.target.astype(np.int32)
    return (images[:600], labels[:600]), (images[600:800], labels[600:800])


def noise(number=24, image_shape=(8, 8, 1), classes=10, seed=0):
    """Returns random images and labels: enough where it does not matter what is learnt."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(number, *image_shape)).astype(np.float32)
    return images, rng.integers(0, classes, number, np.int32)


def trainer(store, shape, *, train=None, validation=None, batch_size=8, **settings):
    """Makes a `ChildTrainer`, on noise and for one epoch unless it is told otherwise.

    Args:
        store: the shared variables.
        shape: the shape of the networks.
        train: (images, labels).
        validation: (images, labels).
        batch_size: of the training.
        **settings: of `ChildConfig`.
    """
    config = dataclasses.replace(ChildConfig(epochs=1, batch_size=batch_size), **settings)
    images, labels = noise() if train is None else train
    held_out = tf.data.Dataset.from_tensor_slices(noise(seed=1) if validation is None else validation)
    return ChildTrainer(
        store, shape, config, ArrayBatches(images, labels, batch_size, config.epochs), held_out.batch(50)
    )
