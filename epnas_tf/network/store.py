"""The variables that all architectures share, kept by position and operation (paper, section 4, footnote 3)."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from epnas_tf.arrays import Arrays, Float32Array
from epnas_tf.errors import StateError, StoreError
from epnas_tf.nn import make_layer
from epnas_tf.nn.base import Shape
from epnas_tf.space.graph import Key, Node


def layer_name(key: Key) -> str:
    """The Keras name of a key's layer; a name may not hold slashes and the like, so it differs from the key."""
    return "_".join(str(part).replace("-", "minus_") for part in key)


def layer_seed(seed: int, key: Key) -> int:
    """The seed of a key's initial values; it follows from the store's seed and the key alone."""
    digest = hashlib.sha256(f"{seed}:{json.dumps(key)}".encode()).digest()
    # 31 bits: a seed that is not negative as an int32.
    return int.from_bytes(digest[:4], "little") % 2**31


def dtype_policy(mixed_precision: bool) -> str:
    """The Keras dtype policy, with or without mixed precision; bfloat16 has float32's range, so no loss is scaled."""
    return "mixed_bfloat16" if mixed_precision else "float32"


class VariableStore:
    """Maps (position, operation) to a built Keras layer and the number of its updates.

    Two architectures that use the same operation at the same position share one layer, with its kernels and its batch
    norm's statistics. A layer is made on first request. Its initial values follow from the store's seed and the key, so
    the order of the architectures does not matter.

    Args:
        seed: decides all initial values.
        dtype_policy: the Keras dtype policy of the layers.

    Attributes:
        updates: for each key, the training steps that its layer took part in; `set_state` restores all of them.

    Example:
        >>> import epnas_tf
        >>> architecture = epnas_tf.MacroSpace(layers=1).architecture([2])
        >>> shape = epnas_tf.NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=1)
        >>> store = epnas_tf.VariableStore(seed=0)
        >>> one, other = (epnas_tf.Network(architecture, shape, store) for _ in range(2))
        >>> one.layers == other.layers  # the very same
        True
    """

    def __init__(self, seed: int = 0, dtype_policy: str = "float32") -> None:
        self.seed = seed
        self.dtype_policy = dtype_policy
        self.updates: dict[Key, int] = {}
        self._layers: dict[Key, keras.layers.Layer] = {}
        # Restored values of keys that no architecture has requested since.
        self._waiting: dict[Key, Arrays] = {}
        # Values assigned to layers that were not handed out since: reading hundreds of variables is slow.
        self._assigned: dict[Key, Arrays] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._layers or key in self._waiting

    def __getitem__(self, key: Key) -> keras.layers.Layer:
        return self._layers[key]

    def __len__(self) -> int:
        return len(self._layers.keys() | self._waiting.keys())

    def layer(self, node: Node, input_shapes: list[Shape]) -> keras.layers.Layer:
        """The layer of a node, made and built on first request.

        Args:
            node: its key; for the first call also its operation, channels and stride.
            input_shapes: the shape [batch, …] of each source.

        Raises:
            StoreError: if the key's layer exists with variables of other shapes.
        """
        found = self._layers.get(node.key)
        # The caller may change the variables by other means, so the cached values are dropped.
        self._assigned.pop(node.key, None)
        if found is None:
            found = self._make(node, input_shapes)
        # Shared kernels fit one number of output channels, one stride and one set of input channels.
        elif found.built_for != (node.channels, node.stride, _channels(input_shapes)):
            raise StoreError(
                f"The layer of {node.key} was made with (channels, stride, input channels) {found.built_for}. "
                f"Received: {(node.channels, node.stride, _channels(input_shapes))}"
            )
        return found

    def count_updates(self, steps: Mapping[Key, int]) -> None:
        """Adds training steps to the counts of some keys."""
        for key, count in steps.items():
            self.updates[key] = self.updates.get(key, 0) + count

    def _make(self, node: Node, input_shapes: list[Shape]) -> keras.layers.Layer:
        layer = make_layer(
            node.kind,
            node.channels,
            node.stride,
            layer_seed(self.seed, node.key),
            layer_name(node.key),
            self.dtype_policy,
        )
        # A layer that joins sources is built from a list of shapes, even of one.
        layer.build(input_shapes if len(input_shapes) > 1 or layer_takes_list(layer) else input_shapes[0])
        layer.built_for = (node.channels, node.stride, _channels(input_shapes))
        if node.key in self._waiting:
            _assign(node.key, layer.weights, self._waiting[node.key])
            del self._waiting[node.key]
        # Last: if the state does not fit, the next request must fail again, not find a layer with initial values.
        self._layers[node.key] = layer
        return layer

    def snapshot(self, keys: Iterable[Key]) -> dict[Key, Arrays]:
        """Copies the variables of some layers, for `restore`."""
        return {key: [array.copy() for array in self.values(key)] for key in keys}

    def restore(self, snapshot: dict[Key, Arrays]) -> None:
        """Restores a snapshot, bit for bit."""
        for key, values in snapshot.items():
            self._assign(key, values)

    def assign(self, key: Key, values: Arrays) -> None:
        """Sets the values of a layer's variables; a layer that was never requested takes them once it is made.

        The arrays are cached: `values` and `get_state` use them until `layer` hands the layer out again. Code that
        changes the variables by other means must request the layer first, as every `Network` does.

        Raises:
            StateError: if the shapes are not those of the variables.
        """
        if key not in self._layers:
            self._waiting[key] = values
            return
        self._assign(key, values)
        self._assigned[key] = values

    def _assign(self, key: Key, values: Arrays) -> None:
        self._assigned.pop(key, None)
        _assign(key, self._layers[key].weights, values)

    def get_state(self) -> tuple[dict[str, Any], dict[str, Float32Array]]:
        """The whole state: an index for JSON, and one flat array, "weights".

        Writing one array is faster than writing thousands of small ones. The keys are sorted, so equal stores give
        equal states, whatever the order of the architectures and whether or not they were restored.
        """
        index, weights = [], []
        # Sorted as text: the parts of a key are strings and integers, which do not compare.
        for key in sorted(self._layers.keys() | self._waiting.keys(), key=str):
            kept = self.values(key)
            index.append(
                {
                    "key": list(key),
                    "updates": self.updates.get(key, 0),
                    "weights": [list(array.shape) for array in kept],
                }
            )
            weights += kept
        return {"seed": self.seed, "layers": index}, {"weights": flat(weights)}

    def values(self, key: Key) -> Arrays:
        """The values of a layer's variables."""
        # The first that there is: values restored for a layer not yet made, cached values, the variables themselves.
        known = self._waiting.get(key, self._assigned.get(key))
        return [variable.numpy() for variable in self._layers[key].weights] if known is None else known

    def set_state(self, index: dict[str, Any], arrays: dict[str, Float32Array]) -> None:
        """Restores a state of `get_state`. Existing layers take their values now, others when first requested.

        Raises:
            StateError: if index and arrays do not belong together, or a layer has variables of other shapes.
        """
        weights = Reader(arrays["weights"])
        waiting: dict[Key, Arrays] = {}
        updates: dict[Key, int] = {}
        # Cut the flat array in the order of the index. Nothing has changed yet if the two do not match.
        for entry in index["layers"]:
            key = tuple(entry["key"])
            waiting[key] = weights.take(entry["weights"])
            updates[key] = entry["updates"]
        weights.check_used_up()
        for key in [key for key in waiting if key in self._layers]:
            self._assign(key, waiting.pop(key))
        self.seed, self.updates, self._waiting = index["seed"], updates, waiting


def _assign(key: Key, variables: list[Any], arrays: Arrays) -> None:
    # Compare all shapes before the first variable changes.
    found, given = [tuple(v.shape) for v in variables], [array.shape for array in arrays]
    if found != given:
        raise StateError(f"The layer of {key} has variables of the shapes {found}. Received: {given}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def layer_takes_list(layer: keras.layers.Layer) -> bool:
    """Whether a layer joins sources, and so takes a list of inputs, even of one."""
    return getattr(layer, "joins_sources", False)


def _channels(input_shapes: list[Shape]) -> tuple[int | None, ...]:
    """The distinct input channels: a joining layer may have any number of sources, but of the same channels."""
    return tuple(sorted({shape[-1] for shape in input_shapes}, key=str))


def flat(arrays: Arrays) -> Float32Array:
    """Concatenates arrays, flattened, into one of rank 1."""
    return np.concatenate([array.ravel() for array in arrays]) if arrays else np.zeros(0, np.float32)


class Reader:
    """Cuts a flat array into arrays of given shapes, from the start."""

    def __init__(self, flat: Float32Array) -> None:
        self._flat = flat
        self._offset = 0

    def take(self, shapes: Sequence[Sequence[int]]) -> Arrays:
        """The next arrays, as views.

        Raises:
            StateError: if the flat array ends too soon.
        """
        arrays = []
        for shape in shapes:
            size = int(np.prod(shape))
            if self._offset + size > self._flat.size:
                raise StateError(f"The state's arrays end before its index does. Received: {self._flat.size} numbers")
            arrays.append(self._flat[self._offset : self._offset + size].reshape(shape))
            self._offset += size
        return arrays

    def check_used_up(self) -> None:
        """Raises a `StateError` if numbers are left over."""
        if self._offset != self._flat.size:
            raise StateError(f"The state's index names {self._offset} numbers. Received: {self._flat.size}")
