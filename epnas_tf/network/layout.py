"""The variables of some layers as three flat arrays, so that a graph is handed three tensors and not hundreds.

A child's graph is traced and started anew each time, and how long that takes follows from its number of operations.
With the values as tensors, the optimiser is some ten operations whatever the network, and no variable is captured.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.network.store import Arrays, Reader, VariableStore, flat
from epnas_tf.space.graph import Key


class FlatValues(NamedTuple):
    """The values of some layers' variables, each float32 [n]: arrays outside a graph, tensors inside.

    Attributes:
        weights: the trainable variables.
        momentum: theirs, as many.
        statistics: the other variables, the moving statistics of batch norms.
    """

    weights: Any
    momentum: Any
    statistics: Any


class Layout:
    """Where the variables of some layers lie in flat arrays.

    Args:
        store: holds the layers, which must be made.
        keys: the layers, in the order in which they are to lie.

    Attributes:
        store: the store.
        keys: the layers.
        weights: where their trainable variables lie, and as well the momentum of these.
        statistics: where their other variables lie.
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
        """What the flat tensors are, as `tf.TensorSpec`s."""
        sizes = (self.weights.size, self.weights.size, self.statistics.size)
        return FlatValues(*(tf.TensorSpec([size], tf.float32) for size in sizes))

    def read(self) -> FlatValues:
        """Returns the store's values, with no momentum (zeros): the store knows of none."""
        weights: Arrays = []
        statistics: Arrays = []
        for key in self.keys:
            for array, trained in zip(self.store.values(key), self._is_trained[key], strict=True):
                (weights if trained else statistics).append(array)
        return FlatValues(flat(weights), np.zeros(self.weights.size, np.float32), flat(statistics))

    def write(self, values: FlatValues) -> None:
        """Gives the store new values, as arrays; it takes no momentum."""
        weights, statistics = self.weights.arrays(values.weights), self.statistics.arrays(values.statistics)
        for key in self.keys:
            trained, others = iter(weights[key]), iter(statistics[key])
            arrays = [next(trained if is_trained else others) for is_trained in self._is_trained[key]]
            self.store.assign(key, arrays)


class Part:
    """Some variables of each layer in one flat array.

    Attributes:
        size: of the array.
        sizes: of the part of each layer that has any.
    """

    def __init__(self, variables: dict[Key, list[keras.Variable]]) -> None:
        self._shapes = {key: [tuple(variable.shape) for variable in of_layer] for key, of_layer in variables.items()}
        sizes = {key: sum(int(np.prod(shape)) for shape in shapes) for key, shapes in self._shapes.items()}
        self.sizes = {key: size for key, size in sizes.items() if size}
        self.size = sum(self.sizes.values())

    def filled(self, value_of: Callable[[tuple[int, ...]], float]) -> Float32Array:
        """Returns a flat array in which all of a variable's part is what `value_of` gives for the variable's shape."""
        shapes = [shape for of_layer in self._shapes.values() for shape in of_layer]
        return np.repeat(
            np.array([value_of(shape) for shape in shapes], np.float32), [int(np.prod(shape)) for shape in shapes]
        )

    def arrays(self, values: Float32Array) -> dict[Key, Arrays]:
        """Returns each layer's part of a flat array, as views of it."""
        reader = Reader(values)
        return {key: reader.take(shapes) for key, shapes in self._shapes.items()}

    def split(self, values: tf.Tensor) -> dict[Key, tf.Tensor]:
        """Returns the part of each layer that has any, flat, out of a flat tensor."""
        sizes = self.sizes
        return dict(zip(sizes, tf.split(values, list(sizes.values())), strict=True)) if sizes else {}

    def join(self, parts: dict[Key, tf.Tensor]) -> tf.Tensor:
        """Returns one flat tensor; the opposite of `split`."""
        return tf.concat([parts[key] for key in self.sizes], 0) if self.sizes else tf.zeros([0])
