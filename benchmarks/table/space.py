"""The networks of a table as a search space of the ordinary protocol: a layer more at each level."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import ArchitectureError
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.checks import check_index, check_indices, check_level


@dataclasses.dataclass(frozen=True)
class Layers:
    """A network of a table, or its first layers: one character a layer."""

    choices: str

    def __str__(self) -> str:
        return self.choices


class TableSpace(SearchSpace[Layers, str]):
    """All networks of a table, layer by layer. A layer's symbol array is its choice, one-hot.

    Attributes:
        choices: the characters of each layer, in their order.
    """

    name = "table"

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices
        self.num_levels = len(choices)
        self.num_features = max(map(len, choices))

    def num_extensions(self, level: int) -> int:
        """Returns the number of choices of a layer."""
        check_level(self, level)
        return len(self.choices[level - 1])

    def extension(self, level: int, index: int) -> str:
        """Returns choice `index` of a layer."""
        return self.choices[level - 1][check_index(self, level, index)]

    def index(self, level: int, extension: str) -> int:
        """Returns the index of a choice."""
        check_level(self, level)
        if len(extension) != 1 or extension not in self.choices[level - 1]:
            raise ArchitectureError(
                f"Layer {level} has the choices {', '.join(self.choices[level - 1])}. Received: {extension!r}"
            )
        return self.choices[level - 1].index(extension)

    def encode(self, level: int, indices: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """Returns float32 [n, largest number of choices], one-hot."""
        return np.eye(self.num_features, dtype=np.float32)[check_indices(self, level, indices)]

    def extend(self, parent: Layers | None, extension: str) -> Layers:
        """Returns the network with one more layer."""
        before = "" if parent is None else parent.choices
        self.index(len(before) + 1, extension)
        return Layers(before + extension)

    def extensions(self, architecture: Layers) -> tuple[str, ...]:
        """Returns the layers' choices."""
        return tuple(architecture.choices)
