"""Scoring a level's candidates from the parents' states, and each sequence whole by Keras; the choice among them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from epnas_tf import prepare_tensorflow
from epnas_tf.config import PAPER_SURROGATE, SearchConfig
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.search.search_state import SearchState
from epnas_tf.space import MacroSpace
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate import lstm
from epnas_tf.surrogate.lstm_surrogate import LSTMSurrogate
from epnas_tf.surrogate.surrogate import score_candidates
from epnas_tf.surrogate.table import Indices, encode_rows

WARM_LEVEL = 7
"""With 26 parents it has 9,984 candidates: more than are scored without XLA, which takes memory of its own."""

STATUS = Path("/proc/self/status")
"""How much memory this process has, as Linux counts it."""


def sampled_parents(space: SearchSpace[Any, Any], level: int, count: int) -> list[Indices]:
    """Returns architectures of a level as indices."""
    rng = np.random.default_rng(0)
    return [space.indices(space.sample(rng, level)) for _ in range(count)]


def memory(name: str) -> int:
    """Returns a line of the process's status, in bytes: VmRSS for the resident memory, VmHWM for its peak."""
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


class FactoredScorer:
    """Scores as the search does, with its settings of TensorFlow.

    Args:
        level: the candidates' level.
        parents: architectures of the level before.
    """

    def __init__(self, level: int, parents: int) -> None:
        prepare_tensorflow()
        self._level, self._space = level, MacroSpace(level)
        self._surrogate = LSTMSurrogate(self._space.num_features, level, PAPER_SURROGATE, seed=0)
        self._parents = sampled_parents(self._space, level - 1, parents)

    def score(self) -> None:
        """Scores all candidates, a chunk after the other."""
        for _ in self._chunks():
            pass

    def first(self, count: int) -> npt.NDArray[np.float32]:
        """Returns the scores of the first parent with the first extensions."""
        scores = np.concatenate([log_scores for _, log_scores in self._chunks()])
        return np.exp(scores[: count * len(self._parents) : len(self._parents)])

    def _chunks(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        scorer = self._surrogate.log_scorer(*encode_rows(self._space, self._parents))
        return score_candidates(scorer, self._space, self._level, len(self._parents))


class WholeScorer:
    """Encodes each candidate's whole sequence and scores it by `keras.Model.predict`, one parent at a time.

    Args:
        level: the candidates' level.
        parents: architectures of the level before.
        batch_size: of `predict`.
    """

    def __init__(self, level: int, parents: int, batch_size: int) -> None:
        self._level, self._space, self._batch_size = level, MacroSpace(level), batch_size
        config, features = PAPER_SURROGATE, self._space.num_features
        self._model = keras.Sequential(
            [
                keras.Input((level, features)),
                keras.layers.Dense(config.input_units),
                keras.layers.LSTM(config.hidden_units),
                keras.layers.Dense(1, "sigmoid"),
            ]
        )
        ours = LSTMSurrogate(features, level, config, seed=0).get_state()
        weights = zip(lstm.Weights._fields, self._model.weights, strict=True)
        self._model.set_weights([ours[f"surrogate/{name}"].reshape(weight.shape) for name, weight in weights])
        self._parents = sampled_parents(self._space, level - 1, parents)

    def score(self) -> None:
        """Scores all candidates, parent after parent."""
        for parent in range(len(self._parents)):
            self._score(parent)

    def first(self, count: int) -> npt.NDArray[np.float32]:
        """Returns the scores of the first parent with the first extensions."""
        return self._score(0)[:count]

    def _score(self, parent: int) -> npt.NDArray[np.float32]:
        features, _ = encode_rows(self._space, self._parents[parent : parent + 1])
        extensions = self._space.num_extensions(self._level)
        rows = np.repeat(features, extensions, axis=0)
        rows[:, self._level - 1] = self._space.encode(self._level, np.arange(extensions))
        scores: npt.NDArray[np.float32] = self._model.predict(rows, self._batch_size, verbose=0)[:, 0]
        return scores


class LevelChoice:
    """Has a search choose the candidates of a level, once the level before is told.

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
            The seconds of the choice, the bytes of memory at the peak above those just before, and
            those just before.
        """
        # Another number of parents: what is compiled for these does not serve the others.
        self._told_search(min(WARM_LEVEL, self._space.num_levels), self._parents + 1).advance()
        search = self._told_search(self._space.num_levels, self._parents)
        # `getrusage` has a peak too, but that of TensorFlow's import.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = memory("VmRSS")
        began = time.perf_counter()
        search.advance()
        return time.perf_counter() - began, memory("VmHWM") - before, before

    def _told_search(self, level: int, k: int) -> ProgressiveSearch[Any]:
        """Returns a search that knows the scores of K architectures of the level before, and has fitted on them."""
        search: ProgressiveSearch[Any] = ProgressiveSearch(self._space, SearchConfig(k=k, iterations=1))
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
