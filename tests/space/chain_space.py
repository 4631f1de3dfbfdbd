"""A space of one's own, such as a user would add: strings of a fixed number of choices, as NAS-Bench-Macro has them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import ArchitectureError
from epnas_tf.space import SearchSpace


class ChainSpace(SearchSpace[str, str]):
    """Architectures are strings such as "02112010": one of the choices for each layer."""

    name = "chain"

    def __init__(self, layers: int = 8, choices: str = "012") -> None:
        self.num_levels = layers
        self.choices = choices
        self.num_features = len(choices)

    def num_extensions(self, level: int) -> int:
        return len(self.choices)

    def extension(self, level: int, index: int) -> str:
        return self.choices[index]

    def index(self, level: int, extension: str) -> int:
        if extension not in self.choices:
            raise ArchitectureError(f"A layer has the choices {self.choices}. Received: {extension!r}")
        return self.choices.index(extension)

    def encode(self, level: int, indices: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        return np.eye(len(self.choices), dtype=np.float32)[indices]

    def extend(self, parent: str | None, extension: str) -> str:
        return (parent or "") + extension

    def extensions(self, architecture: str) -> tuple[str, ...]:
        if not isinstance(architecture, str):
            raise ArchitectureError(f"An architecture is a string. Received: {architecture!r}")
        return tuple(architecture)
