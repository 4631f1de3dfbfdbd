"""Scoring all candidates of a macro level: from the parents' states, and each sequence whole by Keras."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.sides import plain_surrogate
from epnas_tf import prepare_tensorflow
from epnas_tf.config import PAPER_SURROGATE
from epnas_tf.space import MacroSpace
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.surrogate import Surrogate, score_candidates
from epnas_tf.surrogate.table import Indices, encode_rows


def sampled_parents(space: SearchSpace[Any, Any], level: int, count: int) -> list[Indices]:
    """Returns architectures of a level as indices."""
    rng = np.random.default_rng(0)
    return [space.indices(space.sample(rng, level)) for _ in range(count)]


class FactoredScorer:
    """Scores as the search does, with its settings of TensorFlow.

    Args:
        level: the candidates' level.
        parents: architectures of the level before.
    """

    def __init__(self, level: int, parents: int) -> None:
        prepare_tensorflow()
        self._level, self._space = level, MacroSpace(level)
        self._surrogate = Surrogate(self._space.num_features, level, PAPER_SURROGATE, seed=0)
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
        parents = self._surrogate.parents(*encode_rows(self._space, self._parents))
        return score_candidates(self._surrogate, self._space, self._level, parents)


class WholeScorer:
    """Encodes each candidate's whole sequence and scores it by `keras.Model.predict`, one parent at a time.

    Args:
        level: the candidates' level.
        parents: architectures of the level before.
        batch_size: of `predict`.
    """

    def __init__(self, level: int, parents: int, batch_size: int) -> None:
        self._level, self._space, self._batch_size = level, MacroSpace(level), batch_size
        config = PAPER_SURROGATE
        self._model = plain_surrogate.build_model(level, self._space.num_features, config, masked=False)
        plain_surrogate.copy_weights(Surrogate(self._space.num_features, level, config, seed=0), self._model)
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
