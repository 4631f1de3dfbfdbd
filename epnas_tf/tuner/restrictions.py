"""Hyperparameters given by the user, as in KerasTuner: fixed values and smaller choices restrict the search.

    hp = keras_tuner.HyperParameters()
    hp.Fixed("layer_1_operation", "conv_3x3")
    hp.Choice("layer_2_operation", ["conv_3x3", "sep_conv_3x3"])
    oracle = EPNASOracle(space, hyperparameters=hp)

Restrictions that a search by levels cannot follow are refused before any trial, with the reason.
"""

from collections.abc import Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import hyperparameters as hp_types

from epnas_tf.arrays import BoolArray
from epnas_tf.data.checks.names import listed
from epnas_tf.errors import ConfigError
from epnas_tf.options import require
from epnas_tf.search.level_choice import Constraint
from epnas_tf.search.sampling import Allowed
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.definition import hyperparameters_of
from epnas_tf.surrogate.table import Indices
from epnas_tf.tuner import hyperparameters

Values = dict[str, tuple[Any, ...]]
"""The values that each restricted hyperparameter may have, by its name."""


def of_space(space: SearchSpace[Any, Any]) -> keras_tuner.HyperParameters:
    """Returns the hyperparameters of a space, for KerasTuner's oracles."""
    hp = keras_tuner.HyperParameters()
    hyperparameters.read(space, hp)
    return hp


def refuse_foreign_values(space: SearchSpace[Any, Any], given: keras_tuner.HyperParameters) -> Values:
    """Refuses hyperparameters with values that the space does not have.

    Args:
        space: the search space.
        given: the hyperparameters that the user registered; other names are ignored.

    Returns:
        The values of those that are restricted to fewer than the space has.

    Raises:
        ConfigError: if one has other values.
    """
    own, narrower = {parameter.name: parameter for parameter in of_space(space).space}, {}
    for parameter in given.space:
        if parameter.name not in own:
            continue
        possible, values = _values_of(own[parameter.name]), _values_of(parameter)
        if foreign := [value for value in values if value not in possible]:
            allowed = f"{possible[0]} to {possible[-1]}" if isinstance(possible, range) else list(possible)
            raise ConfigError(f"`{parameter.name}` can be {allowed} in this space. Received: {foreign[0]!r}")
        if len(set(values)) < len(possible):
            narrower[parameter.name] = tuple(values)
    return narrower


def _values_of(parameter: Any) -> Sequence[Any]:
    if isinstance(parameter, hp_types.Int) and parameter.sampling == "linear":
        return range(parameter.min_value, parameter.max_value + 1, parameter.step)
    return tuple(parameter.values)


def given_hyperparameters(
    space: SearchSpace[Any, Any], given: keras_tuner.HyperParameters, tune_new_entries: bool, allow_new_entries: bool
) -> tuple[keras_tuner.HyperParameters, Values]:
    """Merges the space's and the user's hyperparameters for an oracle, and returns which of them are restricted.

    Args:
        space: the search space.
        given: those of the user.
        tune_new_entries: whether to search those missing in `given`; otherwise they keep the space's default.
        allow_new_entries: whether `given` may lack some of the space's.

    Raises:
        ConfigError: if they cannot be searched by levels.
    """
    require(keras_tuner.HyperParameters, "hyperparameters", given)
    own, named = of_space(space).space, {parameter.name: parameter for parameter in given.space}
    names = [parameter.name for parameter in own]
    missing = [name for name in names if name not in named]
    if missing and not allow_new_entries:
        raise ConfigError(
            "With `allow_new_entries=False` all hyperparameters of the space must be in `hyperparameters`. "
            f"Received: none of the names {listed(missing)}"
        )
    refuse_others(given, names)
    restricted = refuse_foreign_values(space, given)
    if names[0] in restricted:  # the depth
        raise ConfigError(
            "A search by levels begins at level 1 and ends at the space's last; give a space of as many levels in "
            f"place of `{names[0]}`. Received: {names[0]} of {list(restricted[names[0]])}"
        )
    if not tune_new_entries:
        restricted |= {p.name: (p.default,) for p in own if p.name in missing and p.name != names[0]}
    merged = keras_tuner.HyperParameters()
    for parameter in own:
        chosen = named.get(parameter.name, parameter)
        _refuse_ignored(chosen, parameter)
        chosen = type(chosen).from_config({**chosen.get_config(), "conditions": parameter.get_config()["conditions"]})
        merged.merge([chosen])
    merged.merge([parameter for name, parameter in named.items() if name not in names])
    return merged, restricted


def _refuse_ignored(given: Any, own: Any) -> None:
    """Refuses what has no meaning in a search by levels: sampling of numbers, and the user's own conditions."""
    if getattr(given, "sampling", "linear") != "linear":
        raise ConfigError(f"`{given.name}` is chosen by the surrogate, so it has no `sampling`. Received: {given!r}")
    if given.conditions and given.conditions != own.conditions:
        conditions = ", ".join(f"{condition.name} in {condition.values}" for condition in given.conditions)
        raise ConfigError(
            f"`{given.name}` is active at its level, and cannot depend on something else: give it without conditions. "
            f"Received: a condition {conditions}"
        )


def refuse_others(given: keras_tuner.HyperParameters, names: Sequence[str], fixed: bool = True) -> None:
    """Refuses hyperparameters outside the space, since nothing would choose their values.

    Args:
        given: the hyperparameters.
        names: those of the space.
        fixed: whether others are allowed with a `Fixed` value.

    Raises:
        ConfigError: if there are others.
    """
    others = [p.name for p in given.space if p.name not in names and not (fixed and isinstance(p, hp_types.Fixed))]
    if others:
        remedy = "`Fixed` ones are handed on, or use another oracle" if fixed else "Training is set by `child`"
        raise ConfigError(
            f"The search chooses architectures only, by the hyperparameters {listed(names)}. {remedy}. "
            f"Received: {listed(others)}"
        )


class Restriction:
    """A `Constraint` to candidates whose hyperparameters have permitted values.

    Args:
        space: the search space.
        values: the permitted values of the restricted hyperparameters.
        other: a further constraint.

    Raises:
        ConfigError: if the values cannot be determined from a level's extensions.
    """

    def __init__(self, space: SearchSpace[Any, Any], values: Values, other: Constraint | None = None) -> None:
        self._values, self._other = values, other
        self._keeps = [hyperparameters_of(space).keeps(space, values, n) for n in range(1, space.num_levels + 1)]

    def __str__(self) -> str:
        shown = ", ".join(f"{name} in {list(values)}" for name, values in self._values.items())
        return shown if self._other is None else f"{shown}, {self._other}"

    def allowed(self, parents: Sequence[Indices], level: int) -> Allowed:
        """Selects the candidates of a level that may be trained; see `epnas_tf.search.level_choice.Constraint`."""
        other = self._other.allowed(parents, level) if self._other is not None else None

        def allowed(start: int, count: int) -> BoolArray:
            first, last = start // len(parents), (start + count - 1) // len(parents)
            kept = self._keeps[level - 1](np.arange(first, last + 1, dtype=np.int64))
            kept = np.repeat(kept, len(parents))[start - first * len(parents) :][:count]
            return kept if other is None else kept & other(start, count)

        return allowed
