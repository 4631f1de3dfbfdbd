"""Operations: one record for each, and the Keras layers that implement them.

- `registry`: the record `Operation`, `register` and `operation`; no TensorFlow.
- `catalogue`: the paper's operations and the blocks of known networks, registered; `costs` and `plain`: their costs and
  their export.
- `operations`, `blocks`, `merging`, `auxiliary`, `batch_norm`: the layers, imported on first use.
"""

from epnas_tf.lazy import importer
from epnas_tf.nn.catalogue import basic_block, convolution, inverted_residual, separable_convolution
from epnas_tf.nn.costs import FREE, Cost, convolution_cost, free, separable_convolution_cost
from epnas_tf.nn.registry import (
    Operation,
    Plain,
    check_operations,
    is_known,
    is_operation_name,
    known,
    make_layer,
    operation,
    register,
)

_HOMES = {
    "AuxiliaryPooling": "auxiliary",
    "BasicBlock": "blocks",
    "Convolution": "operations",
    "FactorizedReduction": "operations",
    "FullConvolution": "auxiliary",
    "FusedBatchNormalization": "batch_norm",
    "Identity": "operations",
    "InvertedResidual": "blocks",
    "PooledDense": "merging",
    "Pooling": "operations",
    "Projection": "blocks",
    "ReluFirst": "base",
    "SeededLayer": "base",
    "SeparableConvolution": "operations",
    "SourceProjection": "merging",
    "Sum": "merging",
    "SumBatchNorm": "merging",
    "SumBias": "merging",
    "SumRelu": "merging",
}

__all__ = [
    "FREE",
    "Cost",
    "Operation",
    "Plain",
    "basic_block",
    "check_operations",
    "convolution",
    "convolution_cost",
    "free",
    "inverted_residual",
    "is_operation_name",
    "is_known",
    "known",
    "make_layer",
    "operation",
    "register",
    "separable_convolution",
    "separable_convolution_cost",
    *sorted(_HOMES),
]
__getattr__ = importer(__name__, _HOMES)
