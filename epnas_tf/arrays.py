"""The types of the package's numeric arrays."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""Floating-point numbers of any precision."""

Float32Array: TypeAlias = npt.NDArray[np.float32]
Float64Array: TypeAlias = npt.NDArray[np.float64]

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
"""Integers of any width, signed or not."""

Int64Array: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

Arrays = list[Float32Array]
"""The values of a layer's variables."""
