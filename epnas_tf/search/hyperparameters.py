"""Architectures as hyperparameters: named integers, choices and Booleans, as KerasTuner and its oracles take them.

A space of another kind needs nothing here: its architectures become one integer a level. It may register names of its
own with `@read.register` and `@to_values.register`.

The hyperparameters of level l are active where the depth is at least l, so that equal architectures have equal values,
and KerasTuner shows, samples and compares no more than counts.

`hp` is a `keras_tuner.HyperParameters`, taken as it comes: this module does not import KerasTuner.
"""

import functools
from collections.abc import Iterator
from typing import Any

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


@functools.singledispatch
def read(space: SearchSpace[Any, Any], hp: Any) -> Any:
    """Returns the architecture that hyperparameters stand for, and registers those that are not known yet.

    All levels are registered; of an architecture of depth d the first d are active.

    Args:
        space: the search space.
        hp: a `keras_tuner.HyperParameters`.
    """
    indices = [
        hp.Int(f"level_{level}", 0, space.num_extensions(level) - 1, default=0)
        for level in _levels(hp, "levels", space.num_levels)
    ]
    return space.architecture([index for index in indices if index is not None])


def _levels(hp: Any, depth: str, num_levels: int) -> Iterator[int]:
    """Registers the depth and yields each level, in a scope where what is read is None if the depth is less."""
    hp.Int(depth, 1, num_levels, default=num_levels)
    for level in range(1, num_levels + 1):
        with hp.conditional_scope(depth, list(range(level, num_levels + 1))):
            yield level


@functools.singledispatch
def to_values(architecture: Any, space: SearchSpace[Any, Any]) -> Values:
    """Returns the hyperparameters of an architecture, by name: the inverse of `read`.

    Args:
        architecture: the architecture.
        space: its space.
    """
    indices = space.indices(architecture)
    return {"levels": len(indices)} | {f"level_{level}": index for level, index in enumerate(indices, 1)}


@read.register
def _(space: MacroSpace, hp: Any) -> MacroArchitecture:
    layers = []
    for l in _levels(hp, "layers", space.num_levels):
        operation = hp.Choice(f"layer_{l}_operation", list(space.operations))
        skips = tuple(s for s in range(l - 1) if hp.Boolean(f"layer_{l}_skip_{s}", default=False))
        if operation is not None:
            layers.append(MacroLayer(operation, skips))
    return MacroArchitecture(tuple(layers))


@to_values.register
def _(architecture: MacroArchitecture, space: SearchSpace[Any, Any]) -> Values:
    values: Values = {"layers": architecture.num_levels}
    for l, layer in enumerate(architecture.layers, 1):
        values[f"layer_{l}_operation"] = layer.operation
        values |= {f"layer_{l}_skip_{s}": s in layer.skips for s in range(l - 1)}
    return values


@read.register
def _(space: MicroSpace, hp: Any) -> MicroArchitecture:
    blocks = []
    for b in _levels(hp, "blocks", space.num_levels):
        inputs = [CELL_BEFORE_PREVIOUS, PREVIOUS_CELL, *range(1, b)]
        sides = [
            (
                hp.Choice(f"block_{b}_{side}_operation", list(space.operations)),
                hp.Choice(f"block_{b}_{side}_input", inputs, default=PREVIOUS_CELL),
            )
            for side in ("left", "right")
        ]
        if None not in sides[0]:
            blocks.append(MicroBlock(*(BlockSide(*side) for side in sides)))
    return MicroArchitecture(tuple(blocks))


@to_values.register
def _(architecture: MicroArchitecture, space: SearchSpace[Any, Any]) -> Values:
    values: Values = {"blocks": architecture.num_levels}
    for b, block in enumerate(architecture.blocks, 1):
        for name, side in (("left", block.left), ("right", block.right)):
            values |= {f"block_{b}_{name}_operation": side.operation, f"block_{b}_{name}_input": side.input}
    return values
