"""The surrogate function: predicts a score from an architecture's symbol arrays (paper, section 4).

The paper's surrogate is an LSTM with a sigmoid output. The default is an additive model. LSTMs beside it learn its
residuals, and their weighted mean is added. The weight is learned from levels that were measured after their
prediction. BUILD_NOTES.md has the reasons and the figures.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.arrays import Float32Array, FloatArray, IntArray
from epnas_tf.config import SurrogateConfig
from epnas_tf.errors import SearchError, StateError
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.additive import AdditiveModel
from epnas_tf.surrogate.ensemble import DEVICE, LSTMEnsemble, float32
from epnas_tf.surrogate.residual_weight import ResidualWeight
from epnas_tf.surrogate.scoring import SMALLEST, Draws, Parents, Scoring, scoring_graphs, skip_xla
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Rows

EXTENSIONS_AT_ONCE = 2048
"""Extensions of a scored block: about 20 MB with 25 parents."""

CHUNK_SIZE = 2**18
"""Candidates of a chunk."""


class Surrogate:
    """Predicts the validation accuracy of an architecture.

    Attributes:
        num_fits: the number of fits so far.
    """

    def __init__(
        self,
        num_features: int,
        num_levels: int,
        config: SurrogateConfig,
        seed: int,
        iterations: int = 1,
        costs: SymbolCosts | None = None,
    ) -> None:
        """Makes the parts with weights that depend on `seed` alone.

        Args:
            num_features: length F of a level's symbol array.
            num_levels: levels L of the longest sequence.
            config: the parts, their sizes and training.
            seed: decides the initial weights, at least 0.
            iterations: the number of iterations over the levels.
            costs: what the symbols cost, in standard deviations; None if nothing is known.
        """
        self._config = config
        self._costs = costs
        self._shape = (num_levels, num_features)
        self.num_fits = 0
        self._ensemble = LSTMEnsemble(
            num_features, num_levels, config, seed, tf.identity if config.additive else tf.sigmoid
        )
        self._additive = AdditiveModel.zero(num_levels, num_features, iterations)
        self._scale = np.ones((), np.float64)  # of the LSTMs' outputs, in units of a score
        self._residual_weight = ResidualWeight.none()
        self._scoring = scoring_graphs(self._ensemble.specs, config.additive)

    @property
    def num_traces(self) -> int:
        """How often the graphs of surrogates of these sizes were traced: at most once each."""
        return self._ensemble.num_traces + sum(way.num_traces for way in self._scoring)

    @property
    def residual_weight(self) -> float:
        """The factor in [0, 1] of the LSTMs' predicted residuals; 1 without an additive model."""
        return self._residual_weight.factor if self._config.additive else 1.0

    def fit(self, rows: Rows, rng: np.random.Generator, unseen: Rows | None = None) -> float:
        """Trains on a table of measured scores: `surrogate_steps` steps of Adam on the L1 loss (paper, section 4).

        The first fit, and every fit from new weights (`refit`), has the higher of the two learning rates (PNAS) and
        starts by centring the predictions on the scores. A failed or interrupted fit changes nothing.

        Args:
            rows: the table.
            rng: decides the order of the rows.
            unseen: the rows of the table that no fit has seen; they show how good the predictions were.

        Returns:
            The mean absolute error over all rows after the fit.

        Raises:
            ValueError: if the shapes do not fit or there is no row.
            SearchError: if the weights are no longer finite.
        """
        self._check_rows(rows.features, rows.levels)
        shapes = [values.shape for values in (rows.scores, rows.iterations, rows.positions)]
        if set(shapes) != {rows.levels.shape} or not rows.scores.size:
            raise ValueError(
                "`scores`, `iterations` and `positions` must have one number a row, and at least one. Received: "
                f"shapes {', '.join(map(str, shapes))} for {rows.levels.shape[0]} rows"
            )
        before = self.get_state()
        try:
            return self._fit(rows, rng, unseen)
        except BaseException:  # interrupted, too
            self.set_state(before)
            raise

    def predict(self, features: Float32Array, levels: IntArray) -> Float32Array:
        """The predicted scores, float32 [rows]; the arguments are those of `Rows`.

        They lie in [0, 1]; with the additive part, they may lie slightly outside.
        """
        self._check_rows(features, levels)
        mean = self._ensemble.mean(features, levels)
        if not self._config.additive:
            return float32(1 / (1 + np.exp(-mean)))
        return (self._additive.predict(features, levels) + self._weight * mean).astype(np.float32)

    def adjust_to_latest_iteration(self, rows: Rows) -> FloatArray:
        """The scores adjusted to the latest iteration, float [rows]; unchanged without the additive part."""
        return self._additive.adjust_to_latest_iteration(rows) if self._config.additive else rows.scores

    def parents(self, features: Float32Array, levels: IntArray) -> Parents:
        """The inputs of `log_scores` for parents of one level; a single row of level 0 before the first level."""
        self._check_rows(features, levels)
        additive, level = self._additive, int(levels[0]) + 1
        base = additive.predict(features, levels) + additive.of_level(levels + 1) - additive.of_level(levels)
        return Parents(*self._ensemble.states(features, levels), float32(base), float32(additive.kernel[level - 1]))

    def log_scores(self, parents: Parents, features: Float32Array) -> Float32Array:
        """The log scores of every parent with every extension, float32 [n, parents].

        Args:
            parents: the result of `parents`.
            features: float32 [n, F], the symbol arrays of n extensions of the parents' next level. Beyond
                `scoring.FEW` candidates, each new pair of numbers of parents and extensions is compiled, which takes
                some tenths of a second.
        """
        return self._scores(self._scoring.log_scores, parents, features)

    def drawn_scores(self, parents: Parents, draws: Draws, features: Float32Array) -> Float32Array:
        """The scores of every parent with every extension by each draw, float32 [draws, n, parents].

        Args:
            parents: the result of `parents`.
            draws: the draws for the same parents.
            features: as for `log_scores`.
        """
        return self._scores(self._scoring.drawn_scores, parents, features, draws)

    def drawn_kernels(self, rows: Rows, count: int, scale: float, rng: np.random.Generator) -> FloatArray:
        """Draws kernels of the additive part from its posterior, for Thompson sampling: float64 [count, L, F].

        Args:
            rows: the table of the last fit.
            count: the number of draws.
            scale: factor of the draws' deviations from the fit; 0 gives the fit.
            rng: source of the draws.
        """
        kernels = self._additive.draws(rows, self._config.additive_penalty, count, rng, self._costs)
        return self._additive.kernel + scale * (kernels - self._additive.kernel)

    def draws(self, kernels: FloatArray, features: Float32Array, levels: IntArray) -> Draws:
        """The deviations of drawn kernels from the fit, for extensions of some parents.

        Args:
            kernels: the result of `drawn_kernels`.
            features: the parents' symbol arrays, as for `parents`.
            levels: the parents' levels.
        """
        deviations = kernels[:, int(levels[0])] - self._additive.kernel[int(levels[0])]
        return Draws(float32(self.deviations(kernels, features)), float32(deviations))

    def deviations(self, kernels: FloatArray, features: Float32Array) -> FloatArray:
        """The deviations of drawn kernels' predictions from the fit's, float64 [draws, rows].

        Args:
            kernels: the result of `drawn_kernels`.
            features: symbol arrays, as in `Rows`.
        """
        return np.asarray(np.einsum("nlf,clf->cn", features, kernels - self._additive.kernel, optimize=True))

    def get_state(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of everything learned and of the number of fits, by name."""
        arrays = {name: np.array(variable.numpy()) for name, variable in self._ensemble.variables().items()}
        arrays |= {f"additive/{name}": np.array(term) for name, term in vars(self._additive).items()}
        arrays |= {
            "scale": self._scale,
            "residual_weight": self._residual_weight.sums(),
            "fits": np.array(self.num_fits, np.int64),
        }
        return {f"surrogate/{name}": array for name, array in arrays.items()}

    def set_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restores a state of `get_state`; changes nothing if it does not fit.

        Raises:
            StateError: if a name is missing or unknown, or an array has another shape or data type.
        """
        check_arrays(state, self.get_state())
        own = {name.removeprefix("surrogate/"): array for name, array in state.items()}
        for name, variable in self._ensemble.variables().items():
            variable.assign(own[name])
        self._additive = AdditiveModel(**{name: np.array(own[f"additive/{name}"]) for name in vars(self._additive)})
        self._scale, self._residual_weight = np.array(own["scale"]), ResidualWeight(*own["residual_weight"].tolist())
        self.num_fits = int(own["fits"])

    @property
    def _weight(self) -> float:
        """The factor of the mean LSTM output in the sum of both parts; 1 without an additive part."""
        return float(self._scale) * self.residual_weight

    def _fit(self, rows: Rows, rng: np.random.Generator, unseen: Rows | None) -> float:
        if unseen is not None and self.num_fits:
            self._residual_weight = self._learned_weight(unseen)
        targets = self._fit_additive(rows) if self._config.additive else rows.scores
        rate = self._fit_ensemble(rows, targets, rng)
        self.num_fits += 1
        error = float(np.mean(np.abs(self.predict(rows.features, rows.levels) - rows.scores)))
        if not np.isfinite(error):
            raise SearchError(
                f"The surrogate diverged in fit {self.num_fits} at learning rate {rate}; a lower one may help. "
                f"Received: a mean absolute error of {error}"
            )
        return error

    def _fit_additive(self, rows: Rows) -> Float32Array:
        """Fits the additive model; returns its residuals in units of their standard deviation, the LSTMs' targets."""
        self._additive = self._additive.fitted(rows, self._config.additive_penalty, self._costs)
        residuals = self._additive.residuals(rows)
        self._scale = np.maximum(residuals.std(dtype=np.float64), SMALLEST)
        return float32(residuals / self._scale)

    def _fit_ensemble(self, rows: Rows, targets: Float32Array, rng: np.random.Generator) -> float:
        """Fits the LSTMs; returns the learning rate."""
        config, anew = self._config, not self.num_fits or self._config.refit
        if anew:
            if self.num_fits:
                self._ensemble.begin_anew(self.num_fits)
            self._centre(rows, targets)
        rate = config.first_surrogate_learning_rate if anew else config.surrogate_learning_rate
        self._ensemble.fit(rows.features, rows.levels, targets, rate, rng)
        return rate

    def _centre(self, rows: Rows, targets: Float32Array) -> None:
        """Shifts each member's outputs so that their median is that of the targets.

        With a bias of zero and scores that are all high, Adam's first steps move every weight in the same direction by
        the whole learning rate. With kernels in [-1, 1] (paper, section 5) and a rate of 0.01 (PNAS), the sigmoid then
        saturates and the L1 loss has no gradient left: on accuracies around 0.9, most first fits in the micro space
        ended so. Around the median, the scores pull both ways.
        """
        median = np.median(targets)
        if not self._config.additive:
            median = np.clip(median, 0.01, 0.99)
            median = np.log(median / (1 - median))
        self._ensemble.shift(median - np.median(self._ensemble.outputs(rows.features, rows.levels), axis=1))

    def _learned_weight(self, unseen: Rows) -> ResidualWeight:
        """The weight after a level that no fit has seen, from the part of the residuals that the LSTMs predicted."""
        residuals = unseen.scores - self._additive.predict(unseen.features, unseen.levels)
        predicted = float(self._scale) * self._ensemble.mean(unseen.features, unseen.levels)
        return self._residual_weight.updated(residuals, predicted)

    def _scores(self, scoring: Scoring, parents: Parents, features: Float32Array, *others: Any) -> Float32Array:
        """Scores candidates in one way, with the current weights."""
        with tf.device(DEVICE):
            return scoring(self._ensemble.weights, parents, float32(features), np.float32(self._weight), *others)

    def _check_rows(self, features: Float32Array, levels: IntArray) -> None:
        if features.shape[1:] != self._shape or levels.shape != features.shape[:1]:
            raise ValueError(
                f"`features` must have shape (rows, {self._shape[0]}, {self._shape[1]}) and `levels` (rows,). "
                f"Received: features.shape={features.shape}, levels.shape={levels.shape}"
            )


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
    surrogate: Surrogate,
    space: SearchSpace[Any, Any],
    level: int,
    parents: Parents,
    chunk_size: int = CHUNK_SIZE,
) -> Iterator[tuple[int, Float32Array]]:
    """Yields the log scores of all parents × extensions of a level, in the order of their flat index.

    The flat index of a candidate is extension · parents + parent: each extension is encoded once for all parents, and
    only those of a chunk are in memory, however deep the level.

    Args:
        surrogate: predicts the scores.
        space: encodes the extensions.
        level: the level of the extensions, from 1.
        parents: the result of `Surrogate.parents` for the architectures of the level before.
        chunk_size: the most candidates of a chunk, unless there are more parents than that.

    Yields:
        The flat index of the chunk's first candidate and float32 [n], the log scores from there on.
    """
    for start, size, features in _blocks(space, level, len(parents.base), chunk_size):
        yield start * len(parents.base), surrogate.log_scores(parents, features)[:size].reshape(-1)


def draw_scores(
    surrogate: Surrogate,
    space: SearchSpace[Any, Any],
    level: int,
    parents: Parents,
    draws: Draws,
    chunk_size: int = CHUNK_SIZE,
) -> Iterator[tuple[int, Float32Array]]:
    """Yields the scores of all parents × extensions of a level by each draw; see `score_candidates`.

    Yields:
        The flat index of the chunk's first candidate and float32 [draws, n], the scores from there on.
    """
    count = len(parents.base)
    for start, size, features in _blocks(space, level, count, chunk_size):
        scores = surrogate.drawn_scores(parents, draws, features)[:, :size]
        yield start * count, scores.reshape(len(scores), -1)


def _blocks(
    space: SearchSpace[Any, Any], level: int, parents: int, chunk_size: int
) -> Iterator[tuple[int, int, Float32Array]]:
    """Yields the index of a block's first extension, its size, and its symbol arrays, padded to one shape."""
    extensions = space.num_extensions(level)
    block = max(1, min(EXTENSIONS_AT_ONCE, chunk_size // parents))
    if skip_xla(parents, extensions):
        block = min(block, extensions)
    for start in range(0, extensions, block):
        size = min(block, extensions - start)
        features = np.zeros((block, space.num_features), np.float32)  # always whole: one shape to compile
        features[:size] = space.encode(level, np.arange(start, start + size, dtype=np.int64))
        yield start, size, features
