"""Architectures as hyperparameters: named integers, choices and Booleans, as KerasTuner and its oracles use them.

A space defines them in its record, `SpaceDefinition.hyperparameters`; by default there is one integer per level.

The hyperparameters of level l > 1 are active if the depth is at least l. So equal architectures have equal values, and
KerasTuner shows, samples and compares only those that matter. A `Fixed` value or a smaller `Choice` that the user has
registered under one of these names replaces the space's own, with or without conditions.

`hp` is a `keras_tuner.HyperParameters`, accepted without a type check: this module does not import KerasTuner.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from epnas_tf.errors import ConfigError
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.definition import Parameter, hyperparameters_of

Values = dict[str, Any]
Register = Callable[[Parameter], Any]
"""Registers a hyperparameter and returns its value, or None."""


def read(space: SearchSpace[Any, Any], hp: Any) -> Any:
    """Converts hyperparameters to an architecture, and registers those that are not known yet.

    All levels are registered; the first d are active for an architecture of depth d.

    Args:
        space: the search space.
        hp: a `keras_tuner.HyperParameters`.

    Raises:
        ConfigError: if the architecture needs one that was registered under conditions that do not hold.
    """
    own, architecture = hyperparameters_of(space), None
    for level, register in _levels(hp, own.depth, space.num_levels):
        values = {parameter.name: register(parameter) for parameter in own.of_level(space, level)}
        if None not in values.values():
            architecture = space.extend(architecture, own.extension(space, level, values))
    return architecture


def _levels(hp: Any, depth: str, num_levels: int) -> Iterator[tuple[int, Register]]:
    """Registers the depth, and yields each level with the function that registers its hyperparameters.

    A hyperparameter has the value None if the depth is less than its level.
    """
    reached = hp.Int(depth, 1, num_levels, default=num_levels)
    known = {parameter.name for parameter in hp.space}
    for level in range(1, num_levels + 1):
        # A condition that always holds would keep a person's own `hp.Choice("layer_1_operation", …)` from being found.
        scope = hp.conditional_scope(depth, list(range(level, num_levels + 1))) if level > 1 else None
        with scope or contextlib.nullcontext():
            yield level, functools.partial(_value, hp, known, level <= reached)


def _value(hp: Any, known: set[str], active: bool, parameter: Parameter) -> Any:
    name = parameter.name
    if name not in known:
        options = {} if parameter.default is None else {"default": parameter.default}
        return getattr(hp, parameter.kind)(name, *parameter.arguments, **options)
    if not active:
        return None
    try:
        return hp.get(name)
    except ValueError as error:
        given = next(parameter for parameter in hp.space if parameter.name == name)
        conditions = [f"{condition.name} in {condition.values}" for condition in given.conditions]
        raise ConfigError(
            f"`{name}` is needed, but inactive: give it without conditions. Received: {given!r} where "
            f"{' and '.join(conditions) or 'it has no value'}"
        ) from error


def to_values(architecture: Any, space: SearchSpace[Any, Any]) -> Values:
    """Converts an architecture to hyperparameters by name: the inverse of `read`.

    Args:
        architecture: the architecture.
        space: its space.
    """
    own, extensions = hyperparameters_of(space), space.extensions(architecture)
    values: Values = {own.depth: len(extensions)}
    for level, extension in enumerate(extensions, 1):
        values |= own.values(space, level, extension)
    return values
