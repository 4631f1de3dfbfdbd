"""The surrogate function: predicts a score from an architecture's symbol arrays (paper, section 4).

The paper's is an LSTM with a sigmoid output, `lstm_surrogate`. The default is an additive model, `additive_surrogate`.
BUILD_NOTES.md has the reasons and the figures.
"""

import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array, FloatArray, IntArray
from epnas_tf.config import SurrogateConfig
from epnas_tf.errors import SearchError, StateError
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.table import Rows

EXTENSIONS_AT_ONCE = 2048
"""Extensions of a scored block: about 20 MB with 25 parents."""

CHUNK_SIZE = 2**18
"""Candidates of a chunk."""

SMALLEST = 1e-6
"""Lower bound of a score, so that it has a logarithm."""

State = dict[str, npt.NDArray[Any]]
"""What a surrogate has learned, by name."""

Scorer = Callable[[Float32Array], Float32Array]
"""Scores some parents with n extensions, given by their symbol arrays, float32 [n, F]: float32 [..., n, parents].

Of several calls, the first has the most extensions.
"""


class Surrogate(abc.ABC):
    """Predicts the validation accuracy of an architecture.

    Attributes:
        num_fits: the number of fits so far.
    """

    def __init__(self, num_features: int, num_levels: int, config: SurrogateConfig) -> None:
        """Takes the sizes.

        Args:
            num_features: length F of a level's symbol array.
            num_levels: levels L of the longest sequence.
            config: sizes and training.
        """
        self._config = config
        self._shape = (num_levels, num_features)
        self.num_fits = 0

    def fit(self, rows: Rows, rng: np.random.Generator) -> float:
        """Learns from a table of measured scores. A failed or interrupted fit changes nothing.

        Args:
            rows: the table.
            rng: source of every random choice.

        Returns:
            The mean absolute error over all rows after the fit.

        Raises:
            ValueError: if the shapes do not fit or there is no row.
            SearchError: if the predictions are no longer finite.
        """
        self.check_rows(rows.features, rows.levels)
        shapes = [values.shape for values in (rows.scores, rows.iterations, rows.positions)]
        if set(shapes) != {rows.levels.shape} or not rows.scores.size:
            raise ValueError(
                "`scores`, `iterations` and `positions` must have one number a row, and at least one. Received: "
                f"shapes {', '.join(map(str, shapes))} for {rows.levels.shape[0]} rows"
            )
        before = self.get_state()
        try:
            self._learn(rows, rng)
            self.num_fits += 1
            error = float(np.mean(np.abs(self.predict(rows.features, rows.levels) - rows.scores)))
            if not np.isfinite(error):
                raise SearchError(
                    f"The surrogate diverged in fit {self.num_fits}. A lower `surrogate_learning_rate` or "
                    f"`first_surrogate_learning_rate` may help. Received: a mean absolute error of {error}"
                )
        except BaseException:  # interrupted, too
            self.set_state(before)
            raise
        return error

    @abc.abstractmethod
    def predict(self, features: Float32Array, levels: IntArray) -> Float32Array:
        """The predicted scores, float32 [rows], about in [0, 1]; the arguments are those of `Rows`."""

    def adjust_to_latest_iteration(self, rows: Rows) -> FloatArray:
        """The scores adjusted to the latest iteration, float [rows]; unchanged where that is not modelled."""
        return rows.scores

    @abc.abstractmethod
    def log_scorer(self, features: Float32Array, levels: IntArray) -> Scorer:
        """Makes a scorer of the extensions of some parents, which gives log scores, float32 [n, parents].

        Args:
            features: the symbol arrays of parents of one level, as in `Rows`.
            levels: their level; before the first level, a single row of level 0.
        """

    def get_state(self) -> State:
        """Copies of everything learned and of the number of fits, by name."""
        arrays = {**self._arrays(), "fits": np.array(self.num_fits, np.int64)}
        return {f"surrogate/{name}": np.array(array) for name, array in arrays.items()}

    def set_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restores a state of `get_state`; changes nothing if it does not fit.

        Raises:
            StateError: if a name is missing or unknown, or an array has another shape or data type.
        """
        check_arrays(state, self.get_state())
        own = {name.removeprefix("surrogate/"): np.array(array) for name, array in state.items()}
        self.num_fits = int(own.pop("fits"))
        self._restore(own)

    def check_rows(self, features: Float32Array, levels: IntArray) -> None:
        """Refuses symbol arrays of another space.

        Raises:
            ValueError: if the shapes do not fit.
        """
        if features.shape[1:] != self._shape or levels.shape != features.shape[:1]:
            raise ValueError(
                f"`features` must have shape (rows, {self._shape[0]}, {self._shape[1]}) and `levels` (rows,). "
                f"Received: features.shape={features.shape}, levels.shape={levels.shape}"
            )

    @abc.abstractmethod
    def _learn(self, rows: Rows, rng: np.random.Generator) -> None:
        """Fits to checked rows."""

    @abc.abstractmethod
    def _arrays(self) -> State:
        """Everything learned, by name."""

    @abc.abstractmethod
    def _restore(self, arrays: State) -> None:
        """Takes arrays of the names, shapes and types of `_arrays`."""


def check_arrays(found: Mapping[str, npt.NDArray[Any]], expected: Mapping[str, npt.NDArray[Any]]) -> None:
    """Checks that the arrays of a surrogate's state have the expected names, shapes and data types.

    Raises:
        StateError: if a name is missing or unknown, or an array has another shape or data type.
    """
    if set(found) != set(expected):
        raise StateError(
            f"A surrogate's state lacks {sorted(set(expected) - set(found))} and has unknown arrays. "
            f"Received: {sorted(set(found) - set(expected))}"
        )
    for name, array in expected.items():
        other = np.asarray(found[name])
        if other.shape != array.shape or other.dtype != array.dtype:
            raise StateError(
                f"`{name}` must have shape {array.shape} and data type {array.dtype}. "
                f"Received: shape={other.shape}, data type {other.dtype}"
            )


def score_candidates(
    scorer: Scorer, space: SearchSpace[Any, Any], level: int, parents: int, chunk_size: int = CHUNK_SIZE
) -> Iterator[tuple[int, Float32Array]]:
    """Yields the scores of all parents × extensions of a level, in the order of their flat index.

    The flat index of a candidate is extension · parents + parent: each extension is encoded once for all parents, and
    only those of a chunk are in memory, however deep the level.

    Args:
        scorer: scores the extensions of architectures of the level before.
        space: encodes the extensions.
        level: the level of the extensions, from 1.
        parents: the number of those architectures.
        chunk_size: the most candidates of a chunk, unless there are more parents than that.

    Yields:
        The flat index of the chunk's first candidate and float32 [..., n], the scores from there on.
    """
    extensions, block = space.num_extensions(level), max(1, min(EXTENSIONS_AT_ONCE, chunk_size // parents))
    for start in range(0, extensions, block):
        numbers = np.arange(start, min(start + block, extensions), dtype=np.int64)
        scores = scorer(np.asarray(space.encode(level, numbers), np.float32))
        yield start * parents, scores.reshape(*scores.shape[:-2], -1)
