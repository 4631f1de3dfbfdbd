"""The fused batch norm against Keras's own, which is made of elementary operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.nn import FusedBatchNormalization

# Both compute mean and variance in float32 but add in another order, so they differ by some units in the last place
# (1.2e-7) of sums over at most 128 values of size one.
CLOSE = {"rtol": 2e-5, "atol": 2e-5}

SHAPES = {
    "images": (8, 4, 4, 3),
    "odd_sizes": (3, 5, 7, 2),
    "one_image": (1, 6, 6, 3),
    "one_pixel_images": (16, 1, 1, 4),
    "one_image_of_one_pixel": (1, 1, 1, 4),
}


def made(cls, channels, **kwargs):
    layer = cls(momentum=0.9, epsilon=1e-5, **kwargs)
    layer.build((None, None, None, channels))
    rng = np.random.default_rng(1)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        getattr(layer, name).assign(rng.uniform(0.5, 2.0, channels))
    return layer


def pair(channels):
    return made(FusedBatchNormalization, channels), made(keras.layers.BatchNormalization, channels)


def batch(shape, seed, mean=0.5, std=2.0):
    return tf.constant(np.random.default_rng(seed).normal(mean, std, shape), tf.float32)


def outputs_and_gradients(layer, inputs, training):
    weights = batch(inputs.shape, 7)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        loss = tf.reduce_sum(outputs * weights)
    return outputs, *tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_outputs_and_gradients_are_those_of_keras(shape, training):
    fused, plain = pair(shape[-1])
    inputs = batch(shape, 0)
    names = ["outputs", "gradient by inputs", "by gamma", "by beta"]
    found, expected = (outputs_and_gradients(layer, inputs, training) for layer in (fused, plain))
    for name, one, other in zip(names, found, expected, strict=True):
        np.testing.assert_allclose(one, other, **CLOSE, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_moving_statistics_are_those_of_keras_after_several_steps(shape):
    fused, plain = pair(shape[-1])
    before = fused.get_weights()
    for step in range(5):
        inputs = batch(shape, step, mean=step)
        fused(inputs, training=True)
        plain(inputs, training=True)
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_allclose(getattr(fused, name), getattr(plain, name), **CLOSE, err_msg=name)
    assert not np.array_equal(fused.moving_mean, before[2])
    inputs = batch(shape, 9)
    np.testing.assert_allclose(fused(inputs), plain(inputs), **CLOSE)


def test_moving_statistics_by_hand():
    """Mean 2 and biased variance 1 of the values 1 and 3, a tenth of the way from 0 and 1."""
    layer = FusedBatchNormalization(momentum=0.9)
    layer(tf.constant([1.0, 3.0], shape=(2, 1, 1, 1)), training=True)
    np.testing.assert_allclose(layer.moving_mean, [0.2], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, [1.0], rtol=1e-6)  # 0.9 * 1 + 0.1 * 1; unbiased would give 1.1


def test_values_far_from_zero_keep_their_variance():
    """At mean 1000 a difference of squares would lose the variance to rounding; 1e-2 is 1000 * 2^-24 / 0.006."""
    fused, plain = pair(2)
    inputs = batch((8, 6, 6, 2), 0, mean=1000.0, std=1.0)
    np.testing.assert_allclose(fused(inputs, training=True), plain(inputs, training=True), atol=1e-2)


def test_defaults_are_those_of_enas():
    layer = FusedBatchNormalization()
    assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)


def test_inference_changes_no_variable():
    layer, _ = pair(3)
    before = layer.get_weights()
    layer(batch((4, 3, 3, 3), 0))
    layer(batch((4, 3, 3, 3), 0), training=False)
    for one, other in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_statistics_stay_float32_under_mixed_precision():
    mixed, plain = made(FusedBatchNormalization, 3, dtype="mixed_bfloat16"), made(FusedBatchNormalization, 3)
    inputs = tf.cast(tf.cast(batch((8, 4, 4, 3), 0), tf.bfloat16), tf.float32)  # values that bfloat16 holds
    assert mixed(inputs, training=True).dtype == tf.bfloat16
    plain(inputs, training=True)
    # The statistics are taken in float32, so they are as exact as without the policy.
    np.testing.assert_allclose(mixed.moving_mean, plain.moving_mean, **CLOSE)
    np.testing.assert_allclose(mixed.moving_variance, plain.moving_variance, **CLOSE)
