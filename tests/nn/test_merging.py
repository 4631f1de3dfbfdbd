"""Joined sources: kernels held apart do what one kernel over the concatenated sources does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.nn import operation
from tests.nn.conformance import random_inputs, randomize

# Sums of at most twelve products of size one, added in another order, then brought to size one by a batch norm.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}

SOURCES = [(4, 6, 5, channels) for channels in (3, 2, 4)]


def made(kind, shape, channels=4):
    layer = operation(kind).make_layer(channels=channels, stride=1)
    layer.build(shape)
    randomize(layer)
    return layer


@pytest.mark.parametrize("training", [False, True])
def test_projections_and_sum_are_one_convolution_of_the_concatenation(training):
    sources = [random_inputs(shape, seed) for seed, shape in enumerate(SOURCES)]
    projections = [made("source_projection", shape) for shape in SOURCES]
    for number, projection in enumerate(projections):
        randomize(projection, number)
    merge = made("sum_batch_norm", [(4, 6, 5, 4)])

    convolution = keras.layers.Conv2D(4, 1, use_bias=False)
    convolution.build((None, None, None, 9))
    convolution.set_weights([np.concatenate([projection.kernels[0].numpy() for projection in projections], axis=2)])
    norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    norm.build((None, None, None, 4))
    norm.set_weights(merge.get_weights())
    expected = norm(convolution(tf.nn.relu(tf.concat(sources, axis=-1))), training=training)

    found = merge(
        [projection(source) for projection, source in zip(projections, sources, strict=True)], training=training
    )
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_pooled_parts_are_one_classifier_of_the_concatenation():
    sources = [random_inputs(shape, seed) for seed, shape in enumerate(SOURCES)]
    parts = [made("pooled_dense", shape, channels=10) for shape in SOURCES]
    for number, part in enumerate(parts):
        randomize(part, number)
    total = made("sum_bias", [(4, 10)], channels=10)

    pooled = np.maximum(np.concatenate(sources, axis=-1), 0).mean(axis=(1, 2))
    expected = pooled @ np.concatenate([part.kernel.numpy() for part in parts]) + total.bias.numpy()
    found = total([part(source) for part, source in zip(parts, sources, strict=True)])
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize("kind", ["sum", "sum_bias"])
def test_sums_add(kind):
    shape = (2, 3, 3, 4) if kind == "sum" else (2, 4)
    inputs = [random_inputs(shape, seed) for seed in range(3)]
    layer = operation(kind).make_layer(channels=4, stride=1)
    # A sum of three: one rounding more or less.
    np.testing.assert_allclose(layer(inputs), sum(x.numpy() for x in inputs), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer(inputs[:1]), inputs[0])
