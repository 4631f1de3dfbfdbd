"""The operations against Keras's layers with the same weights, and against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.nn import FactorizedReduction, operation
from tests.nn.conformance import random_inputs, randomize

# The same sums of at most 25 * 3 products of size one in float32, added in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}

IMAGES = [(2, 8, 8, 3), (2, 7, 5, 3), (1, 9, 6, 1)]
SIZES_AND_STRIDES = pytest.mark.parametrize(
    ("shape", "stride"), [(shape, stride) for shape in IMAGES for stride in (1, 2)]
)


def keras_batch_norm(layer):
    """Returns Keras's batch norm with the values of a layer's own."""
    norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    norm.build((None, None, None, layer.channels))
    norm.set_weights(layer.batch_norm.get_weights())
    return norm


def assert_same_function(layer, inputs, parts):
    """Compares a layer with Keras layers one after the other: inference first, as training moves the statistics."""
    for training in (False, True):
        expected = inputs
        for part in parts:
            expected = part(expected, training=training) if "norm" in part.name else part(expected)
        np.testing.assert_allclose(layer(inputs, training=training), expected, **CLOSE)
    np.testing.assert_allclose(layer.batch_norm.moving_variance, parts[-1].moving_variance, **CLOSE)


def made(kind, shape, stride=1, channels=4):
    layer = operation(kind).make_layer(channels=channels, stride=stride)
    layer.build(shape)
    randomize(layer)
    return layer


@pytest.mark.parametrize(("kind", "size"), [("conv_3x3", 3), ("conv_5x5", 5)])
@SIZES_AND_STRIDES
def test_convolution_is_relu_conv2d_and_batch_norm(kind, size, shape, stride):
    layer = made(kind, shape, stride)
    convolution = keras.layers.Conv2D(4, size, stride, padding="same", use_bias=False)
    convolution.build(shape)
    convolution.set_weights([layer.kernel.numpy()])
    assert_same_function(layer, random_inputs(shape), [keras.layers.ReLU(), convolution, keras_batch_norm(layer)])


def test_stem_has_no_relu():
    shape = (2, 8, 8, 3)
    layer = made("stem", shape)
    convolution = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)
    convolution.build(shape)
    convolution.set_weights([layer.kernel.numpy()])
    assert_same_function(layer, random_inputs(shape), [convolution, keras_batch_norm(layer)])


@pytest.mark.parametrize(("kind", "size"), [("sep_conv_3x3", 3), ("sep_conv_5x5", 5)])
@SIZES_AND_STRIDES
def test_separable_convolution_is_relu_separable_conv2d_and_batch_norm(kind, size, shape, stride):
    layer = made(kind, shape, stride)
    convolution = keras.layers.SeparableConv2D(4, size, stride, padding="same", use_bias=False)
    convolution.build(shape)
    convolution.set_weights([layer.depthwise_kernel.numpy(), layer.pointwise_kernel.numpy()])
    assert_same_function(layer, random_inputs(shape), [keras.layers.ReLU(), convolution, keras_batch_norm(layer)])


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [("max_pool_3x3", keras.layers.MaxPooling2D), ("average_pool_3x3", keras.layers.AveragePooling2D)],
)
@SIZES_AND_STRIDES
def test_pooling_is_that_of_keras(kind, pooling, shape, stride):
    """Exactly: a maximum does not round, and a mean of nine values is one and the same kernel."""
    inputs = random_inputs(shape)
    expected = pooling(3, stride, padding="same")(inputs)
    np.testing.assert_array_equal(operation(kind).make_layer(channels=shape[-1], stride=stride)(inputs), expected)


@SIZES_AND_STRIDES
def test_the_gradient_of_max_pooling_is_kept_out_of_a_loops_graph(shape, stride):
    """In a graph with a cycle TensorFlow may give it either of two kernels, whose last bits differ."""
    layer = operation("max_pool_3x3").make_layer(channels=shape[-1], stride=stride)

    @tf.function(autograph=False)
    def gradient(inputs, training):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
        return tape.gradient(outputs, inputs, tf.abs(outputs) + 1.0)

    inputs = tf.constant(random_inputs(shape))
    np.testing.assert_array_equal(gradient(inputs, True), gradient(inputs, False))
    in_training, plain = (
        {operation.type for operation in gradient.get_concrete_function(inputs, training).graph.get_operations()}
        for training in (True, False)
    )
    assert "MaxPoolGrad" in plain
    assert "MaxPoolGrad" not in in_training


@pytest.mark.parametrize("stride", [1, 2])
def test_average_pooling_leaves_the_padding_out(stride):
    np.testing.assert_array_equal(
        operation("average_pool_3x3").make_layer(channels=1, stride=stride)(tf.ones((1, 7, 8, 1))), 1.0
    )


def test_identity_returns_its_input():
    inputs = random_inputs((2, 7, 5, 3))
    np.testing.assert_array_equal(operation("identity").make_layer(channels=3, stride=1)(inputs), inputs)
    assert isinstance(operation("identity").make_layer(channels=3, stride=2), FactorizedReduction)


def reduced(image, first, second):
    """Returns the factorised reduction of one image [height, width, inputs], pixel by pixel."""
    height, width, _ = image.shape
    outputs = np.zeros(((height + 1) // 2, (width + 1) // 2, first.shape[1] + second.shape[1]))
    for row, column in np.ndindex(outputs.shape[:2]):
        pixel = np.maximum(image[2 * row, 2 * column], 0)
        inside = 2 * row + 1 < height and 2 * column + 1 < width
        next_pixel = np.maximum(image[2 * row + 1, 2 * column + 1], 0) if inside else np.zeros(len(pixel))
        outputs[row, column] = np.concatenate([pixel @ first, next_pixel @ second])
    return outputs


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (9, 6), (2, 3), (1, 1)])
@pytest.mark.parametrize("channels", [4, 5])
@pytest.mark.parametrize("kind", ["factorized_reduction", "source_projection"])
def test_factorised_reduction_pixel_by_pixel(size, channels, kind):
    """Odd sizes are rounded up and the second path sees zeros beyond the border; an odd channel goes to the first."""
    shape = (2, *size, 3)
    layer = made(kind, shape, stride=2, channels=channels)
    kernels = [kernel.numpy()[0, 0] for kernel in layer.kernels]
    assert [kernel.shape[1] for kernel in kernels] == [(channels + 1) // 2, channels // 2]
    inputs = random_inputs(shape)
    expected = np.stack([reduced(image, *kernels) for image in inputs.numpy()])
    if kind == "factorized_reduction":
        norm = layer.batch_norm
        scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + 1e-5)
        expected = (expected - norm.moving_mean.numpy()) * scale + norm.beta.numpy()
    np.testing.assert_allclose(layer(inputs), expected, **CLOSE)


def test_the_second_path_sees_pixels_that_the_first_leaves_out():
    layer = made("factorized_reduction", (1, 8, 8, 3))
    inputs = tf.Variable(tf.abs(random_inputs((1, 8, 8, 3))) + 1.0)
    with tf.GradientTape(persistent=True) as tape:
        outputs = layer(inputs)
        paths = [tf.reduce_sum(outputs[..., :2]), tf.reduce_sum(outputs[..., 2:])]
    first, second = (tape.gradient(path, inputs).numpy()[0].any(axis=-1) for path in paths)
    expected = np.zeros((2, 8, 8), bool)
    expected[0, ::2, ::2] = expected[1, 1::2, 1::2] = True
    np.testing.assert_array_equal([first, second], expected)
