"""The variables of some layers as three flat arrays, so that a graph is handed three tensors and not hundreds.

A child's graph is traced and started anew each time, and how long that takes follows from its number of operations.
With the values as tensors, the optimiser is some ten operations whatever the network, and nothing is captured.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.network.graph import Key
from epnas_tf.network.store import Arrays, VariableStore, flat


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
        keys: the layers.
    """

    def __init__(self, store: VariableStore, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        self._store = store
        layers = [store[key] for key in self.keys]
        self._weights = _Part([layer.trainable_variables for layer in layers])
        self._statistics = _Part([layer.non_trainable_variables for layer in layers])
        self._where = {key: position for position, key in enumerate(self.keys)}
        # Which of a layer's variables, in the order of the store's values, can be trained.
        self._is_trained = [[variable.trainable for variable in layer.weights] for layer in layers]

    def read(self) -> FlatValues:
        """Returns the store's values."""
        weights: Arrays = []
        momentum: Arrays = []
        statistics: Arrays = []
        for key, is_trained in zip(self.keys, self._is_trained, strict=True):
            values, slots = self._store.values(key)
            for array, trained in zip(values, is_trained, strict=True):
                (weights if trained else statistics).append(array)
            momentum += slots
        return FlatValues(*(flat(arrays) for arrays in (weights, momentum, statistics)))

    def write(self, values: FlatValues, keys: Iterable[Key]) -> None:
        """Gives the store new values.

        Args:
            values: the values of all layers, as arrays.
            keys: the layers that are to get theirs.
        """
        weights, momentum, statistics = (
            part.arrays(array)
            for part, array in zip((self._weights, self._weights, self._statistics), values, strict=True)
        )
        for key in keys:
            position = self._where[key]
            trained, others = iter(weights[position]), iter(statistics[position])
            arrays = [next(trained if is_trained else others) for is_trained in self._is_trained[position]]
            self._store.assign(key, (arrays, momentum[position]))

    def weights(self, values: tf.Tensor) -> dict[Key, list[tf.Tensor]]:
        """Returns each layer's trainable variables as tensors, cut out of a flat one."""
        return dict(zip(self.keys, self._weights.tensors(values), strict=True))

    def join(self, parts: dict[Key, list[tf.Tensor]]) -> tf.Tensor:
        """Returns tensors of the shapes of the trainable variables as one flat one; the opposite of `weights`."""
        return _joined([parts[key] for key in self.keys])

    @contextlib.contextmanager
    def used(self, weights: dict[Key, list[tf.Tensor]], statistics: tf.Tensor) -> Iterator["Moved"]:
        """Lets the layers compute with these tensors in place of their variables.

        Args:
            weights: of each layer, as `weights` gives them.
            statistics: all statistics, flat.

        Yields:
            Tells what the statistics have become.
        """
        parts = self._statistics.tensors(statistics)
        mapping = [
            *zip(self._weights.variables, (t for key in self.keys for t in weights[key]), strict=True),
            *zip(self._statistics.variables, (t for tensors in parts for t in tensors), strict=True),
        ]
        with keras.StatelessScope(mapping) as scope:
            yield Moved(self._statistics, scope)


class Moved:
    """What the statistics have become within `Layout.used`."""

    def __init__(self, part: "_Part", scope: keras.StatelessScope) -> None:
        self._part, self._scope = part, scope

    def statistics(self) -> tf.Tensor:
        """Returns all statistics, flat."""
        return _joined([[self._scope.get_current_value(variable) for variable in self._part.variables]])


class _Part:
    """Some variables of each layer in one flat array."""

    def __init__(self, variables: list[list[keras.Variable]]) -> None:
        self.variables = [variable for of_layer in variables for variable in of_layer]
        self._counts = [len(of_layer) for of_layer in variables]
        self._shapes = [tuple(variable.shape) for variable in self.variables]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]

    def arrays(self, values: npt.NDArray[np.float32]) -> list[list[npt.NDArray[np.float32]]]:
        """Returns each layer's part of a flat array, as views of it."""
        parts = np.split(values, np.cumsum(self._sizes)[:-1]) if self._sizes else []
        return self._by_layer([part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)])

    def tensors(self, values: tf.Tensor) -> list[list[tf.Tensor]]:
        """Returns each layer's part of a flat tensor."""
        parts = tf.split(values, self._sizes) if self._sizes else []
        return self._by_layer(
            [
                part if len(shape) == 1 else tf.reshape(part, shape)
                for part, shape in zip(parts, self._shapes, strict=True)
            ]
        )

    def _by_layer(self, parts: list[Any]) -> list[list[Any]]:
        remaining = iter(parts)
        return [[next(remaining) for _ in range(count)] for count in self._counts]


def _joined(parts: list[list[tf.Tensor]]) -> tf.Tensor:
    flat_parts = [t if t.shape.rank == 1 else tf.reshape(t, [-1]) for tensors in parts for t in tensors]
    return tf.concat(flat_parts, 0) if flat_parts else tf.zeros([0])
