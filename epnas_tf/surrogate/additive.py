"""An additive model of scores: a term for each symbol of each level, and terms for when a score was measured.

Most of an operation's effect does not depend on its neighbours. A sum of few terms captures that from few noisy scores
and extrapolates beyond the best architecture seen. What is known before any score, the symbols' costs, has terms of its
own. `residuals` has what whole architectures score beyond the sum.
"""

import dataclasses
import itertools

import numpy as np
import scipy.linalg

from epnas_tf.arrays import FloatArray, IntArray
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Rows

COST_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""The penalties of the costs' terms that are tried, as factors of that of the symbols' terms."""

INTERCEPT_PENALTY = 0.03
"""The penalty of the terms of numbers of levels, as a factor of that of the symbols' terms.

They are little more than the means of the levels: a penalty would have symbols and costs explain a part of them.
"""

SMALLEST_SQUARES = 1e-12
"""Lower bound of a sum of squares, so that it has a logarithm."""

FEWEST_FOR_TREND = 4
"""Scores of a level and iteration below which a slope has no meaningful standard error."""


@dataclasses.dataclass(frozen=True)
class AdditiveModel:
    """score ≈ intercept + Σ over levels of kernel · symbol array + the level's terms in the iterations so far.

    Shared weights improve during a search, those of shallow networks by more than those of deep ones. The mean score of
    a level in an iteration therefore says nothing about its architectures, so it has terms of its own. The same holds
    for the trend of the scores from a level's first child to its last.

    Attributes:
        intercept: float64 [], the mean of the scores.
        kernel: float64 [L, F], a term for each number of each level's symbol array.
        levels: float64 [iterations, L + 1], for each number of levels a term in the first iteration, and what each
            further iteration adds. A level that has no scores yet in an iteration is predicted as in the one before.
        trends: float64 [iterations, L + 1], how much each level of each iteration rises from its first child to its
            last; predictions are for the middle.
        newest: int64 [], the last iteration with scores, from 0; predictions are for it.

    Example:
        >>> from epnas_tf.surrogate import AdditiveModel
        >>> AdditiveModel.zero(num_levels=4, num_features=9, iterations=3).kernel.shape
        (4, 9)
    """

    intercept: FloatArray
    kernel: FloatArray
    levels: FloatArray
    trends: FloatArray
    newest: IntArray

    @classmethod
    def zero(cls, num_levels: int, num_features: int, iterations: int) -> "AdditiveModel":
        """Returns the model that predicts 0."""
        kernel, levels = np.zeros((num_levels, num_features)), np.zeros((iterations, num_levels + 1))
        return cls(np.zeros(()), kernel, levels, np.zeros_like(levels), np.zeros((), np.int64))

    def fitted(self, rows: Rows, penalty: float, costs: SymbolCosts | None = None) -> "AdditiveModel":
        """Returns the model fitted to some scores: ridge regression.

        With costs, a term for each cost is fitted along with the terms of the symbols: what scores gain by size, as far
        as symbols of equal cost gain alike. How far is not known before, so each penalty of `COST_PENALTIES` is tried.
        The result is the mean of these fits, weighted by their evidence.

        Args:
            rows: the scores.
            penalty: on the squares of the terms, above 0; in rows, the weight of the prior that a term is zero.
            costs: what the symbols cost, in standard deviations; None if nothing is known.
        """
        known = costs or SymbolCosts.none(*self.kernel.shape)
        fits = self._regressions(rows, penalty, known)
        terms = np.sum([fit.weight * fit.terms for fit in fits], axis=0)
        of_costs, _, of_levels, of_trends = np.split(terms, self._ends(known))
        levels = of_levels.reshape(self.levels.shape)
        # A row's costs are counted from the mean of its levels, the kernel's from nothing.
        levels[0, 1:] -= np.cumsum(of_costs @ known.level_means)
        return AdditiveModel(
            np.asarray(np.mean(rows.scores, dtype=np.float64)),
            self._kernel(terms, known),
            levels,
            of_trends.reshape(self.trends.shape),
            np.array(rows.iterations.max(), np.int64),
        )

    def draws(
        self, rows: Rows, penalty: float, count: int, rng: np.random.Generator, costs: SymbolCosts | None = None
    ) -> FloatArray:
        """Draws kernels from the posterior of the fit, float64 [count, L, F].

        Each draw is from one of the regressions, chosen by its evidence. Given the scores, its terms are normally
        distributed around the solution, with the penalty as the prior. The variance of a score is that of the
        residuals, over the degrees of freedom that the fit has left.

        Args:
            rows: the scores that the model was fitted to.
            penalty: the penalty of that fit.
            count: number of draws.
            rng: source of the draws.
            costs: the costs of that fit.
        """
        known = costs or SymbolCosts.none(*self.kernel.shape)
        fits = self._regressions(rows, penalty, known)
        noise = rng.normal(size=(len(fits[0].terms), count)).T
        chosen = rng.choice(len(fits), count, p=[fit.weight for fit in fits]).tolist() if len(fits) > 1 else [0] * count
        drawn = [fits[number].drawn(each) for number, each in zip(chosen, noise, strict=True)]
        return np.stack([self._kernel(terms, known) for terms in drawn])

    def _regressions(self, rows: Rows, penalty: float, costs: SymbolCosts) -> list["_Regression"]:
        """The ridge regressions with each penalty of the costs, and their weights."""
        confidence = np.concatenate([np.ones(len(costs)), self._confidence(rows)])
        # A column scaled by c has its penalty divided by c²: an effect that is not sure is shrunk harder.
        design = np.concatenate([costs.of_rows(rows), self._columns(rows)], axis=1) * confidence
        # The intercept is not penalised: it is the mean, and the terms explain the differences from it.
        differences = rows.scores - np.mean(rows.scores, dtype=np.float64)
        gram, fits, first = design.T @ design, [], self._ends(costs)[1]
        for factor in COST_PENALTIES if len(costs) else (1.0,):
            penalties = np.full(design.shape[1], penalty)
            penalties[: len(costs)] *= factor
            penalties[first : first + self.levels.shape[1]] *= INTERCEPT_PENALTY
            fits.append(_Regression.of(design, gram, differences, penalties, confidence))
        logs = np.array([fit.log_evidence for fit in fits])
        weights = np.exp(logs - logs.max())
        return [
            dataclasses.replace(fit, weight=weight)
            for fit, weight in zip(fits, (weights / weights.sum()).tolist(), strict=True)
        ]

    def _ends(self, costs: SymbolCosts) -> list[int]:
        """Where the terms of costs, of symbols and of levels end among all terms."""
        return np.cumsum([len(costs), self.kernel.size, self.levels.size]).tolist()

    def _kernel(self, terms: FloatArray, costs: SymbolCosts) -> FloatArray:
        """The sum of the symbols' own terms and of those of their costs, float64 [L, F]."""
        of_costs, of_symbols, _, _ = np.split(terms, self._ends(costs))
        return np.asarray(of_symbols.reshape(self.kernel.shape) + np.tensordot(of_costs, costs.of_symbols, 1))

    def predict(self, features: FloatArray, levels: IntArray) -> FloatArray:
        """Returns the predictions for the latest iteration, float64 [rows]; the arguments are those of `Rows`."""
        at_levels = np.einsum("nlf,lf->n", features.astype(np.float64), self.kernel)
        return self.intercept + at_levels + self.of_level(levels)

    def of_level(self, levels: IntArray) -> FloatArray:
        """Returns the terms of numbers of levels in the latest iteration, float64 of the shape of `levels`."""
        return self.levels[: self.newest + 1].sum(axis=0)[levels]

    def adjust_to_latest_iteration(self, rows: Rows) -> FloatArray:
        """Returns the scores adjusted to the middle of their level in the latest iteration, float64 [rows]."""
        until = np.cumsum(self.levels, axis=0)
        gained = until[self.newest, rows.levels] - until[rows.iterations, rows.levels]
        return rows.scores + gained - self.trends[rows.iterations, rows.levels] * rows.positions

    def _confidence(self, rows: Rows) -> FloatArray:
        """Confidence in [0, 1] that the effect is real, for each term, float64 [terms]."""
        iterations, levels = self.levels.shape
        of_iterations = np.repeat(iteration_effect_confidence(rows, iterations), levels)
        of_trends = trend_confidence(rows, self.trends.shape).reshape(-1)
        return np.concatenate([np.ones(self.kernel.size), of_iterations, of_trends])

    def _columns(self, rows: Rows) -> FloatArray:
        """The design matrix of the model's own terms, float64 [rows, terms]."""
        count, (iterations, levels) = len(rows.levels), self.levels.shape
        numbers, of_level = np.arange(iterations), np.eye(levels)[rows.levels][:, np.newaxis]
        # A row has the terms of its level for its own iteration and all before, and the trend of its own iteration.
        reached = rows.iterations[:, np.newaxis] >= numbers
        during = (rows.iterations[:, np.newaxis] == numbers) * rows.positions[:, np.newaxis]
        columns = (rows.features, reached[:, :, np.newaxis] * of_level, during[:, :, np.newaxis] * of_level)
        return np.concatenate([column.reshape(count, -1) for column in columns], axis=1, dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class _Regression:
    """A ridge regression.

    Attributes:
        terms: float64 [terms], the solution.
        log_evidence: the log probability of the scores, up to a constant, if a term is normally distributed with the
            variance noise / penalty; the noise is the likeliest one.
        root: float64 [terms, terms], the lower Cholesky factor of the normal equations' matrix.
        deviation: the standard deviation of a score around the fit.
        confidence: float64 [terms], the factors of the design's columns.
        weight: the regression's share of the evidence.
    """

    terms: FloatArray
    log_evidence: float
    root: FloatArray
    deviation: float
    confidence: FloatArray
    weight: float = 1.0

    @classmethod
    def of(
        cls,
        design: FloatArray,
        gram: FloatArray,
        differences: FloatArray,
        penalties: FloatArray,
        confidence: FloatArray,
    ) -> "_Regression":
        """Solves the normal equations of a design A, float64 [rows, terms], and its AᵀA, with a penalty a term."""
        moments = design.T @ differences
        root = np.linalg.cholesky(gram + np.diag(penalties))
        solution = scipy.linalg.cho_solve((root, True), moments, check_finite=False)  # NaN scores give NaN terms
        residuals = differences - design @ solution
        # The trace of the hat matrix: the effective number of terms of the ridge regression.
        used = np.trace(scipy.linalg.cho_solve((root, True), gram))
        deviation = np.sqrt(residuals @ residuals / max(len(residuals) - used, 1.0))
        # The scores' covariance is noise · (I + A Λ⁻¹ Aᵀ), with the design A and the penalties Λ. Its quadratic form
        # and its determinant, both by matrices of terms × terms:
        squares = max(residuals @ residuals + solution @ (penalties * solution), SMALLEST_SQUARES)
        log_determinant = 2 * np.log(np.diag(root)).sum() - np.log(penalties).sum()
        log_evidence = -(len(residuals) * np.log(squares) + log_determinant) / 2
        # The design's columns were scaled by the confidence, so the solution is scaled back to terms.
        return cls(confidence * solution, float(log_evidence), root, float(deviation), confidence)

    def drawn(self, noise: FloatArray) -> FloatArray:
        """Terms of the posterior from standard normal numbers, both float64 [terms]."""
        # With the normal matrix C Cᵀ, the covariance of C⁻ᵀ z is its inverse.
        deviations = scipy.linalg.solve_triangular(self.root, noise, lower=True, trans="T")
        return self.terms + self.confidence * self.deviation * deviations


def iteration_effect_confidence(rows: Rows, iterations: int) -> FloatArray:
    """Returns the confidence in [0, 1] that each iteration scores unlike the one before, float64 [iterations].

    Later iterations choose better architectures, which an imperfect model would take for better weights. The
    architectures of level 1 are the same in each iteration: the mean of their differences d and its standard error s
    separate the two, by d² / (d² + s²). It is 1 for the first iteration, and where nothing is known.
    """
    found = np.ones(iterations)
    first = rows.levels == 1
    # The scores of level 1, by symbol array, in each iteration.
    scores: list[dict[bytes, float]] = [{} for _ in range(iterations)]
    for features, score, number in zip(
        rows.features[first, 0], rows.scores[first], rows.iterations[first], strict=True
    ):
        scores[number][features.tobytes()] = float(score)
    for number, (before, now) in enumerate(itertools.pairwise(scores), 1):
        differences = np.array([now[name] - before[name] for name in now if name in before])
        if differences.size > 1:
            squared, error = differences.mean() ** 2, differences.var(ddof=1) / differences.size
            found[number] = squared / (squared + error) if squared else 0.0
    return found


def trend_confidence(rows: Rows, shape: tuple[int, ...]) -> FloatArray:
    """Returns the confidence in [0, 1] that scores rise or fall within each level of each iteration, float64 `shape`.

    With the slope b of the scores over their positions and its standard error s, it is 1 - s² / b² (James and Stein's
    shrinkage), or 0 where that is negative or there are too few scores.

    Args:
        rows: the scores.
        shape: iterations, L + 1.
    """
    found = np.zeros(shape)
    for number, level in np.ndindex(shape):
        together = (rows.iterations == number) & (rows.levels == level)
        scores, positions = (values[together].astype(np.float64) for values in (rows.scores, rows.positions))
        spread = positions @ positions
        if len(scores) < FEWEST_FOR_TREND or not spread:
            continue
        # Least squares through the mean: positions are centred, so the slope needs no intercept.
        scores = scores - scores.mean()
        slope = positions @ scores / spread
        residuals = scores - slope * positions
        error = residuals @ residuals / (len(residuals) - 2) / spread
        found[number, level] = max(0.0, 1 - error / slope**2) if slope else 0.0
    return found
