"""What the layer of every operation must do: `check_layer` (after Keras's `run_layer_test`)."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Shape = tuple[int, ...]
Shapes = Shape | list[Shape]

# Two float32 executions of the same layer may add in another order (fused or not, graph or eager): a few units in the
# last place of sums of at most some hundred terms of size one.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
# bfloat16 keeps 8 bits, so each product is off by up to 0.4 %; batch norm brings the outputs to size one, and two or
# three roundings one after the other stay below this. A wrong formula is off by a multiple of it.
CLOSE_IN_BFLOAT16 = {"rtol": 0.1, "atol": 0.1}


def check_layer(
    make: Callable[..., keras.layers.Layer],
    input_shape: Shapes,
    expected_output_shape: Shape,
    expected_parameters: int,
    mixed_output_dtype: str = "bfloat16",
) -> None:
    """Fails unless a layer is a good Keras layer and its initial values follow from its seed.

    Args:
        make: makes the layer, not built; takes `seed` and what `keras.layers.Layer` takes.
        input_shape: with the batch; a list of shapes for a layer that joins several inputs.
        expected_output_shape: with the batch.
        expected_parameters: trainable ones.
        mixed_output_dtype: the output's dtype under the policy mixed_bfloat16.
    """
    inputs = random_inputs(input_shape)
    _check_build(make, inputs, input_shape, expected_parameters)
    _check_config(make, inputs)
    _check_shapes(make, inputs, input_shape, expected_output_shape)
    _check_graph(make, inputs)
    _check_training(make, inputs)
    _check_relu(make, inputs)
    _check_mixed_precision(make, inputs, input_shape, mixed_output_dtype)
    _check_saving(make, inputs, input_shape)
    _check_seeds(make, inputs)


def _check_relu(make: Callable[..., keras.layers.Layer], inputs: Any) -> None:
    layer = make(seed=0)
    if not getattr(layer, "begins_with_relu", False):
        return
    expected = layer(inputs)  # half of the inputs are below 0
    np.testing.assert_array_equal(layer(tf.nn.relu(inputs), activated=True), expected)
    assert np.any(layer(inputs, activated=True) != expected), "With `activated=True` there must be no ReLU."


def random_inputs(shape: Shapes, seed: int = 0) -> Any:
    """Returns normal float32 values, a list of tensors for a list of shapes."""
    rng = np.random.default_rng(seed)
    shapes = shape if isinstance(shape, list) else [shape]
    tensors = [tf.constant(rng.normal(size=one), tf.float32) for one in shapes]
    return tensors if isinstance(shape, list) else tensors[0]


def randomize(layer: keras.layers.Layer, seed: int = 0) -> None:
    """Gives a layer values that no initialiser would: above 0, as a variance has to be."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(0.5, 1.5, weight.shape).astype(np.float32) for weight in layer.weights])


def _symbolic(shape: Shapes, batch: bool = False) -> Any:
    if isinstance(shape, list):
        return [_symbolic(one) for one in shape]
    return keras.Input(batch_shape=shape) if batch else keras.Input(shape[1:])


def _called(make: Callable[..., keras.layers.Layer], inputs: Any, **kwargs: Any) -> keras.layers.Layer:
    layer = make(**kwargs)
    layer(inputs)
    return layer


def _assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def _check_build(make: Callable[..., keras.layers.Layer], inputs: Any, shape: Shapes, parameters: int) -> None:
    """`build` alone makes all variables: a store builds layers without calling them."""
    layer = make()
    assert not layer.weights
    layer.build(shape)
    assert layer.built
    assert sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights) == parameters
    paths = [weight.path for weight in layer.weights]
    assert len(set(paths)) == len(paths)
    layer(inputs)
    assert [weight.path for weight in layer.weights] == paths


def _check_config(make: Callable[..., keras.layers.Layer], inputs: Any) -> None:
    """The config is JSON and says all: the layer made from it starts with the same values and gives the same output."""
    layer = make(seed=5)
    config = json.loads(json.dumps(keras.layers.serialize(layer)))
    again = keras.layers.deserialize(config)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(again(inputs), layer(inputs))
    _assert_same(again.get_weights(), layer.get_weights())


def _check_shapes(make: Callable[..., keras.layers.Layer], inputs: Any, shape: Shapes, expected: Shape) -> None:
    layer = make()
    outputs = layer(inputs)
    assert tuple(outputs.shape) == expected
    assert tuple(layer.compute_output_shape(shape)) == expected
    for batch in (True, False):
        symbolic = make()(_symbolic(shape, batch))
        assert symbolic.shape == (expected if batch and not isinstance(shape, list) else (None, *expected[1:]))
        assert symbolic.dtype == outputs.dtype.name
    unknown = [(None, None, None, one[-1])[-len(one) :] for one in (shape if isinstance(shape, list) else [shape])]
    found = layer.compute_output_shape(unknown if isinstance(shape, list) else unknown[0])
    assert len(found) == len(expected)
    assert found[-1] == expected[-1]


def _check_graph(make: Callable[..., keras.layers.Layer], inputs: Any) -> None:
    """A `tf.function` gives the outputs and leaves the variables that an eager call does."""
    layer = _called(make, inputs)
    for training in (False, True):
        randomize(layer)
        expected, expected_weights = layer(inputs, training=training), layer.get_weights()
        randomize(layer)
        function = tf.function(partial(layer, training=training), autograph=False)
        np.testing.assert_allclose(function(inputs), expected, **CLOSE)
        for one, other in zip(layer.get_weights(), expected_weights, strict=True):
            np.testing.assert_allclose(one, other, **CLOSE)


def _gradients(layer: keras.layers.Layer, inputs: Any, training: bool) -> tuple[list[Any], list[Any]]:
    """Returns the gradients of a random linear function of the outputs: by the inputs, by the trainable variables."""
    sources = inputs if isinstance(inputs, list) else [inputs]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = tf.cast(layer(inputs, training=training), tf.float32)
        loss = tf.reduce_sum(outputs * random_inputs(tuple(outputs.shape), seed=1))
    gradients = tape.gradient(loss, [*sources, *(variable.value for variable in layer.trainable_variables)])
    return gradients[: len(sources)], gradients[len(sources) :]


def _check_training(make: Callable[..., keras.layers.Layer], inputs: Any) -> None:
    """Every trainable variable and input has a gradient; only training moves the others; inference moves nothing."""
    layer = _called(make, inputs)
    before = layer.get_weights()
    by_inputs, _ = _gradients(layer, inputs, training=False)
    _assert_same(layer.get_weights(), before)
    by_inputs_in_training, by_variables = _gradients(layer, inputs, training=True)
    for gradient in [*by_inputs, *by_inputs_in_training, *by_variables]:
        assert gradient is not None
        assert np.isfinite(gradient).all()
        assert np.any(gradient != 0)
    for weight, old in zip(layer.weights, before, strict=True):
        changed = not np.array_equal(weight.numpy(), old)
        assert changed == (not weight.trainable), weight.path


def _check_mixed_precision(
    make: Callable[..., keras.layers.Layer], inputs: Any, shape: Shapes, output_dtype: str
) -> None:
    """Under a mixed policy variables stay float32 and outputs are in the compute dtype, near those of float32."""
    plain, mixed = _called(make, inputs), _called(make, inputs, dtype="mixed_bfloat16")
    for training in (False, True):
        outputs = mixed(inputs, training=training)
        assert outputs.dtype.name == output_dtype
        np.testing.assert_allclose(tf.cast(outputs, tf.float32), plain(inputs, training=training), **CLOSE_IN_BFLOAT16)
    assert {weight.dtype for weight in mixed.weights} <= {"float32"}
    assert all(gradient.dtype == tf.float32 for gradient in _gradients(mixed, inputs, training=True)[1])
    assert make(dtype="mixed_bfloat16")(_symbolic(shape)).dtype == output_dtype


def _check_saving(make: Callable[..., keras.layers.Layer], inputs: Any, shape: Shapes) -> None:
    """A functional model with the layer goes to a .keras file and back, values and outputs bit for bit."""
    symbolic, layer = _symbolic(shape), make()
    model = keras.Model(symbolic, layer(symbolic))
    randomize(layer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
    _assert_same(loaded.get_weights(), model.get_weights())
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def _check_seeds(make: Callable[..., keras.layers.Layer], inputs: Any) -> None:
    """The seed alone decides the kernels, each has values of its own, and nothing else depends on it."""
    first = _called(make, inputs, seed=1)
    keras.utils.set_random_seed(99)
    _called(make, inputs, seed=3)  # a layer made between must not matter
    again, other = _called(make, inputs, seed=1), _called(make, inputs, seed=2)
    _assert_same(again.get_weights(), first.get_weights())
    kernels = [weight.numpy() for weight in first.weights if "kernel" in weight.path]
    for weight, values in zip(other.weights, first.get_weights(), strict=True):
        assert np.array_equal(weight.numpy(), values) == ("kernel" not in weight.path), weight.path
    starts = {tuple(kernel.ravel()[:2]) for kernel in kernels}
    assert len(starts) == len(kernels)
