"""Architectures as hyperparameters: named integers, choices and Booleans, as KerasTuner and its oracles use them.

A space defines them in its record, `SpaceDefinition.hyperparameters`; by default there is one integer per level.

The hyperparameters of level l > 1 are active if the depth is at least l. So equal architectures have equal values, and
KerasTuner shows, samples and compares only those that matter. A `Fixed` value or a smaller `Choice` that the user has
registered under one of these names replaces the space's own, with or without conditions.

`hp` is a `keras_tuner.HyperParameters`, accepted without a type check: this module does not import KerasTuner.
"""

import contextlib
from typing import Any

from epnas_tf.space.base import SearchSpace
from epnas_tf.space.definition import hyperparameters_of


def read(space: SearchSpace[Any, Any], hp: Any) -> Any:
    """Converts hyperparameters to an architecture, and registers those that are not known yet.

    All levels are registered; the first d are active for an architecture of depth d.

    Args:
        space: the search space.
        hp: a `keras_tuner.HyperParameters`.

    Raises:
        ValueError: if the architecture needs one that was registered under conditions that do not hold.
    """
    own, architecture, num_levels = hyperparameters_of(space), None, space.num_levels
    depth = hp.Int(own.depth, 1, num_levels, default=num_levels)
    known = {parameter.name for parameter in hp.space}
    for level in range(1, num_levels + 1):
        parameters = own.of_level(space, level)
        # A condition that always holds would keep a person's own `hp.Choice("layer_1_operation", …)` from being found.
        scope = hp.conditional_scope(own.depth, list(range(level, num_levels + 1))) if level > 1 else None
        with scope or contextlib.nullcontext():
            for parameter in [parameter for parameter in parameters if parameter.name not in known]:
                options = {} if parameter.default is None else {"default": parameter.default}
                getattr(hp, parameter.kind)(parameter.name, *parameter.arguments, **options)
        if level <= depth:
            values = {parameter.name: hp.get(parameter.name) for parameter in parameters}
            architecture = space.extend(architecture, own.extension(space, level, values))
    return architecture


def to_values(architecture: Any, space: SearchSpace[Any, Any]) -> dict[str, Any]:
    """Converts an architecture to hyperparameters by name: the inverse of `read`.

    Args:
        architecture: the architecture.
        space: its space.
    """
    own, extensions = hyperparameters_of(space), space.extensions(architecture)
    values: dict[str, Any] = {own.depth: len(extensions)}
    for level, extension in enumerate(extensions, 1):
        values |= own.values(space, level, extension)
    return values
