"""Keras layers, and the table from an operation's name to its layer.

`LAYERS` is the one place that says what an operation is. A new operation is a new entry: a function of the output
channels, the stride and Keras's `name` and `seed`, that returns a layer.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from epnas_tf.errors import ArchitectureError
from epnas_tf.nn.auxiliary import AuxiliaryPooling, FullConvolution
from epnas_tf.nn.base import ReluFirst, SeededLayer
from epnas_tf.nn.batch_norm import FusedBatchNormalization
from epnas_tf.nn.merging import PooledDense, SourceProjection, Sum, SumBatchNorm, SumBias
from epnas_tf.nn.operations import Convolution, FactorizedReduction, Identity, Pooling, SeparableConvolution

__all__ = [
    "LAYERS",
    "AuxiliaryPooling",
    "Convolution",
    "FactorizedReduction",
    "FullConvolution",
    "FusedBatchNormalization",
    "Identity",
    "PooledDense",
    "Pooling",
    "ReluFirst",
    "SeededLayer",
    "SeparableConvolution",
    "SourceProjection",
    "Sum",
    "SumBatchNorm",
    "SumBias",
    "make_layer",
]


def _identity(channels: int, stride: int, **kwargs: Any) -> keras.layers.Layer:
    """The identity cannot halve; where a reduction cell asks it to, a factorised reduction does (as in NASNet)."""
    return Identity(channels, **kwargs) if stride == 1 else FactorizedReduction(channels, **kwargs)


LAYERS: dict[str, Callable[..., keras.layers.Layer]] = {
    # The operations of the spaces (paper, section 3).
    "max_pool_3x3": partial(Pooling, kind="max"),
    "average_pool_3x3": partial(Pooling, kind="average"),
    "conv_3x3": partial(Convolution, kernel_size=3),
    "conv_5x5": partial(Convolution, kernel_size=5),
    "sep_conv_3x3": partial(SeparableConvolution, kernel_size=3),
    "sep_conv_5x5": partial(SeparableConvolution, kernel_size=5),
    "identity": _identity,
    # What stands in an auxiliary head alone.
    "auxiliary_pool": AuxiliaryPooling,
    "full_convolution": FullConvolution,
    # What stands between them.
    "stem": partial(Convolution, kernel_size=3, activate=False),
    "source_projection": SourceProjection,
    "factorized_reduction": FactorizedReduction,
    "sum": Sum,
    "sum_batch_norm": SumBatchNorm,
    "pooled_dense": PooledDense,
    "sum_bias": SumBias,
}


def make_layer(
    kind: str, channels: int, stride: int, seed: int, name: str, dtype_policy: str = "float32"
) -> keras.layers.Layer:
    """Makes the layer of an operation, not yet built.

    Args:
        kind: a name in `LAYERS`.
        channels: output channels.
        stride: 1 or 2.
        seed: decides the initial values.
        name: Keras's name of the layer, without a slash.
        dtype_policy: Keras's name of what it computes in and keeps its variables in.

    Raises:
        ArchitectureError: if there is no such operation.
    """
    if kind not in LAYERS:
        raise ArchitectureError(f"A network is made of {', '.join(LAYERS)}. Received: {kind!r}; add it to `LAYERS`.")
    return LAYERS[kind](channels=channels, stride=stride, seed=seed, name=name, dtype=dtype_policy)
