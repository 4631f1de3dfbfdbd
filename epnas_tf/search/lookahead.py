"""What the rest of a limit is worth: the best further levels that a candidate can still afford.

Under a limit, the candidates of the first levels that score best may leave nothing for the levels to come. So the room
that a candidate leaves is added to its score: what the additive model predicts for the best affordable further levels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import Float64Array, FloatArray, Int64Array
from epnas_tf.space.base import SearchSpace

MAX_EXTENSIONS = 2**14
"""Extensions of a further level that are looked at; of more, so many are drawn."""

STEPS = 100
"""Parts that a limit is cut into; costs are rounded up to whole parts."""


def some_extensions(space: SearchSpace[Any, Any], level: int) -> Int64Array:
    """The indices of a level's extensions, int64 [n]; if there are more than `MAX_EXTENSIONS`, some of them."""
    count = space.num_extensions(level)
    if count <= MAX_EXTENSIONS:
        return np.arange(count, dtype=np.int64)
    return np.unique(np.random.default_rng(level).integers(count, size=MAX_EXTENSIONS))


def worth_of_room(scores: Sequence[FloatArray], parts: Sequence[Float64Array]) -> Float64Array:
    """The most that further levels can add to a score, by the room they have: a knapsack, level by level.

    Args:
        scores: for each further level, what its extensions add by each draw, float [draws, extensions].
        parts: for each further level, what its extensions take, as fractions of the limit, float64 [extensions]; the
            cheapest takes 0.

    Returns:
        float64 [draws, STEPS + 1], by the room in steps; the first is for none.
    """
    worth = np.zeros((1, STEPS + 1))
    for adds, takes in zip(scores, parts, strict=True):
        steps = np.ceil(STEPS * takes - 1e-6).astype(np.int64)
        found = np.full((len(adds), STEPS + 1), -np.inf)
        for taken in np.unique(steps[steps <= STEPS]).tolist():
            # The best extension that takes so many steps, and the best rest with what it leaves.
            best = adds[:, steps == taken].max(axis=1)[:, np.newaxis]
            found[:, taken:] = np.maximum(found[:, taken:], best + worth[:, : STEPS + 1 - taken])
        worth = found
    return worth
