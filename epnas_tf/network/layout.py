"""The variables of some layers as three flat arrays, so that a graph takes three tensors and not hundreds.

Every child's graph is traced and started anew; the time grows with its number of operations. On flat tensors the
optimizer is about ten operations, whatever the network, and the graph captures no variable.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from epnas_tf.arrays import Arrays, Float32Array
from epnas_tf.errors import StateError
from epnas_tf.network.store import Reader, VariableStore, flat
from epnas_tf.space.graph import Key


class FlatValues(NamedTuple):
    """The values of some layers' variables, each float32 [n]: arrays outside a graph, tensors inside.

    Attributes:
        weights: the trainable variables.
        momentum: the momentum of each weight.
        statistics: the other variables, the moving statistics of batch norms.
    """

    weights: Any
    momentum: Any
    statistics: Any


class Layout:
    """The positions of some layers' variables in flat arrays.

    Args:
        store: holds the layers, which must exist.
        keys: the layers, in the order of the flat arrays.

    Attributes:
        store: the store.
        keys: the layers.
        weights: the positions of the trainable variables, and of their momentum.
        statistics: the positions of the other variables.
    """

    def __init__(self, store: VariableStore, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        self.store = store
        layers = {key: store[key] for key in self.keys}
        self.weights = Part({key: layer.trainable_variables for key, layer in layers.items()})
        self.statistics = Part({key: layer.non_trainable_variables for key, layer in layers.items()})
        # Which of a layer's variables, in the order of the store's values, can be trained.
        self._is_trained = {key: [variable.trainable for variable in layer.weights] for key, layer in layers.items()}

    @property
    def specs(self) -> FlatValues:
        """The `tf.TensorSpec`s of the flat tensors."""
        sizes = (self.weights.size, self.weights.size, self.statistics.size)
        return FlatValues(*(tf.TensorSpec([size], tf.float32) for size in sizes))

    def join(self, variables: Mapping[Key, Arrays], momentum: Mapping[Key, Float32Array]) -> FlatValues:
        """Joins the values of each layer, in the order of the store's, and its momentum; zero where it has none."""
        weights: Arrays = []
        statistics: Arrays = []
        # A layer's values mix trainable variables and statistics; sort them into the two arrays.
        for key in self.keys:
            for array, trained in zip(variables[key], self._is_trained[key], strict=True):
                (weights if trained else statistics).append(array)
        return FlatValues(flat(weights), self.weights.join_arrays(momentum), flat(statistics))

    def cut(self, values: FlatValues) -> tuple[dict[Key, Arrays], dict[Key, Float32Array]]:
        """Cuts flat arrays into the values of each layer and its momentum, as views: the inverse of `join`."""
        weights, statistics = self.weights.arrays(values.weights), self.statistics.arrays(values.statistics)
        variables = {}
        for key in self.keys:
            # Interleave the two again, in the order of the store's values.
            trained, others = iter(weights[key]), iter(statistics[key])
            variables[key] = [next(trained if is_trained else others) for is_trained in self._is_trained[key]]
        return variables, self.weights.cut_arrays(values.momentum)

    def read(self) -> FlatValues:
        """Reads the store's values, with zero momentum: the store holds none."""
        return self.join({key: self.store.values(key) for key in self.keys}, {})


class Part:
    """Some variables of each layer in one flat array.

    Attributes:
        size: the length of the array.
        sizes: the length of each layer's part, for layers that have any.
    """

    def __init__(self, variables: dict[Key, list[keras.Variable]]) -> None:
        self._shapes = {key: [tuple(variable.shape) for variable in of_layer] for key, of_layer in variables.items()}
        # How many numbers each layer has. A layer with none keeps an empty list of shapes, but no part.
        sizes = {key: sum(int(np.prod(shape)) for shape in shapes) for key, shapes in self._shapes.items()}
        self.sizes = {key: size for key, size in sizes.items() if size}
        self.size = sum(self.sizes.values())

    def filled(self, value_of: Callable[[tuple[int, ...]], float]) -> Float32Array:
        """A flat array with one number for each variable, repeated: `value_of` the variable's shape."""
        shapes = [shape for of_layer in self._shapes.values() for shape in of_layer]
        # One number a variable, repeated over the variable's length: float32 [size].
        return np.repeat(
            np.array([value_of(shape) for shape in shapes], np.float32), [int(np.prod(shape)) for shape in shapes]
        )

    def arrays(self, values: Float32Array) -> dict[Key, Arrays]:
        """Splits a flat array into the arrays of each layer, as views."""
        reader = Reader(values)
        return {key: reader.take(shapes) for key, shapes in self._shapes.items()}

    def join_arrays(self, parts: Mapping[Key, Float32Array]) -> Float32Array:
        """Joins the flat part of each layer; zeros where one is missing.

        Raises:
            StateError: if a part has another size: it was restored from a state of other networks.
        """
        arrays = [parts.get(key, np.zeros(size, np.float32)) for key, size in self.sizes.items()]
        for (key, size), part in zip(self.sizes.items(), arrays, strict=True):
            if part.size != size:
                raise StateError(f"The momentum of {key} must be {size} numbers. Received: {part.size}")
        return flat(arrays)

    def cut_arrays(self, values: Float32Array) -> dict[Key, Float32Array]:
        """Cuts a flat array into the flat part of each layer that has any, as views."""
        reader = Reader(values)
        return {key: reader.take([[size]])[0] for key, size in self.sizes.items()}

    def split(self, values: tf.Tensor) -> dict[Key, tf.Tensor]:
        """Splits a flat tensor into the flat part of each layer that has any."""
        sizes = self.sizes
        return dict(zip(sizes, tf.split(values, list(sizes.values())), strict=True)) if sizes else {}

    def join(self, parts: dict[Key, tf.Tensor]) -> tf.Tensor:
        """Joins the parts into one flat tensor: the inverse of `split`."""
        return tf.concat([parts[key] for key in self.sizes], 0) if self.sizes else tf.zeros([0])
