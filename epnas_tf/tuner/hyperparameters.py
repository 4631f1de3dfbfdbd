"""Architectures as hyperparameters: named integers, choices and Booleans, as KerasTuner and its oracles take them.

A space of another kind needs nothing here: its architectures become one integer a level. It may register names of its
own with `@read.register` and `@to_values.register`.

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
from epnas_tf.space.architecture import (
    CELL_BEFORE_PREVIOUS,
    PREVIOUS_CELL,
    BlockSide,
    MacroArchitecture,
    MacroLayer,
    MicroArchitecture,
    MicroBlock,
)
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.macro import MacroSpace
from epnas_tf.space.micro import MicroSpace

Values = dict[str, Any]
Register = Callable[..., Any]
"""Takes what to register ("Int", "Choice", "Boolean"), a name and the method's arguments; returns the value or None."""


DEPTH, LAYERS, BLOCKS = "levels", "layers", "blocks"
"""The hyperparameter that says how many levels an architecture has: of any space, of macro and of micro spaces."""


@functools.singledispatch
def read(space: SearchSpace[Any, Any], hp: Any) -> Any:
    """Returns the architecture that hyperparameters stand for, and registers those that are not known yet.

    All levels are registered; of an architecture of depth d the first d are active.

    Args:
        space: the search space.
        hp: a `keras_tuner.HyperParameters`.

    Raises:
        ConfigError: if one that the architecture needs was registered under conditions that do not hold.
    """
    indices = [
        register("Int", f"level_{level}", 0, space.num_extensions(level) - 1, default=0)
        for level, register in _levels(hp, DEPTH, space.num_levels)
    ]
    return space.architecture([index for index in indices if index is not None])


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


def _value(hp: Any, known: set[str], active: bool, kind: str, name: str, *arguments: Any, **options: Any) -> Any:
    if name not in known:
        return getattr(hp, kind)(name, *arguments, **options)
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


@functools.singledispatch
def to_values(architecture: Any, space: SearchSpace[Any, Any]) -> Values:
    """Returns the hyperparameters of an architecture, by name: the inverse of `read`.

    Args:
        architecture: the architecture.
        space: its space.
    """
    indices = space.indices(architecture)
    return {DEPTH: len(indices)} | {f"level_{level}": index for level, index in enumerate(indices, 1)}


@read.register
def _(space: MacroSpace, hp: Any) -> MacroArchitecture:
    layers = []
    for l, register in _levels(hp, LAYERS, space.num_levels):
        operation = register("Choice", f"layer_{l}_operation", list(space.operations))
        skips = tuple(s for s in range(l - 1) if register("Boolean", f"layer_{l}_skip_{s}", default=False))
        if operation is not None:
            layers.append(MacroLayer(operation, skips))
    return MacroArchitecture(tuple(layers))


@to_values.register
def _(architecture: MacroArchitecture, space: SearchSpace[Any, Any]) -> Values:
    values: Values = {LAYERS: architecture.num_levels}
    for l, layer in enumerate(architecture.layers, 1):
        values[f"layer_{l}_operation"] = layer.operation
        values |= {f"layer_{l}_skip_{s}": s in layer.skips for s in range(l - 1)}
    return values


@read.register
def _(space: MicroSpace, hp: Any) -> MicroArchitecture:
    blocks = []
    for b, register in _levels(hp, BLOCKS, space.num_levels):
        inputs = [CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, *range(1, b)]
        sides = [
            (
                register("Choice", f"block_{b}_{side}_operation", list(space.operations)),
                register("Choice", f"block_{b}_{side}_input", inputs, default=PREVIOUS_CELL),
            )
            for side in ("left", "right")
        ]
        if None not in sides[0]:
            blocks.append(MicroBlock(*(BlockSide(*side) for side in sides)))
    return MicroArchitecture(tuple(blocks))


@to_values.register
def _(architecture: MicroArchitecture, space: SearchSpace[Any, Any]) -> Values:
    values: Values = {BLOCKS: architecture.num_levels}
    for b, block in enumerate(architecture.blocks, 1):
        for name, side in (("left", block.left), ("right", block.right)):
            values |= {f"block_{b}_{name}_operation": side.operation, f"block_{b}_{name}_input": side.input}
    return values
