"""Tables of networks with their accuracies: NAS-Bench-Macro's form (Su et al., 2021), and that of `make_table`."""

import dataclasses
import functools
import itertools
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.config import RunConfig
from epnas_tf.errors import ArchitectureError, DataError
from epnas_tf.options import from_values
from epnas_tf.search.level_choice import Budget, Room
from epnas_tf.space import make_space
from epnas_tf.space.base import SearchSpace, check_index, check_indices, check_level
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Indices

FORM = (
    'A table is a JSON object from each network to {"mean_acc": percent, …}; a network is written with one character a '
    "layer, and every combination of the characters is there, as in NAS-Bench-Macro; or a file of make_table."
)

Array = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Table:
    """The accuracies of all networks of a search space, in percent.

    Attributes:
        space: the search space.
        scores: what a search is told without noise: for each number of levels float64 [extensions of level 1, …,
            trainings]; one of the trainings is drawn.
        accuracies: of the whole networks, what is reported is judged by them: float64 [extensions of level 1, …].
        multiply_adds: of the whole networks, of the same shape; None if they are not known.
        parameters: likewise.
    """

    space: SearchSpace[Any, Any]
    scores: tuple[Array, ...]
    accuracies: Array
    multiply_adds: Array | None = None
    parameters: Array | None = None

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
        own = isinstance(values, dict) and set(values) == {"settings", "networks"}
        return cls.of_trainings(values) if own else cls.from_values(values)

    @classmethod
    def from_values(cls, values: Any) -> "Table":
        """Makes a table of what a file of NAS-Bench-Macro's form holds; its `flops` are multiply-adds.

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
        shape = [len(at_layer) for at_layer in choices]
        array = np.array([accuracies[name] for name in names]).reshape(shape)
        if not ((array >= 0) & (array <= 100)).all() or array.max() <= 1:
            raise DataError(f"Accuracies are in percent, 0 to 100. Received: {array.min()} … {array.max()}")
        costs = [
            np.array([values[name][column] for name in names], np.float64).reshape(shape)
            if all(column in values[name] for name in names)
            else None
            for column in ("flops", "params")
        ]
        return cls.of_layers(choices, array, *costs)

    @classmethod
    def of_layers(
        cls,
        choices: tuple[str, ...],
        accuracies: Array,
        multiply_adds: Array | None = None,
        parameters: Array | None = None,
    ) -> "Table":
        """Makes a table of layers whose first choice is an identity, which further layers of shallow networks have."""
        levels = range(1, len(choices) + 1)
        # Of a shallow network, all further layers are the first choice.
        shallow = (accuracies.reshape(*accuracies.shape[:level], -1)[..., :1] for level in levels)
        scores = tuple(shallow)
        return cls(TableSpace(choices), scores, accuracies, multiply_adds, parameters)

    @classmethod
    def of_trainings(cls, values: dict[str, Any]) -> "Table":
        """Makes a table of what `make_table` writes.

        A score is the accuracy on the validation images of one training; the mean of all on the test images judges.
        """
        settings = {name: value for name, value in values["settings"].items() if name != "trainings"}
        space = make_space(from_values(RunConfig, settings).space)
        networks = {tuple(map(int, name.split(","))): row for name, row in values["networks"].items()}
        shape = [space.num_extensions(level) for level in range(1, space.num_levels + 1)]

        def array(depth: int, column: str) -> Array:
            return np.array([networks[indices][column] for indices in np.ndindex(*shape[:depth])], np.float64)

        scores = (array(depth, "validation").reshape(*shape[:depth], -1) for depth in range(1, len(shape) + 1))
        accuracies = array(len(shape), "test").mean(axis=1).reshape(shape)
        costs = (array(len(shape), column).reshape(shape) for column in ("multiply_adds", "parameters"))
        return cls(space, tuple(scores), accuracies, *costs)

    @functools.cached_property
    def costs(self) -> SymbolCosts | None:
        """What the symbols cost, see `ProgressiveSearch`; None if nothing is known."""
        known = [costs for costs in (self.parameters, self.multiply_adds) if costs is not None]
        if not known:
            return None

        def costs_of(architecture: Any) -> Array:
            return np.array([costs[self.space.indices(architecture)] for costs in known])

        return SymbolCosts.of_space(self.space, costs_of, scaled=True)

    def score(self, indices: Indices, noise: float, rng: np.random.Generator) -> float:
        """Draws a score for the search: the accuracy in [0, 1] of one training, with Gaussian noise in points."""
        trainings = self.scores[len(indices) - 1][indices]
        training = trainings[rng.integers(len(trainings))] if len(trainings) > 1 else trainings[0]
        return float(np.clip((training + rng.normal(0, noise)) / 100, 0, 1))

    def rank(self, indices: Indices, bound: float = np.inf) -> int:
        """Returns how many whole networks within a bound of multiply-adds are better, plus one."""
        return 1 + int((self._allowed(bound) > self.accuracies[indices]).sum())

    def regret(self, indices: Indices, bound: float = np.inf) -> float:
        """Returns how much better the best whole network within a bound of multiply-adds is, in points of percent."""
        return float(self._allowed(bound).max() - self.accuracies[indices])

    def _allowed(self, bound: float) -> Array:
        kept = self.accuracies if self.multiply_adds is None else self.accuracies[self.multiply_adds <= bound]
        return np.asarray(kept)

    def limit(self, share: float) -> "Limit":
        """Returns the limit that a share of the whole networks keep, in (0, 1].

        Raises:
            DataError: if the table says nothing of multiply-adds.
        """
        if self.multiply_adds is None and share < 1:
            raise DataError("A limit needs a table with the networks' multiply-adds. Received: one without")
        costs = np.zeros_like(self.accuracies) if self.multiply_adds is None else self.multiply_adds
        return Limit(costs, float(np.quantile(costs, share)))


@dataclasses.dataclass(frozen=True)
class Limit(Budget):
    """A bound of the whole networks' multiply-adds; a constraint of `ProgressiveSearch`.

    Attributes:
        multiply_adds: of the whole networks, float64 [extensions of level 1, …].
        bound: the most that are allowed.
    """

    multiply_adds: Array
    bound: float

    @property
    def binds(self) -> bool:
        """Whether it excludes any network."""
        return bool((self.multiply_adds > self.bound).any())

    def keeps(self, indices: Indices) -> bool:
        """Whether a whole network keeps the bound."""
        return bool(self.multiply_adds[indices] <= self.bound)

    @functools.cached_property
    def _least(self) -> list[Array]:
        """For each number of levels, the multiply-adds of the cheapest whole network that grows out of each."""
        least = [self.multiply_adds]
        while least[0].ndim:
            least.insert(0, least[0].min(axis=-1))
        return least

    def room(self, parents: Sequence[Indices], level: int) -> Room:
        """See `epnas_tf.search.level_choice.Budget`."""
        rows = np.array([(self.bound - self._least[level][indices]) / self.bound for indices in parents])
        flat = rows.T.reshape(-1, 1)  # extension by extension, as candidates are numbered
        return lambda start, count: flat[start : start + count]

    def parts(self, level: int, indices: Int64Array) -> Array:
        """See `epnas_tf.search.level_choice.Budget`; the mean over all other levels' choices."""
        others = tuple(axis for axis in range(self.multiply_adds.ndim) if axis != level - 1)
        takes = self.multiply_adds.mean(axis=others)[indices] / self.bound
        return np.asarray(takes - takes.min())[:, np.newaxis]


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
