"""The choice of a level's architectures as the search makes it, at any level without the search before it."""

import time
from typing import Any

import numpy as np

from benchmarks import memory
from benchmarks.sides.scorers import sampled_parents
from epnas_tf import prepare_tensorflow
from epnas_tf.config import SearchConfig
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.search.search_state import SearchState
from epnas_tf.space.base import SearchSpace

WARM_LEVEL = 7
"""With 26 parents it has 9,984 candidates: more than are scored without XLA, which takes memory of its own."""


class LevelChoice:
    """Asks a search for its first candidate of a level, once the level before is told.

    Args:
        space: its deepest level is chosen.
        parents: K, also the number of parents.
    """

    def __init__(self, space: SearchSpace[Any, Any], parents: int) -> None:
        prepare_tensorflow()
        self._space, self._parents = space, parents

    def choose(self) -> tuple[float, int, int]:
        """Scores and samples; the libraries' own buffers are taken before, by the choice of a level of some thousand.

        Returns:
            The seconds of `advance`, the bytes of memory at the peak above those just before, and
            those just before.
        """
        # Another number of parents: what is compiled for these does not serve the others.
        self._told_search(min(WARM_LEVEL, self._space.num_levels), self._parents + 1).advance()
        search = self._told_search(self._space.num_levels, self._parents)
        memory.forget_peak()
        before = memory.resident()
        began = time.perf_counter()
        search.advance()
        return time.perf_counter() - began, memory.peak() - before, before

    def _told_search(self, level: int, k: int) -> ProgressiveSearch:
        """Returns a search that knows the scores of K architectures of the level before, and has fitted on them."""
        search: ProgressiveSearch = ProgressiveSearch(self._space, SearchConfig(k=k, iterations=1))
        parents = sampled_parents(self._space, level - 1, k)
        scores = np.random.default_rng(0).uniform(0.8, 0.9, len(parents)).tolist()
        state = SearchState(
            iteration=0,
            level=level - 1,
            first_number=0,
            chosen=parents,
            predicted=[None] * len(parents),
            scores=dict(enumerate(scores)),
            rank_correlation=None,
        )
        arrays = {
            **search.get_state()[1],
            "surrogate/fits": np.array(level, np.int64),
        }  # so that `advance` fits no more
        search.set_state(state.to_values(self._space), arrays)
        return search
