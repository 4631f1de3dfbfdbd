"""The macro space: whole networks with skip connections (paper, section 3)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError
from epnas_tf.space.architecture import MacroArchitecture, MacroLayer
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.checks import check_index, check_indices, check_level, check_size
from epnas_tf.space.operations import MACRO_OPERATIONS, check_operations

MAX_LAYERS = 50
"""Keeps the indices of a level (operations · 2^(l-1)), times the number of parents, well inside int64."""


class MacroSpace(SearchSpace[MacroArchitecture, MacroLayer]):
    """All networks of up to L layers: an operation and a subset of the earlier outputs for each layer.

    Layer l always takes the output of layer l - 1; l - 1 skip bits choose among the stem (output 0) and the layers 1 to
    l - 2. So there are 6^12 · 2^66 networks of 12 layers, the paper's ~2×10^29.

    The index of a layer is `operation · 2^(l-1) + Σ 2^s` over its skips s. The symbol array of a layer is its
    operation, one-hot, then one bit for each output 0 … L - 2; the bits that layer l cannot set are 0.

    Attributes:
        operations: the names of the operations to choose from; their order is that of the indices.

    Example:
        >>> import epnas_tf
        >>> space = epnas_tf.MacroSpace(layers=12)
        >>> space.num_extensions(1), space.num_extensions(12)
        (6, 12288)
    """

    name = "macro"

    def __init__(self, layers: int = SpaceConfig.layers, operations: Sequence[str] = MACRO_OPERATIONS) -> None:
        """Makes the space.

        Args:
            layers: the number L of layers of the deepest network, 1 to `MAX_LAYERS`.
            operations: the names of the operations to choose from. Any name is taken here, so that a space can have
                operations of its own; `make_space` takes only those of the paper.

        Raises:
            ConfigError: if `layers` is out of range, or the operations are none or not distinct.
        """
        self.num_levels = check_size("layers", layers, MAX_LAYERS)
        self.operations = check_operations(operations)
        self.num_features = len(self.operations) + self.num_levels - 1
        self._operation_indices = {name: index for index, name in enumerate(self.operations)}

    def num_extensions(self, level: int) -> int:
        """Returns the number of layers to choose from: operations · 2^(level - 1).

        Raises:
            ArchitectureError: if there is no such level.
        """
        check_level(self, level)
        return len(self.operations) << (level - 1)

    def extension(self, level: int, index: int) -> MacroLayer:
        """Returns layer `index` of a level.

        Raises:
            ArchitectureError: if the level or the index is out of range.
        """
        operation, bits = divmod(check_index(self, level, index), 1 << (level - 1))
        return MacroLayer(self.operations[operation], tuple(s for s in range(level - 1) if bits >> s & 1))

    def index(self, level: int, extension: MacroLayer) -> int:
        """Returns the index of a layer.

        Raises:
            ArchitectureError: if there is no such level, or no such layer at it.
        """
        check_level(self, level)
        if not isinstance(extension, MacroLayer):
            raise ArchitectureError(f"An extension of the macro space is a MacroLayer. Received: {extension!r}")
        operation = self._operation_indices.get(extension.operation)
        if operation is None:
            raise ArchitectureError(
                f"Layer {level} has the operations {', '.join(self.operations)}. Received: {extension.operation!r}"
            )
        if extension.skips and extension.skips[-1] > level - 2:
            raise ArchitectureError(
                f"Layer {level} may skip from the outputs {list(range(level - 1))}. Received: skips={extension.skips}"
            )
        return (operation << (level - 1)) + sum(1 << skip for skip in extension.skips)

    def encode(self, level: int, indices: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """Returns the symbol arrays of some layers of a level.

        Args:
            level: the level, from 1.
            indices: integers of shape [n].

        Returns:
            float32 of shape [n, operations + L - 1], of zeros and ones.

        Raises:
            ArchitectureError: if the level or an index is out of range.
        """
        indices = check_indices(self, level, indices)
        num_operations = len(self.operations)
        symbols = np.zeros((len(indices), self.num_features), np.float32)
        symbols[np.arange(len(indices)), indices >> (level - 1)] = 1
        for skip in range(level - 1):  # a column at a time: no integers of the whole shape in between
            symbols[:, num_operations + skip] = indices >> skip & 1
        return symbols

    def extend(self, parent: MacroArchitecture | None, extension: MacroLayer) -> MacroArchitecture:
        """Returns the network with one more layer, or of one layer for `parent` None.

        Raises:
            ArchitectureError: if the parent is no macro architecture or has all layers already, or the layer is not one
                of its level.
        """
        layers = () if parent is None else self.extensions(parent)
        self.index(len(layers) + 1, extension)
        return MacroArchitecture((*layers, extension))

    def extensions(self, architecture: MacroArchitecture) -> tuple[MacroLayer, ...]:
        """Returns the layers of a network, layer 1 first.

        Raises:
            ArchitectureError: if it is not a macro architecture.
        """
        if not isinstance(architecture, MacroArchitecture):
            raise ArchitectureError(f"The macro space holds macro architectures. Received: {architecture!r}")
        return architecture.layers
