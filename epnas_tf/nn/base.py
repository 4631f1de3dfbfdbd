"""What the layers have in common: channels, stride, and initial values that follow from a seed."""

from typing import Any

import keras
import tensorflow as tf

Shape = tuple[int | None, ...]


class SeededLayer(keras.layers.Layer):
    """Base of the layers that a network is made of.

    Args:
        channels: output channels.
        stride: 1, or 2 to halve height and width (rounded up).
        seed: decides the initial values alone, so they do not depend on the order in which layers are made.
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
            seed_offset: keeps several kernels of one layer apart.
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
    """Base of the layers that begin with a ReLU: they say in `after_relu` what comes behind it.

    A search takes the ReLU once for all layers that read the same; for a layer that overrides `call` it does not.

    Attributes:
        activate: whether the ReLU is there.
    """

    activate = True

    def call(self, inputs: Any, training: bool = False, activated: bool = False) -> tf.Tensor:
        """Applies the layer.

        Args:
            inputs: what it reads.
            training: chooses the statistics of batch norm.
            activated: whether the inputs are behind the ReLU.
        """
        if self.activate and not activated:
            inputs = tf.nest.map_structure(tf.nn.relu, inputs)
        return self.after_relu(inputs, training)

    def after_relu(self, inputs: Any, training: bool) -> tf.Tensor:
        """Returns what the layer makes of what is behind the ReLU."""
        raise NotImplementedError

    @property
    def begins_with_relu(self) -> bool:
        """Whether the layer takes `activated=True`, and is the same then behind a ReLU."""
        return self.activate and type(self).call is ReluFirst.call


def sublayer_name(layer: keras.layers.Layer, part: str) -> str:
    """Names a part of a layer after it: Keras names may not hold a slash."""
    return f"{layer.name}_{part}"
