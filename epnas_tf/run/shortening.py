"""Changes of settings that reduce a search to a given time or memory, with the least harm to its result."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from epnas_tf.config import RunConfig
from epnas_tf.cost.workload import DataSize
from epnas_tf.errors import EPNASError
from epnas_tf.options import from_values, values_of
from epnas_tf.space import definition_of_space

IMAGES_A_CLASS = 20
"""No fewer images of a class are proposed."""

LADDERS: Mapping[str, tuple[float, tuple[int, ...]]] = {
    "iterations": (0.5, (5, 3, 2, 1)),
    "image_size": (0.8, (256, 192, 128, 96, 64, 48, 32)),
    "k": (0.7, (25, 20, 15, 10, 8, 5)),
    "train_images": (1.0, (100_000, 50_000, 20_000, 10_000, 6_000, 4_000, 2_000)),
    "epochs": (1.5, (10, 5, 3)),
    "layers": (1.2, (16, 12, 10, 8, 6)),
    "blocks": (1.2, (5, 4, 3)),
    "normal_cells": (1.0, (3, 2, 1)),
    "channels": (1.5, (96, 64, 48, 32, 24, 16)),
    "batch_size": (0.8, (256, 128, 64, 32, 16)),
}
"""For each setting that may be proposed, how much halving it hurts, and the values that are tried.

A weight is a judgement: fewer iterations over all levels hurt least, fewer epochs and narrower networks most, as their
scores then say less of what a network can do.
"""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """Tried settings, and the sizes of the images with them."""

    config: RunConfig
    data: DataSize
    changes: dict[str, Any]


def shortened(
    config: RunConfig,
    data: DataSize,
    measure: Callable[[RunConfig, DataSize], float],
    target: float,
    names: Sequence[str],
) -> Attempt | None:
    """Finds settings whose measure is at most a target, with as few changes as possible.

    Each step makes the change with the best ratio of gain to harm. At the end, changes that turn out to be unnecessary
    are undone.

    Args:
        config: the settings.
        data: the sizes of the images with them.
        measure: the quantity to reduce, such as the seconds of a search.
        target: its upper bound.
        names: settings that may be changed.

    Returns:
        The settings; if the target cannot be reached, those with the smallest measure. None if nothing helps.
    """
    measured: dict[tuple[Any, ...], float] = {}

    def value(attempt: Attempt) -> float:
        key = tuple(attempt.changes.items())
        if key not in measured:
            try:
                measured[key] = measure(attempt.config, attempt.data)
            except EPNASError:  # too small for the space
                measured[key] = float("inf")
        return measured[key]

    first = best = Attempt(config, data, {})
    while value(best) > target:
        steps = [(attempt, hurt) for name in names for attempt, hurt in _steps(best, first, name)]
        gains = [(value(best) / value(attempt), hurt, attempt) for attempt, hurt in steps if value(attempt) > 0]
        gains = [gain for gain in gains if gain[0] > 1.02]
        if not gains:
            break
        best = max(gains, key=lambda gain: (gain[0] - 1) / gain[1])[2]
    for name in [name for name in names if name in best.changes]:
        without = _with(first, {n: v for n, v in best.changes.items() if n != name})
        if value(without) <= target:
            best = without
    return best if best.changes else None


def _steps(attempt: Attempt, first: Attempt, name: str) -> Iterator[tuple[Attempt, float]]:
    """Yields attempts with one setting a step lower, each with the harm that this does."""
    if name == "operations":
        fewer = definition_of_space(attempt.config.space.space).fewer_operations
        if fewer and name not in attempt.changes and not attempt.config.space.operations:
            yield _with(first, attempt.changes | {name: fewer}), 0.7
        return
    weight, ladder = LADDERS[name]
    now = _value(attempt, name)
    lower = [step for step in ladder if step < now]
    if name == "train_images":
        lower = [step for step in lower if step >= IMAGES_A_CLASS * attempt.data.num_classes]
    if lower:
        yield _with(first, attempt.changes | {name: lower[0]}), weight * (now / lower[0] - 1)


def _value(attempt: Attempt, name: str) -> int:
    if name == "image_size":
        return min(attempt.data.image_shape[:2])
    if name == "train_images":
        return attempt.data.num_train + attempt.data.num_validation
    return int(values_of(attempt.config)[name])


def _with(first: Attempt, changes: dict[str, Any]) -> Attempt:
    """Applies changes to the first settings and to the sizes of the images."""
    config = from_values(RunConfig, values_of(first.config) | changes)
    data = first.data
    if side := changes.get("image_size"):
        data = dataclasses.replace(data, image_shape=(side, side, data.image_shape[2]))
    if images := changes.get("train_images"):
        part = images / (data.num_train + data.num_validation)
        validation = max(round(part * data.num_validation), 1)
        data = dataclasses.replace(data, num_train=images - validation, num_validation=validation)
    return Attempt(config, data, changes)
