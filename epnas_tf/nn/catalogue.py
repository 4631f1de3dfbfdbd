"""The paper's operations (section 3), blocks of known networks and the layers between them, each registered once.

A layer and its plain form are given by their import paths, and imported on first use: no TensorFlow here.
"""

from typing import Any

from epnas_tf.lazy import deferred
from epnas_tf.nn.costs import (
    basic_block_cost,
    basic_block_values,
    batch_norm_cost,
    bias_cost,
    convolution_cost,
    dense_cost,
    free,
    identity_cost,
    inverted_residual_cost,
    inverted_residual_values,
    separable_convolution_cost,
)
from epnas_tf.nn.registry import Operation, Plain, register

_NN = "epnas_tf.nn"


def _plain(build: str, weights: str, **options: Any) -> Plain:
    return Plain(deferred(f"{_NN}.plain.{build}", **options), deferred(f"{_NN}.plain.{weights}"))


def convolution(name: str, kernel_size: int, **shown: Any) -> Operation:
    """An operation of ReLU, convolution and batch norm, with its cost and its plain form.

    Args:
        name: its name.
        kernel_size: side of the square kernel.
        **shown: `label`, `short` and `color` of `Operation`.

    Example:
        >>> from epnas_tf.nn import convolution
        >>> convolution("conv_7x7", 7, label="conv 7×7").cost(8, 8, 1, (4, 4)).parameters
        3152
    """
    layer = deferred(f"{_NN}.operations.Convolution", kernel_size=kernel_size)
    plain = _plain("convolution", "convolution_weights", kernel_size=kernel_size)
    return Operation(name, layer, convolution_cost(kernel_size), plain, **shown)


def separable_convolution(name: str, kernel_size: int, **shown: Any) -> Operation:
    """An operation of ReLU, depthwise convolution, 1×1 convolution and batch norm; see `convolution`."""
    layer = deferred(f"{_NN}.operations.SeparableConvolution", kernel_size=kernel_size)
    plain = _plain("separable_convolution", "separable_convolution_weights", kernel_size=kernel_size)
    return Operation(name, layer, separable_convolution_cost(kernel_size), plain, **shown)


def _pooling(name: str, kind: str, **shown: Any) -> Operation:
    plain = _plain("pooling", "no_weights", kind=kind)
    layer = deferred(f"{_NN}.operations.Pooling", kind=kind)
    return Operation(name, layer, free, plain, keeps_channels=True, **shown)


def _identity(channels: int, stride: int, **options: Any) -> Any:
    """The identity; in a reduction cell, which halves, a factorised reduction takes its place (as in NASNet)."""
    layer = "Identity" if stride == 1 else "FactorizedReduction"
    return deferred(f"{_NN}.operations.{layer}")(channels, **options)


def _none(channels: int, stride: int, **options: Any) -> Any:
    """Nothing; where the images are halved, the projection of ResNet's shortcuts."""
    layer = "operations.Identity" if stride == 1 else "blocks.Projection"
    return deferred(f"{_NN}.{layer}")(channels, stride=stride, **options)


def basic_block(name: str, width: float = 1.0, **shown: Any) -> Operation:
    """ResNet's basic block (He et al., 2016): two 3×3 convolutions, and in the staged space a shortcut around them.

    Args:
        name: its name.
        width: the channels between the two convolutions, as a factor of the output's.
        **shown: `label`, `short` and `color` of `Operation`.

    Example:
        >>> from epnas_tf.nn import basic_block
        >>> basic_block("residual_wide", width=4).cost(16, 16, 1, (8, 8)).parameters
        18592
    """
    layer = deferred(f"{_NN}.blocks.BasicBlock", width=width)
    plain = _plain("basic_block", "basic_block_weights", width=width)
    known: dict[str, Any] = {"shortcut": "always", "inner": basic_block_values(width), "traits": ("basic block",)}
    return Operation(name, layer, basic_block_cost(width), plain, **known, **shown)


def inverted_residual(name: str, kernel_size: int, expansion: int, squeeze: bool = False, **shown: Any) -> Operation:
    """The inverted residual of MobileNetV2 (Sandler et al., 2018), in the staged space with a shortcut around it.

    Args:
        name: its name.
        kernel_size: side of the square depthwise kernel.
        expansion: channels of the depthwise convolution, as a multiple of the input's.
        squeeze: whether there is a squeeze-and-excitation behind it (as in MnasNet, Tan et al., 2019).
        **shown: `label`, `short` and `color` of `Operation`.

    Example:
        >>> from epnas_tf.nn import inverted_residual
        >>> inverted_residual("inverted_7x7", kernel_size=7, expansion=4).cost(16, 24, 2, (8, 8)).multiply_adds
        140288
    """
    options: dict[str, Any] = {"kernel_size": kernel_size, "expansion": expansion, "squeeze": squeeze}
    layer = deferred(f"{_NN}.blocks.InvertedResidual", **options)
    plain = _plain("inverted_residual", "inverted_residual_weights", **options)
    traits = ("inverted residual", f"kernel {kernel_size}", f"expansion {expansion}", *["squeeze"] * squeeze)
    known: dict[str, Any] = {"shortcut": "equal", "inner": inverted_residual_values(expansion), "traits": traits}
    return Operation(name, layer, inverted_residual_cost(**options), plain, **known, **shown)


# Related operations share a hue; the larger window is darker.
register(_pooling("max_pool_3x3", "max", label="max pool 3×3", short="M3", color="#f0a83c"))
register(_pooling("average_pool_3x3", "average", label="average pool 3×3", short="A3", color="#f7d58b"))
register(convolution("conv_3x3", 3, label="conv 3×3", short="C3", color="#9dcdf0"))
register(convolution("conv_5x5", 5, label="conv 5×5", short="C5", color="#4fa3dd"))
register(separable_convolution("sep_conv_3x3", 3, label="sep conv 3×3", short="S3", color="#8fdcc0"))
register(separable_convolution("sep_conv_5x5", 5, label="sep conv 5×5", short="S5", color="#35b48b"))
register(
    Operation("identity", _identity, identity_cost, _plain("identity", "identity_weights"), short="Id", color="#d3d8dd")
)
register(Operation("none", _none, identity_cost, _plain("none", "none_weights"), short="–", color="#edf0f3"))
register(basic_block("residual_half", 0.5, label="residual ½", short="R½", color="#d9cff5"))
register(basic_block("residual", label="residual", short="R", color="#bfaeea"))
register(basic_block("residual_double", 2.0, label="residual ×2", short="R2", color="#a48fdc"))
for _squeeze, _colors in ((False, "#f9d0c7 #f3aa99 #ea8d77 #e07058"), (True, "#f7cfe2 #efabcc #e38db7 #d672a3")):
    for (_size, _expansion), _color in zip(((3, 3), (3, 6), (5, 3), (5, 6)), _colors.split(), strict=True):
        register(
            inverted_residual(
                f"inverted_{_size}x{_size}_e{_expansion}{'_se' * _squeeze}",
                _size,
                _expansion,
                _squeeze,
                label=f"inverted {_size}×{_size} e{_expansion}{' SE' * _squeeze}",
                short=f"I{_size}{_expansion}{'s' * _squeeze}",
                color=_color,
            )
        )


def _internal(name: str, layer: str, cost: Any = None, plain: Plain | None = None, **options: Any) -> None:
    vector = options.pop("vector", False)
    register(Operation(name, deferred(f"{_NN}.{layer}", **options), cost, plain, internal=True, vector=vector))


_internal(
    "stem",
    "operations.Convolution",
    convolution_cost(3),
    _plain("convolution", "convolution_weights", kernel_size=3, activate=False),
    kernel_size=3,
    activate=False,
)
_internal(
    "source_projection",
    "merging.SourceProjection",
    convolution_cost(1, batch_norm=False),
    _plain("projection", "projection_weights"),
)
# Two 1×1 convolutions of stride 2 that share the output channels cost what a single one would.
_internal(
    "factorized_reduction",
    "operations.FactorizedReduction",
    convolution_cost(1),
    _plain("reduction", "reduction_weights"),
)
_internal("sum", "merging.Sum", free, _plain("add", "no_weights"))
_internal("sum_relu", "merging.SumRelu", free, _plain("add_relu", "no_weights"))
_internal("sum_batch_norm", "merging.SumBatchNorm", batch_norm_cost, _plain("add_batch_norm", "batch_norm_weights"))
# The kernel of its plain form is part of the classifier's.
_internal("pooled_dense", "merging.PooledDense", dense_cost, _plain("features", "no_weights"), vector=True)
_internal("sum_bias", "merging.SumBias", bias_cost, _plain("classifier", "classifier_weights"), vector=True)
# Layers of an auxiliary head, which exists during training only.
_internal("auxiliary_pool", "auxiliary.AuxiliaryPooling")
_internal("full_convolution", "auxiliary.FullConvolution")
