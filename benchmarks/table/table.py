"""A file of networks with their accuracies, in the form of NAS-Bench-Macro (Su et al., 2021)."""

import dataclasses
import itertools
import json
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import ArchitectureError, DataError
from epnas_tf.space.base import SearchSpace, check_index, check_indices, check_level
from epnas_tf.surrogate.table import Indices

FORM = (
    'A table is a JSON object from each network to {"mean_acc": percent, …}; a network is written with one character a '
    "layer, and every combination of the characters is there, as in NAS-Bench-Macro."
)


@dataclasses.dataclass(frozen=True)
class Table:
    """The accuracies of all networks of some layers with a few choices each.

    Attributes:
        choices: the characters of each layer, in their order.
        accuracies: float64 [choices of layer 1, choices of layer 2, …], in percent.
    """

    choices: tuple[str, ...]
    accuracies: npt.NDArray[np.float64]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Table":
        """Reads a file.

        Raises:
            DataError: if there is none, or it has another form.
        """
        try:
            with open(path, encoding="utf-8") as file:
                values = json.load(file)
        except (OSError, ValueError) as error:
            raise DataError(f"{FORM} Received: {os.fspath(path)}, {error}") from error
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: Any) -> "Table":
        """Makes a table of what such a file holds.

        Raises:
            DataError: if it has another form.
        """
        if not isinstance(values, dict):
            raise DataError(f"{FORM} Received: a JSON {type(values).__name__}")
        accuracies = {name: _accuracy(name, row) for name, row in values.items()}
        choices = tuple("".join(sorted(set(at_layer))) for at_layer in zip(*accuracies, strict=False))
        names = ["".join(name) for name in itertools.product(*choices)]
        missing = sorted(set(names) ^ set(accuracies))
        if len(names) < 2 or missing:
            raise DataError(
                f"{FORM} Two networks at least. "
                f"Received: {len(accuracies)} networks; of all, {len(missing)} differ: {missing[:3]}"
            )
        array = np.array([accuracies[name] for name in names]).reshape([len(at_layer) for at_layer in choices])
        if not ((array >= 0) & (array <= 100)).all() or array.max() <= 1:
            raise DataError(f"Accuracies are in percent, 0 to 100. Received: {array.min()} … {array.max()}")
        return cls(choices, array)

    def accuracy(self, indices: Indices) -> float:
        """Returns the accuracy of a network, in percent; further layers have the first choice (there, an identity)."""
        return float(self.accuracies[(*indices, *[0] * (self.accuracies.ndim - len(indices)))])

    def rank(self, indices: Indices) -> int:
        """Returns how many networks are better, plus one."""
        return 1 + int((self.accuracies > self.accuracy(indices)).sum())

    def regret(self, indices: Indices) -> float:
        """Returns how much better the best network is, in points of percent."""
        return float(self.accuracies.max()) - self.accuracy(indices)


def _accuracy(name: str, row: Any) -> float:
    try:
        return float(row["mean_acc"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{FORM} Received: {name!r}: {json.dumps(row)[:80]}") from error


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
