"""Base classes of the layers: channels, stride, and initial values that follow from a seed."""

from typing import Any

import keras
import tensorflow as tf

Shape = tuple[int | None, ...]


class SeededLayer(keras.layers.Layer):
    """Base of a network's layers.

    Args:
        channels: output channels.
        stride: 1, or 2 to halve height and width (rounded up).
        seed: alone decides the initial values, so they do not depend on the order in which layers are made.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `channels` is below 1 or `stride` is neither 1 nor 2.
    """

    def __init__(self, channels: int, stride: int = 1, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if channels < 1:
            raise ValueError(f"`channels` must be at least 1. Received: channels={channels!r}")
        if stride not in (1, 2):
            raise ValueError(f"`stride` must be 1 or 2. Received: stride={stride!r}")
        self.channels = channels
        self.stride = stride
        self.seed = seed

    def add_kernel(self, name: str, shape: Shape, seed_offset: int = 0) -> keras.Variable:
        """Adds a kernel with He's normal initial values, as in ENAS.

        Args:
            name: the variable's name.
            shape: the kernel's shape.
            seed_offset: gives each kernel of a layer a seed of its own.
        """
        initializer = keras.initializers.HeNormal(seed=(self.seed + seed_offset) % 2**31)
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns [batch, ceil(height / stride), ceil(width / stride), channels]."""
        batch, height, width, _ = input_shape
        return (batch, self._strided(height), self._strided(width), self.channels)

    def _strided(self, size: int | None) -> int | None:
        return None if size is None else -(-size // self.stride)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "channels": self.channels, "stride": self.stride, "seed": self.seed}


class ReluFirst(SeededLayer):
    """Base of the layers that begin with a ReLU; subclasses implement `after_relu`.

    A search computes the ReLU once for all layers that read the same source, unless a layer overrides `call`.

    Attributes:
        activate: whether the layer has the ReLU.
    """

    activate = True

    def call(self, inputs: Any, training: bool = False, activated: bool = False) -> tf.Tensor:
        """Applies the layer.

        Args:
            inputs: the layer's inputs.
            training: whether batch norm uses the batch's statistics.
            activated: whether the ReLU has already been applied to the inputs.
        """
        if self.activate and not activated:
            inputs = tf.nest.map_structure(tf.nn.relu, inputs)
        return self.after_relu(inputs, training)

    def after_relu(self, inputs: Any, training: bool) -> tf.Tensor:
        """Applies the rest of the layer to the ReLU's output."""
        raise NotImplementedError

    @property
    def begins_with_relu(self) -> bool:
        """Whether the layer takes `activated=True`, so that the ReLU can be applied outside it."""
        return self.activate and type(self).call is ReluFirst.call


def sublayer_name(layer: keras.layers.Layer, part: str) -> str:
    """The name of a layer's part, with an underscore: Keras names may not hold a slash."""
    return f"{layer.name}_{part}"
