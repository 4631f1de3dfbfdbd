"""The progressive search by ask and tell (paper, section 4, Fig. 3); the host trains the children.

    search = ProgressiveSearch(space, SearchConfig(), SurrogateConfig(), seed=0)
    while search.advance():
        for candidate in search.ask(4):
            search.tell(candidate, train_and_score(candidate.architecture))

`ask` changes nothing and `tell` only records a score; `advance` fits the surrogate once a level is complete.

Every random choice has a generator of its own, seeded by the run's seed, the purpose, the iteration and the level. No
generator state is saved, and a resumed search ends exactly like one that was never stopped: `advance` repeats whatever
an interrupted `advance` did not finish.
"""

import collections
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import FloatArray
from epnas_tf.config import SearchConfig, SurrogateConfig, check_rule
from epnas_tf.cost.workload import children_after, children_of_iteration
from epnas_tf.errors import SearchError
from epnas_tf.metrics import rank_correlation
from epnas_tf.options import require
from epnas_tf.search import sampling
from epnas_tf.search.candidate import Candidate, Ranked
from epnas_tf.search.known_costs import known_costs
from epnas_tf.search.level_choice import Constraint, LevelChoice, no_candidate
from epnas_tf.search.ranking import FEWEST_FOR_RESIDUALS, choose_adjusted_or_raw, residuals_of
from epnas_tf.search.search_state import SearchState
from epnas_tf.space.base import SearchSpace
from epnas_tf.storage.state_files import prefixed, with_prefix
from epnas_tf.surrogate.additive_surrogate import AdditiveSurrogate
from epnas_tf.surrogate.lstm_surrogate import LSTMSurrogate
from epnas_tf.surrogate.residuals import ResidualProcess
from epnas_tf.surrogate.surrogate import Surrogate
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import (
    Indices,
    Measurement,
    Rows,
    ScoreTable,
    encode_rows,
    from_arrays,
    to_arrays,
    to_rows,
)

A = TypeVar("A")

TABLE = "table/"
"""Prefix of the table's arrays in a saved state."""

FIT, CHOICE, ORDER = 1, 2, 3
"""The purposes of random generators."""


class ProgressiveSearch(Generic[A]):
    """EPNAS: draws K architectures by the surrogate's scores, level by level, over a few iterations.

    Attributes:
        space: the search space.
        surrogate: the surrogate function.
        iteration: the current iteration, from 0.
        level: the current level, from 1; in an iteration of whole networks, the current round after level 1.
        rank_correlation: Spearman's rank correlation of predicted and measured scores in the last completed level;
            None if it is undefined.

    Example:
        >>> import epnas_tf
        >>> space = epnas_tf.MacroSpace(layers=1, operations=("conv_3x3", "max_pool_3x3"))
        >>> search = epnas_tf.ProgressiveSearch(space, epnas_tf.SearchConfig(k=1, iterations=1))
        >>> while search.advance():
        ...     (candidate,) = search.ask(1)
        ...     search.tell(candidate, 0.9 if "conv" in str(candidate.architecture) else 0.5)
        >>> str(search.ranking()[0].architecture)
        '1 conv_3x3'
    """

    def __init__(
        self,
        space: SearchSpace[A, Any],
        config: SearchConfig = SearchConfig(),
        surrogate_config: SurrogateConfig = SurrogateConfig(),
        seed: int = 0,
        constraint: Constraint | None = None,
        costs: SymbolCosts | None = None,
    ) -> None:
        """Starts a search at level 1 of the first iteration.

        Args:
            space: the search space.
            config: K, the iterations, the sampling rule and its temperature.
            surrogate_config: sizes and training of the surrogate.
            seed: decides every random choice, at least 0.
            constraint: which architectures may be trained; all by default.
            costs: what the space's symbols cost, in standard deviations; by default the parameters and multiply-adds
                of a registered space. Without `cost_terms` they are not used.

        Raises:
            ConfigError: if settings are of another type, or the surrogate cannot serve the sampling rule.
            SearchError: if no architecture of level 1 may be trained.
        """
        require(SearchConfig, "search", config)
        require(SurrogateConfig, "surrogate", surrogate_config)
        check_rule(config, surrogate_config)
        self.space = space
        if not (surrogate_config.additive and surrogate_config.cost_terms):
            costs = None
        elif costs is None:
            costs = known_costs(space)
        sizes = (space.num_features, space.num_levels, surrogate_config)
        self.surrogate: Surrogate = (
            AdditiveSurrogate(*sizes, config.iterations, costs)
            if surrogate_config.additive
            else LSTMSurrogate(*sizes, seed)
        )
        self.rank_correlation: float | None = None
        self._config = config
        self._seed = seed
        self._constraint = constraint
        self._uses_residuals = surrogate_config.additive  # the paper's surrogate predicts alone
        self._first_level = self._level_one()
        self._table = ScoreTable()
        self._saved_table = to_arrays([], space.num_levels)  # the table as it was at the last fit
        # What whole architectures score beyond the prediction, as of the last fit.
        self._residuals: ResidualProcess | None = None
        self._ranked: tuple[tuple[int, int], list[Ranked[A]]] | None = None  # the ranking and its position
        self._first_number = 0  # trial number of the level's first architecture
        self._chosen: list[Indices] = []  # the architectures of the level; their positions count from 0
        self._predicted: list[float | None] = []  # their predicted scores
        self._scores: dict[int, float | None] = {}  # the scores told, by position
        self._begin_level(0, 1, self._in_order(self._first_level, 0, 1), None, 0)

    @property
    def finished(self) -> bool:
        """Whether every child of the last level of the last iteration has been told."""
        last = self.iteration == self._config.iterations - 1 and self.level == self.space.num_levels
        return last and self._level_is_told

    @property
    def num_children(self) -> int:
        """The exact number of children of the whole search, including those already told.

        It shrinks when failures, which have no extensions, or a constraint leave fewer than K candidates.
        """
        return self.num_told + sum(self.remaining_levels.values())

    @property
    def remaining_levels(self) -> dict[int, int]:
        """The number of children still to be told, for each level that has any."""
        remaining = collections.Counter({len(self._chosen[0]): len(self._chosen) - len(self._scores)})
        if self._trains_whole:
            later = self._num_sampled(len(self._first_level), 1)
            remaining[self.space.num_levels] += sum(count for level, count in later.items() if level > self.level)
        else:
            parents = len(self._chosen) - sum(score is None for score in self._scores.values())
            remaining.update(self._num_sampled(parents, self.level))
        for iteration in range(self.iteration + 1, self._config.iterations):
            remaining.update(children_of_iteration(self.space, self._config, iteration, len(self._first_level)))
        return {level: count for level, count in sorted(remaining.items()) if count}

    @property
    def first_whole_child(self) -> int | None:
        """The number, from 1, of the first child of the deepest level; None from that level on."""
        if self.iteration or self.level == self.space.num_levels:
            return None
        sampled = self._num_sampled(len(self._chosen), self.level)
        return self._first_number + len(self._chosen) + sum(sampled.values()) - sampled[self.space.num_levels] + 1

    @property
    def num_told(self) -> int:
        """The number of children told, failed ones included."""
        return self._first_number + len(self._scores)

    @property
    def best(self) -> tuple[A, float] | None:
        """The first architecture of the ranking and its newest score; None if the ranking is empty."""
        ranking = self.ranking()
        return None if not ranking else (ranking[0].architecture, ranking[0].score)

    def ranking(self) -> list[Ranked[A]]:
        """The whole architectures that were scored, best first; ties keep the order of their trials.

        They are ranked by the newest score, or (`rank_by`) by an estimate that accounts for noise. The final estimates
        are available after the `advance` that returns False: it fits the surrogate a last time.
        """
        groups = self._whole
        position = (self.num_told, self.surrogate.num_fits)  # counts: scores come in any order
        if self._ranked is None or self._ranked[0] != position:
            by_estimate = self._config.rank_by == "estimate" and groups
            worth = self._estimates(groups) if by_estimate else np.array([group[-1].score for group in groups])
            self._ranked = (
                position,
                [self._in_place(groups[i][-1], worth[i]) for i in np.argsort(-worth, kind="stable")],
            )
        return self._ranked[1]

    def _in_place(self, newest: Measurement, estimate: float) -> Ranked[A]:
        return Ranked(self.space, newest.indices, newest.number, newest.score, float(estimate))

    def _estimates(self, groups: list[list[Measurement]]) -> FloatArray:
        """The estimates of whole architectures, given their measurements."""
        features, levels = encode_rows(self.space, [group[0].indices for group in groups])
        return self.surrogate.predict(features, levels) + self._beyond_prediction().predict(features)

    def _beyond_prediction(self) -> ResidualProcess:
        """What whole architectures score beyond their predictions; where few were scored, shallower ones help."""
        groups: list[list[Measurement]] = []
        scores: list[FloatArray] = []
        for level in range(self.space.num_levels, 0, -1):
            if sum(map(len, groups)) < FEWEST_FOR_RESIDUALS:
                of_level = self._table.at_level(level)
                groups += of_level
                scores += self._comparable(of_level)
        features, levels = encode_rows(self.space, [group[0].indices for group in groups])
        return residuals_of(features, scores, self.surrogate.predict(features, levels).astype(np.float64))

    def _comparable(self, groups: list[list[Measurement]]) -> Sequence[FloatArray]:
        """The scores of a level's architectures, adjusted to the same position of the search."""
        measured = sorted((one for group in groups for one in group), key=lambda one: one.number)
        adjusted = self.surrogate.adjust_to_latest_iteration(self._rows(measured)).tolist()
        by_number = dict(zip([one.number for one in measured], adjusted, strict=True))
        as_measured = [np.array([one.score for one in group]) for group in groups]
        return choose_adjusted_or_raw(
            as_measured, [np.array([by_number[one.number] for one in group]) for group in groups]
        )

    def advance(self) -> bool:
        """Starts the next level once every child of this one is told.

        Fitting the surrogate and choosing the architectures takes seconds. While children are outstanding it does
        nothing. At the end it fits a last time if the ranking is by estimates.

        Returns:
            False if the search is finished.

        Raises:
            SearchError: if every child of the level failed, or the surrogate diverged.
        """
        if self.finished:
            if self._config.rank_by == "estimate":
                self._fit()
            return False
        if self._level_is_told:
            self._begin_next()
        return True

    def ask(self, count: int = 1) -> list[Candidate[A]]:
        """The first architectures of the level that are not told yet; changes nothing.

        Args:
            count: the most to return, at least 1. There are fewer at the level's end, and none between its last `tell`
                and `advance`.
        """
        untold = (position for position in range(len(self._chosen)) if position not in self._scores)
        return [self._candidate(position) for position in itertools.islice(untold, count)]

    def tell(self, candidate: Candidate[A] | int, score: float | None) -> None:
        """Records the score of an architecture of the level; the order within a level does not matter.

        Args:
            candidate: a result of `ask`, or its number.
            score: the validation accuracy in [0, 1], or None if the training failed (it diverged, say). A failed
                architecture has no extensions; an earlier score of the same architecture stays.

        Raises:
            ValueError: if no untold architecture of the level has that number, or the score is not in [0, 1].
            SearchError: if every child of the level has now failed, unless it is the last level of the search and an
                earlier iteration has a result.
        """
        number = candidate.number if isinstance(candidate, Candidate) else candidate
        position = number - self._first_number
        if not 0 <= position < len(self._chosen) or position in self._scores:
            raise ValueError(f"A score can be told once, and only of a trial of the current level. Received: {number}")
        if score is not None and not 0 <= score <= 1:  # also false for NaN
            raise ValueError(f"`score` of trial {number} must be in [0, 1], or None. Received: score={score}")
        self._scores[position] = None if score is None else float(score)
        if score is not None:
            self._table.record(Measurement(self._chosen[position], number, self.iteration, float(score)))
        if self._level_is_told:
            pairs = [(p, self._scores[i]) for i, p in enumerate(self._predicted) if p is not None]
            self.rank_correlation = rank_correlation([(p, s) for p, s in pairs if s is not None])
            if not (self._whole and (self.finished or self._trains_whole)):  # then earlier iterations have a result
                self._parents()  # raises if there are none

    def get_state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """The state needed to resume: values for JSON, and arrays by name.

        It holds no settings; these are given to the constructor again.
        """
        state = SearchState(
            iteration=self.iteration,
            level=self.level,
            first_number=self._first_number,
            chosen=self._chosen,
            predicted=self._predicted,
            scores=self._scores,
            rank_correlation=self.rank_correlation,
        )
        return state.to_values(self.space), {**self.surrogate.get_state(), **prefixed(TABLE, self._saved_table)}

    def set_state(self, values: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Resumes from a state of `get_state`.

        Args:
            values: the values, as read from JSON.
            arrays: the arrays by name.

        Raises:
            StateError: if the state is of another format, of another space or of other surrogate sizes, or incomplete.
        """
        state = SearchState.from_values(values, self.space, self._config.iterations)
        table = from_arrays(with_prefix(TABLE, arrays), self.space)
        self.surrogate.set_state({name: array for name, array in arrays.items() if not name.startswith(TABLE)})
        self._begin_level(state.iteration, state.level, state.chosen, state.predicted, state.first_number)
        self._scores = state.scores
        self.rank_correlation = state.rank_correlation
        self._table = ScoreTable()
        for measurement in table:
            self._table.record(measurement)
        self._note_fit()
        self._ranked = None
        known = {measurement.number for measurement in table}
        for position, score in state.scores.items():
            if score is not None and self._first_number + position not in known:
                number = self._first_number + position
                self._table.record(Measurement(self._chosen[position], number, self.iteration, score))

    def _begin_level(
        self,
        iteration: int,
        level: int,
        chosen: Sequence[Indices],
        predicted: Sequence[float | None] | None,
        first_number: int,
    ) -> None:
        """Makes `chosen` the current level's architectures, with trial numbers from `first_number` on."""
        self.iteration, self.level = iteration, level
        self._first_number = first_number
        self._chosen = list(chosen)
        self._predicted = list(predicted) if predicted is not None else [None] * len(chosen)
        self._scores = {}

    @property
    def _level_is_told(self) -> bool:
        return len(self._scores) == len(self._chosen)

    def _candidate(self, position: int) -> Candidate[A]:
        return Candidate(
            number=self._first_number + position,
            architecture=self.space.architecture(self._chosen[position]),
            iteration=self.iteration,
            level=len(self._chosen[position]),
            temperature=sampling.temperature(self._config, self.iteration),
            predicted=self._predicted[position],
        )

    def _parents(self) -> list[Indices]:
        """The architectures of the current level that did not fail, in the order of their trials."""
        parents = [indices for position, indices in enumerate(self._chosen) if self._scores[position] is not None]
        if not parents:
            raise SearchError(
                f"Every child of level {self.level} in iteration {self.iteration + 1} failed, so there is nothing "
                "to go on from. A lower learning rate or a smaller bound of the gradient's norm usually helps. "
                f"Received: {len(self._chosen)} failures"
            )
        return parents

    def _num_sampled(self, parents: int, level: int) -> dict[int, int]:
        return children_after(self.space, self._config.k, parents, level)

    @property
    def _trains_whole(self) -> bool:
        """Whether the current iteration trains whole networks, after its first level."""
        return self.iteration >= self._config.first_whole_iteration

    def _begin_next(self) -> None:
        """Fits the surrogate and starts the next level, or after the last level the next iteration."""
        parents = [] if self._trains_whole else self._parents()
        self._fit()
        if self.level == self.space.num_levels:
            iteration, level, chosen = self.iteration + 1, 1, self._first_level
        else:
            iteration, level = self.iteration, self.level + 1
            chosen = self._choose_whole(level) if self._trains_whole else self._choose(parents)
        chosen = self._in_order(chosen, iteration, level)
        predicted = self._choice.predict(*encode_rows(self.space, chosen)).tolist()
        self._begin_level(iteration, level, chosen, predicted, self._first_number + len(self._chosen))

    def _rows(self, measurements: Sequence[Measurement]) -> Rows:
        return to_rows(self.space, measurements, self._config.first_whole_iteration)

    def _fit(self) -> None:
        """Fits the surrogate to the whole table.

        If an interrupted `advance` has already done the fit, it is not repeated.
        """
        if self.surrogate.num_fits < self.iteration * self.space.num_levels + self.level:
            rows = self._table.measurements(self._config.repeated)
            self.surrogate.fit(self._rows(rows), self._rng(FIT, self.iteration, self.level))
        self._note_fit()  # also if the interruption came before it

    @property
    def _whole(self) -> list[list[Measurement]]:
        """The measurements of each whole architecture that has any."""
        return self._table.at_level(self.space.num_levels)

    def _note_fit(self) -> None:
        """Stores the table, and the residuals of whole architectures, as of a fit or of a restored one."""
        self._saved_table = to_arrays(self._table.measurements(), self.space.num_levels)
        used = self._uses_residuals and self._whole
        self._residuals = self._beyond_prediction() if used else None

    @property
    def _choice(self) -> LevelChoice:
        return LevelChoice(self.space, self.surrogate, self._config, self._constraint, self._residuals)

    def _choose(self, parents: list[Indices]) -> list[Indices]:
        """Chooses the architectures of the next level out of parents × extensions (paper, section 4)."""
        known = self._table.measurements(self._config.repeated)  # as in the fit: nothing was told since
        return self._choice.choose(parents, self.iteration, known, self._rng(CHOICE, self.iteration, self.level))

    def _choose_whole(self, level: int) -> list[Indices]:
        """Chooses whole architectures, as many as a level would have."""
        count = self._num_sampled(len(self._first_level), 1)[level]
        best = [place.indices for place in self.ranking()]
        again = sampling.trained_again(self._config, level - 1, self.space.num_levels - 1, count)
        if again and self._residuals and self._residuals.noisy:
            return list(itertools.islice(itertools.cycle(best[:again]), count))
        known = self._table.measurements(self._config.repeated)
        rng = self._rng(CHOICE, self.iteration, self.level)
        return self._choice.choose_whole(self._first_level, best, count, known, rng)

    def _in_order(self, chosen: Sequence[Indices], iteration: int, level: int) -> list[Indices]:
        """The architectures of a level in the order of training."""
        if not self._config.shuffle:
            return list(chosen)
        return [chosen[index] for index in self._rng(ORDER, iteration, level).permutation(len(chosen)).tolist()]

    def _level_one(self) -> list[Indices]:
        """Every architecture of level 1 (paper, Fig. 3, step 1) that may be trained."""
        count = self.space.num_extensions(1)
        allowed = self._constraint.allowed([()], 1)(0, count) if self._constraint else np.ones(count, bool)
        if not allowed.any():
            raise SearchError(no_candidate("architecture of level 1", self._constraint))
        return [(index,) for index in np.flatnonzero(allowed).tolist()]

    def _rng(self, purpose: int, iteration: int, level: int) -> np.random.Generator:
        """The generator for one purpose at a level of an iteration."""
        return np.random.default_rng(np.random.SeedSequence((self._seed, purpose, iteration, level)))
