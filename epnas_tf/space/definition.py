"""The registry of search spaces: one record each, with everything specific to the space. No TensorFlow.

Other modules look spaces up here, by name or by the type of their architectures. `macro`, `micro` and
`staged` register their spaces in the same way as a plugin does; `examples/plugin` is a space of a few dozen lines.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from epnas_tf import plugins
from epnas_tf.arrays import BoolArray, Int64Array
from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.nn.registry import check_operations, is_known, suggestion
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.candidate_costs import CandidateCosts, CostOf
from epnas_tf.space.graph import Graph, Key, NetworkShape
from epnas_tf.space.picture import Drawing, column

Keeps = Callable[[Int64Array], BoolArray]
"""Maps extension indices of a level, int64 [n], to whether each may be used, bool [n]."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A KerasTuner hyperparameter of a level.

    Attributes:
        kind: "Int", "Choice" or "Boolean", a method of `keras_tuner.HyperParameters`.
        name: its name.
        arguments: the method's arguments after the name.
        default: its default; None for KerasTuner's own.
    """

    kind: str
    name: str
    arguments: tuple[Any, ...] = ()
    default: Any = None


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """The mapping between architectures and KerasTuner hyperparameters; by default one integer a level.

    Attributes:
        depth: the name of the hyperparameter for the number of levels.
        of_level: takes the space and a level, and returns the level's hyperparameters.
        extension: takes the space, a level and its values by name, and returns the extension.
        values: takes the space, a level and an extension, and returns its values by name.
        keeps: takes the space, the allowed values of restricted hyperparameters by name, and a level, and returns which
            extensions of the level may be used. Raises a `ConfigError` if an extension alone does not decide that.
    """

    depth: str
    of_level: Callable[[Any, int], Sequence[Parameter]]
    extension: Callable[[Any, int, Mapping[str, Any]], Any]
    values: Callable[[Any, int, Any], dict[str, Any]]
    keeps: Callable[[Any, Mapping[str, tuple[Any, ...]], int], Keeps]


def _index_kept(space: SearchSpace[Any, Any], values: Mapping[str, tuple[Any, ...]], level: int) -> Keeps:
    allowed = values.get(f"level_{level}")
    return lambda indices: np.ones(len(indices), bool) if allowed is None else np.isin(indices, allowed)


INDICES = Hyperparameters(
    depth="levels",
    of_level=lambda space, level: [Parameter("Int", f"level_{level}", (0, space.num_extensions(level) - 1), 0)],
    extension=lambda space, level, values: space.extension(level, values[f"level_{level}"]),
    values=lambda space, level, extension: {f"level_{level}": space.index(level, extension)},
    keeps=_index_kept,
)
"""The hyperparameters of a space that defines none of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpaceDefinition:
    """The record of a search space. All but the first seven attributes have defaults.

    Attributes:
        name: its name in flags and files; the `name` of its `SearchSpace`.
        architecture: the type of its architectures: frozen, hashable values with `num_levels`, whose `str` is one line.
        make_space: takes the settings, with `operations` checked and filled in, and returns the `SearchSpace`.
        build_graph: takes an architecture and a `NetworkShape`, and returns the network, without nodes that the class
            scores do not depend on, see `Graph.without_unread`.
        to_json: takes an architecture and returns a list of plain values, one a level.
        from_json: the inverse; raises an `ArchitectureError` for invalid values.
        default_operations: the operations to choose from if the settings name none.
        level: the word for a level; with an "s", the list's name in files.
        symbols: takes an architecture and returns the names of each level's operations.
        reads: takes an architecture and returns the inputs of each of those operations, in words.
        reads_caption: takes an architecture and returns a caption for that table.
        draw: takes an architecture and returns its picture.
        place: takes a key of the variable store and returns the operation's place in an architecture, such as
            ("layer", 3), or None for keys of other layers.
        summed_over: if several keys share a place, the things that differ between them, in words; otherwise "".
        hyperparameters: its hyperparameters for KerasTuner.
        candidate_costs: takes the space and a function of an architecture's costs, and returns all candidates' costs.
        shorter_by: its own settings that can make a search shorter.
        smaller_by: its own settings that can make a search need less memory.
        fewer_operations: the operations to propose in place of all, to make a search shorter.

    Example:
        >>> from epnas_tf.space import definition_of_space, known_spaces
        >>> known_spaces()[:2]
        ('macro', 'micro')
        >>> definition_of_space("micro").level
        'block'
    """

    name: str
    architecture: type
    make_space: Callable[[SpaceConfig], SearchSpace[Any, Any]]
    build_graph: Callable[[Any, NetworkShape], Graph]
    to_json: Callable[[Any], list[Any]]
    from_json: Callable[[list[Any]], Any]
    default_operations: tuple[str, ...]
    level: str = "layer"
    symbols: Callable[[Any], Sequence[Sequence[str]]] | None = None
    reads: Callable[[Any], Sequence[Sequence[str]]] | None = None
    reads_caption: Callable[[Any], str] = lambda architecture: ""
    draw: Callable[[Any], Drawing] | None = None
    place: Callable[[Key], tuple[str | int, ...] | None] | None = None
    summed_over: str = ""
    hyperparameters: Hyperparameters = INDICES
    candidate_costs: Callable[[Any, CostOf], CandidateCosts] = CandidateCosts
    shorter_by: tuple[str, ...] = ("layers",)
    smaller_by: tuple[str, ...] = ("layers",)
    fewer_operations: tuple[str, ...] = ()

    def operations_of(self, architecture: Any) -> list[list[str]]:
        """The names of each level's operations, by `symbols` or from the JSON form."""
        if self.symbols is not None:
            return [list(level) for level in self.symbols(architecture)]
        return [list(_names(item)) for item in self.to_json(architecture)]

    def drawing_of(self, architecture: Any) -> Drawing:
        """The picture of an architecture; without `draw`, its levels as boxes from top to bottom."""
        if self.draw is not None:
            return self.draw(architecture)
        texts = [
            " + ".join(level) or f"{self.level} {n}" for n, level in enumerate(self.operations_of(architecture), 1)
        ]
        return column(texts, f"{self.level.capitalize()} by {self.level}", str(architecture))

    def place_of(self, key: Key) -> tuple[tuple[str | int, ...], str] | None:
        """The place and the operation of a key of the variable store; None for keys of other layers.

        Without `place`, an operation's place is the part of the key before its name.
        """
        number = next((i for i, part in enumerate(key) if i and is_known(part)), None)
        place = key[:number] if self.place is None else self.place(key)
        return None if number is None or not place else (place, str(key[number]))


def _names(item: Any) -> Iterator[str]:
    """Yields the operations' names in a level's JSON: the values of "operation", and strings in lists."""
    if isinstance(item, str):
        yield item
    elif isinstance(item, Mapping):
        for key, value in item.items():
            if key == "operation" or not isinstance(value, str):
                yield from _names(value)
    elif isinstance(item, Sequence):
        for value in item:
            yield from _names(value)


_SPACES: dict[str, SpaceDefinition] = {}
_BY_ARCHITECTURE: dict[type, SpaceDefinition] = {}


def register_space(definition: SpaceDefinition) -> SpaceDefinition:
    """Registers a search space under its name, and returns its record.

    Raises:
        ConfigError: if the name, or the type of its architectures, is taken.
    """
    if definition.name in _SPACES or definition.architecture in _BY_ARCHITECTURE:
        raise ConfigError(
            f"A space's name and the type of its architectures are registered once. Received: {definition.name!r} and "
            f"{definition.architecture.__name__}, one of which is taken. Give it another."
        )
    _SPACES[definition.name] = _BY_ARCHITECTURE[definition.architecture] = definition
    return definition


def known_spaces() -> tuple[str, ...]:
    """The names of the registered spaces, the paper's first."""
    return tuple(_SPACES)


def definition_of_space(name: str) -> SpaceDefinition:
    """The record of a space.

    Raises:
        ConfigError: if there is none of this name.
    """
    if name not in _SPACES:
        plugins.load_installed()
    if name not in _SPACES:
        raise ConfigError(
            f"`space` must be one of {', '.join(_SPACES)}{suggestion(name, known_spaces())}. Received: space={name!r}. "
            "A module that registers another is named with --plugins."
        )
    return _SPACES[name]


def definition_of(architecture: Any) -> SpaceDefinition:
    """The record of an architecture's space.

    Raises:
        ArchitectureError: if no space with architectures of its type is registered.
    """
    found = [_BY_ARCHITECTURE[kind] for kind in type(architecture).__mro__ if kind in _BY_ARCHITECTURE]
    if not found:
        raise ArchitectureError(
            f"An architecture of one of the spaces {', '.join(_SPACES)} was expected; others are registered with "
            f"`register_space`. Received: {architecture!r} of type {type(architecture).__name__}"
        )
    return found[0]


def make_space(config: SpaceConfig) -> SearchSpace[Any, Any]:
    """Makes the space that the settings describe.

    Args:
        config: the settings; without operations, the space's default list is used.

    Raises:
        ConfigError: if the space or an operation is unknown, an operation is named twice, or the space is too deep.
    """
    definition = definition_of_space(config.space)
    operations = check_operations(config.operations or definition.default_operations, registered=True)
    return definition.make_space(dataclasses.replace(config, operations=operations))


def depth_of(config: SpaceConfig) -> int:
    """The number of levels of the space that the settings describe."""
    return make_space(config).num_levels


def build_graph(architecture: Any, shape: NetworkShape) -> Graph:
    """Builds the network of an architecture.

    Args:
        architecture: an architecture of a registered space.
        shape: fixes the network beside its architecture.

    Raises:
        ArchitectureError: if its space is not registered, or it does not fit the shape.
        DataError: if the images are too small to be halved as often as the network does.
    """
    return definition_of(architecture).build_graph(architecture, shape)


def candidate_costs(space: SearchSpace[Any, Any], cost_of: CostOf) -> CandidateCosts:
    """The costs of a space's candidates.

    Args:
        space: the search space; if it is not registered, each candidate is built.
        cost_of: maps an architecture to its costs, float64 [m].
    """
    known = _SPACES.get(space.name)
    return CandidateCosts(space, cost_of) if known is None else known.candidate_costs(space, cost_of)


def hyperparameters_of(space: SearchSpace[Any, Any]) -> Hyperparameters:
    """The KerasTuner hyperparameters of a space; of one that is not registered, one integer a level."""
    known = _SPACES.get(space.name)
    return INDICES if known is None else known.hyperparameters
