"""The merge of a round: what several children made of the same shared weights becomes one set of shared weights."""

from collections.abc import Sequence

import numpy as np

from epnas_tf.arrays import Float32Array
from epnas_tf.children.outcome import ChildOutcome, SharedValues
from epnas_tf.space.graph import Key


def merged(outcomes: Sequence[ChildOutcome]) -> tuple[SharedValues, dict[Key, int]]:
    """Merges the values that the children of a round left, layer by layer.

    A layer gets the mean over the children that used it, weighted by their training steps: its weights, their momentum
    and batch norm's statistics. Children that diverged take no part. The mean is summed in float64 in the order of the
    children, so it does not depend on where or when they were trained; of a single child it is its values, bit for bit.

    Args:
        outcomes: the outcomes of a round, in the order of the children.

    Returns:
        The merged values, and for each layer the sum of the training steps that it took part in.
    """
    users: dict[Key, list[ChildOutcome]] = {}
    for outcome in outcomes:
        if outcome.failure is None:
            for key in outcome.values.variables:
                users.setdefault(key, []).append(outcome)
    values = SharedValues({}, {})
    for key, of_key in users.items():
        steps = [outcome.result.steps for outcome in of_key]
        each = [outcome.values for outcome in of_key]
        values.variables[key] = [
            _mean(arrays, steps) for arrays in zip(*(one.variables[key] for one in each), strict=True)
        ]
        if key in each[0].momentum:
            values.momentum[key] = _mean([one.momentum[key] for one in each], steps)
    return values, {key: sum(outcome.result.steps for outcome in of_key) for key, of_key in users.items()}


def _mean(arrays: Sequence[Float32Array], weights: Sequence[int]) -> Float32Array:
    """The weighted mean of arrays of one shape."""
    if len(arrays) == 1:
        return arrays[0]
    total = np.zeros(arrays[0].shape)
    for array, weight in zip(arrays, weights, strict=True):
        total += float(weight) * array.astype(np.float64)
    return (total / sum(weights)).astype(np.float32)
