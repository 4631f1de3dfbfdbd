"""The default surrogate: an additive model of the scores, whose uncertainty serves Thompson sampling."""

import numpy as np

from epnas_tf.arrays import Float32Array, FloatArray, IntArray
from epnas_tf.config import SurrogateConfig
from epnas_tf.surrogate.additive import AdditiveModel
from epnas_tf.surrogate.surrogate import SMALLEST, Scorer, State, Surrogate
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Rows


class AdditiveSurrogate(Surrogate):
    """A surrogate whose prediction is a sum with a term for each symbol of each level.

    From few and noisy scores a sum of few terms is learned far better than an LSTM, and it goes on beyond what was
    seen. A prediction may lie slightly outside [0, 1].
    """

    def __init__(
        self,
        num_features: int,
        num_levels: int,
        config: SurrogateConfig,
        iterations: int = 1,
        costs: SymbolCosts | None = None,
    ) -> None:
        """Makes the surrogate that predicts 0.

        Args:
            num_features: length F of a level's symbol array.
            num_levels: levels L of the longest sequence.
            config: the ridge penalty.
            iterations: the number of iterations over the levels.
            costs: what the symbols cost, in standard deviations; None if nothing is known.
        """
        super().__init__(num_features, num_levels, config)
        self._costs = costs
        self._model = AdditiveModel.zero(num_levels, num_features, iterations)

    def predict(self, features: Float32Array, levels: IntArray) -> Float32Array:
        """The predicted scores, float32 [rows]; the arguments are those of `Rows`."""
        self.check_rows(features, levels)
        return self._model.predict(features, levels).astype(np.float32)

    def adjust_to_latest_iteration(self, rows: Rows) -> FloatArray:
        """The scores adjusted to the latest iteration, float [rows]."""
        return self._model.adjust_to_latest_iteration(rows)

    def log_scorer(self, features: Float32Array, levels: IntArray) -> Scorer:
        """Makes a scorer of the extensions of some parents; see `Surrogate.log_scorer`."""
        score = self._scorer(features, levels)
        # The sum is not bounded as a sigmoid is: keep it above 0.
        return lambda extensions: np.log(np.maximum(score(extensions), np.float32(SMALLEST)))

    def drawn_kernels(self, rows: Rows, count: int, scale: float, rng: np.random.Generator) -> FloatArray:
        """Draws kernels from the posterior, for Thompson sampling: float64 [count, L, F].

        Args:
            rows: the table of the last fit.
            count: the number of draws.
            scale: factor of the draws' deviations from the fit; 0 gives the fit.
            rng: source of the draws.
        """
        kernels = self._model.draws(rows, self._config.additive_penalty, count, rng, self._costs)
        return self._model.kernel + scale * (kernels - self._model.kernel)

    def drawn_scorer(self, kernels: FloatArray, features: Float32Array, levels: IntArray) -> Scorer:
        """Makes a scorer of the extensions of some parents by each draw, float32 [draws, n, parents].

        Args:
            kernels: the result of `drawn_kernels`.
            features: the parents' symbol arrays, as for `log_scorer`.
            levels: their level.
        """
        level, score = int(levels[0]), self._scorer(features, levels)
        # The draws' deviations from the fit: [draws, parents] of the parents, [draws, F] of the next level's terms.
        of_parents = self.deviations(kernels, features).astype(np.float32)
        of_level = (kernels[:, level] - self._model.kernel[level]).astype(np.float32)

        def drawn(extensions: Float32Array) -> Float32Array:
            scores = score(extensions) + of_parents[:, np.newaxis]
            scores += (of_level @ extensions.T)[:, :, np.newaxis]  # in place: there may be millions
            return scores

        return drawn

    def deviations(self, kernels: FloatArray, features: Float32Array) -> FloatArray:
        """The deviations of drawn kernels' predictions from the fit's, float64 [draws, rows].

        Args:
            kernels: the result of `drawn_kernels`.
            features: symbol arrays, as in `Rows`.
        """
        return np.asarray(np.einsum("nlf,clf->cn", features, kernels - self._model.kernel, optimize=True))

    def _scorer(self, features: Float32Array, levels: IntArray) -> Scorer:
        self.check_rows(features, levels)
        model, level = self._model, int(levels[0])
        # The parents' predictions, as of one level more; what is left are the terms of the extension's symbols.
        base = model.predict(features, levels) + model.of_level(levels + 1) - model.of_level(levels)
        parents, kernel = base.astype(np.float32), model.kernel[level].astype(np.float32)
        return lambda extensions: parents + (extensions @ kernel)[:, np.newaxis]

    def _learn(self, rows: Rows, rng: np.random.Generator) -> None:
        del rng  # a ridge regression has no choices
        self._model = self._model.fitted(rows, self._config.additive_penalty, self._costs)

    def _arrays(self) -> State:
        return {f"additive/{name}": np.asarray(term) for name, term in vars(self._model).items()}

    def _restore(self, arrays: State) -> None:
        self._model = AdditiveModel(**{name.removeprefix("additive/"): array for name, array in arrays.items()})
