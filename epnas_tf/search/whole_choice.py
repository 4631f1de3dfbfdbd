"""The choice of whole architectures by draws of their scores, with no shallow ones trained in between."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import BoolArray, FloatArray
from epnas_tf.search import sampling
from epnas_tf.search.lookahead import some_extensions
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.residuals import differing_symbols
from epnas_tf.surrogate.table import Indices

NEAREST = 48
"""Extensions of a level that an architecture's own is replaced by; of more, those with most symbols in common."""

STEPS = 2
"""Steps of the local search; more where these find too few architectures."""

Scores = Callable[[Sequence[Indices]], FloatArray]
"""Maps whole architectures to their scores by each draw, float [draws, n]."""


def by_local_search(
    space: SearchSpace[Any, Any],
    scores: Scores,
    starts: Sequence[Indices],
    count: int,
    measured: set[Indices],
    keeps: Callable[[Sequence[Indices]], BoolArray] | None,
) -> list[Indices]:
    """Chooses whole architectures near some good ones: each draw in turn takes its best one that is left.

    Args:
        space: the search space.
        scores: the draws.
        starts: whole architectures that keep the constraint, at least one.
        count: how many to choose. There may be fewer in a small space.
        measured: architectures that are chosen only if there are no others.
        keeps: which of some architectures may be trained; None if all may.
    """
    pool: dict[Indices, None] = dict.fromkeys(starts)
    seen = set(pool)  # also those that break the constraint
    tried: set[Indices] = set()
    for step in itertools.count(1):
        tried.update(starts)
        near = dict.fromkeys(itertools.chain.from_iterable(_changed(space, start) for start in starts))
        new = [indices for indices in near if indices not in seen]
        seen.update(new)
        if new:
            kept = np.ones(len(new), bool) if keeps is None else keeps(new)
            pool.update(dict.fromkeys(itertools.compress(new, kept.tolist())))
        architectures = list(pool)
        drawn = scores(architectures)
        best, _ = sampling.choose_in_turns([(0, drawn)], count)
        starts = [architectures[index] for index in best.tolist()]
        fresh = np.array([indices not in measured for indices in architectures])
        if step >= STEPS:
            # A limit may cut the best off from the rest: then all that was found is searched around.
            starts = [] if fresh.sum() >= count else [indices for indices in architectures if indices not in tried]
            if not starts:
                break
    # Where all were measured, a second score is worth more than none.
    chosen, _ = sampling.choose_in_turns([(0, drawn)], count, (lambda _, __: fresh) if fresh.any() else None)
    return [architectures[index] for index in chosen.tolist()]


def _changed(space: SearchSpace[Any, Any], start: Indices) -> list[Indices]:
    """The architectures that differ from one in the extension of one level."""
    found = []
    for level, own in enumerate(start, 1):
        indices = some_extensions(space, level)
        if len(indices) > NEAREST:
            symbols = differing_symbols(space.encode(level, np.array([own])), space.encode(level, indices))[0]
            indices = indices[np.argsort(symbols, kind="stable")[:NEAREST]]
        found += [(*start[: level - 1], index, *start[level:]) for index in indices.tolist() if index != own]
    return found
