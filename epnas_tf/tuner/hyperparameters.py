"""Architectures as hyperparameters: named integers, choices and Booleans, as KerasTuner and its oracles take them.

A space says in its record, `SpaceDefinition.hyperparameters`, which they are; by default one integer a level.

The hyperparameters of level l > 1 are active where the depth is at least l, so that equal architectures have equal
values, and KerasTuner shows, samples and compares no more than counts. What a person has registered before under one of
these names, a `Fixed` value or a smaller `Choice`, is taken in place of the space's own, with conditions or without.

`hp` is a `keras_tuner.HyperParameters`, taken as it comes: this module does not import KerasTuner.
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
    """Returns the architecture that hyperparameters stand for, and registers those that are not known yet.

    All levels are registered; of an architecture of depth d the first d are active.

    Args:
        space: the search space.
        hp: a `keras_tuner.HyperParameters`.

    Raises:
        ConfigError: if one that the architecture needs was registered under conditions that do not hold.
    """
    own, architecture = hyperparameters_of(space), None
    for level, register in _levels(hp, own.depth, space.num_levels):
        values = {parameter.name: register(parameter) for parameter in own.of_level(space, level)}
        if None not in values.values():
            architecture = space.extend(architecture, own.extension(space, level, values))
    return architecture


def _levels(hp: Any, depth: str, num_levels: int) -> Iterator[tuple[int, Register]]:
    """Registers the depth and yields each level with what registers its hyperparameters.

    What is registered has the value None where the depth is less than the level.
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
    """Returns the hyperparameters of an architecture, by name: the inverse of `read`.

    Args:
        architecture: the architecture.
        space: its space.
    """
    own, extensions = hyperparameters_of(space), space.extensions(architecture)
    values: Values = {own.depth: len(extensions)}
    for level, extension in enumerate(extensions, 1):
        values |= own.values(space, level, extension)
    return values
