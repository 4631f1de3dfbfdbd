"""The progressive search by ask and tell (paper, section 4, Fig. 3), which leaves the training of a child to its host.

    search = ProgressiveSearch(space, SearchConfig(), SurrogateConfig(), seed=0)
    while search.advance():
        for candidate in search.ask(4):
            search.tell(candidate, train_and_score(candidate.architecture))

`ask` only answers and `tell` only takes a note. The surrogate is fitted by `advance`, once a level is complete.

Every random choice has a generator of its own, made from the seed, its purpose, the iteration and level. So there is
no generator to save, and a search that goes on from a saved state ends like one that was never stopped: what an
interrupted `advance` did not finish, the next one does again.
"""

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import FloatArray
from epnas_tf.config import SearchConfig, SurrogateConfig, check_rule
from epnas_tf.errors import SearchError
from epnas_tf.metrics import rank_correlation
from epnas_tf.options import require
from epnas_tf.search import sampling
from epnas_tf.search.level_choice import Constraint, LevelChoice, no_candidate
from epnas_tf.search.ranking import choose_adjusted_or_raw, estimates
from epnas_tf.search.search_state import SearchState
from epnas_tf.space.base import SearchSpace
from epnas_tf.storage.state_files import prefixed, with_prefix
from epnas_tf.surrogate.surrogate import Surrogate
from epnas_tf.surrogate.table import Indices, Measurement, ScoreTable, encode_rows, from_arrays, to_arrays, to_rows

A = TypeVar("A")

TABLE = "table/"
"""What the names of the table's arrays begin with in a saved state."""

FIT, CHOICE, ORDER = 1, 2, 3
"""What a generator is for."""


@dataclasses.dataclass(frozen=True)
class Candidate(Generic[A]):
    """An architecture to train and score.

    Attributes:
        number: the trial's number, from 0.
        architecture: the architecture.
        iteration: the pass over all levels, from 0.
        level: the architecture's depth, from 1.
        temperature: the sampling temperature τ of the iteration.
        predicted: the surrogate's score when the architecture was chosen, about in [0, 1]; None before the first fit.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.SearchConfig(k=3, shuffle=False)
        >>> search = epnas_tf.ProgressiveSearch(epnas_tf.MacroSpace(layers=2), config)
        >>> (candidate,) = search.ask(1)
        >>> candidate.number, candidate.level, str(candidate.architecture)
        (0, 1, '1 max_pool_3x3')
    """

    number: int
    architecture: A
    iteration: int
    level: int
    temperature: float
    predicted: float | None


@dataclasses.dataclass(frozen=True)
class Ranked(Generic[A]):
    """A whole architecture in its place among all that were scored.

    Attributes:
        space: its search space.
        indices: the architecture, as one extension index a level.
        number: the number of its newest trial that was scored.
        score: its newest score in [0, 1].
        estimate: what it is ranked by: the score, or an estimate of what it would be without noise.
    """

    space: SearchSpace[A, Any] = dataclasses.field(repr=False, compare=False)
    indices: Indices
    number: int
    score: float
    estimate: float

    @property
    def architecture(self) -> A:
        """The architecture; made when it is asked for, as most of a ranking never is."""
        return self.space.architecture(self.indices)


class ProgressiveSearch(Generic[A]):
    """EPNAS: from level to level, K architectures drawn by the surrogate's scores, over a few iterations.

    Attributes:
        space: the search space.
        surrogate: the surrogate function.
        iteration: the current iteration, from 0.
        level: the current level, from 1.
        rank_correlation: Spearman's rank correlation of predicted and measured scores of the last level that was
            completed; None where it is undefined.

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
    ) -> None:
        """Starts a search at level 1 of the first iteration.

        Args:
            space: the search space.
            config: K, the iterations, the sampling rule and its temperature.
            surrogate_config: sizes and training of the surrogate.
            seed: decides every random choice, at least 0.
            constraint: which architectures may be trained; all by default.

        Raises:
            ConfigError: if settings are of another type, or the surrogate cannot serve the sampling rule.
            SearchError: if no architecture of level 1 may be trained.
        """
        require(SearchConfig, "search", config)
        require(SurrogateConfig, "surrogate", surrogate_config)
        check_rule(config, surrogate_config)
        self.space = space
        self.surrogate = Surrogate(space.num_features, space.num_levels, surrogate_config, seed, config.iterations)
        self.rank_correlation: float | None = None
        self._config = config
        self._seed = seed
        self._constraint = constraint
        self._first_level = self._level_one()
        self._table = ScoreTable()
        self._saved_table = to_arrays([], space.num_levels)  # the table as it was at the last fit
        self._whole_predicted: dict[Indices, float] = {}  # what the last fit predicts of whole architectures measured
        self._ranked: tuple[tuple[int, int], list[Ranked[A]]] | None = None  # the ranking, and when it was made
        self._first_number = 0  # trial number of the level's first architecture
        self._chosen: list[Indices] = []  # the architectures of the level; their positions count from 0
        self._predicted: list[float | None] = []  # their predicted scores
        self._scores: dict[int, float | None] = {}  # what was told, by position
        self._begin_level(0, 1, self._in_order(self._first_level, 0, 1), None, 0)

    @property
    def finished(self) -> bool:
        """Whether every child of the last level of the last iteration has been told."""
        last = self.iteration == self._config.iterations - 1 and self.level == self.space.num_levels
        return last and self._level_is_told

    @property
    def num_children(self) -> int:
        """The exact number of children of the whole search, those told included.

        A failed child has no extensions; where so many fail, or a constraint leaves so few, that K candidates are no
        longer there, the number shrinks.
        """
        return self.num_told + sum(self.remaining_levels.values())

    @property
    def remaining_levels(self) -> dict[int, int]:
        """The number of children still to be told, for each level that has any."""
        remaining_iterations = self._config.iterations - 1 - self.iteration
        parents = len(self._chosen) - sum(score is None for score in self._scores.values())
        first = len(self._first_level)
        remaining = collections.Counter({self.level: len(self._chosen) - len(self._scores)})
        remaining.update(self._num_sampled(parents, self.level))
        for level, count in {1: first, **self._num_sampled(first, 1)}.items():
            remaining[level] += remaining_iterations * count
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
        """The first architecture of the ranking and its newest score; None before there is one."""
        ranking = self.ranking()
        return None if not ranking else (ranking[0].architecture, ranking[0].score)

    def ranking(self) -> list[Ranked[A]]:
        """Returns the whole architectures that were scored, the best first, of equal ones that of the earlier trial.

        By the newest score, or (`rank_by`) by an estimate that takes the noise of scores into account. The estimates
        of a finished search are there after the `advance` that returns False: it fits the surrogate a last time.
        """
        groups = self._whole
        moment = sum(map(len, groups)), self.surrogate.num_fits  # scores come in any order, so the newest says nothing
        if self._ranked is None or self._ranked[0] != moment:
            by_estimate = self._config.rank_by == "estimate" and groups
            worth = self._estimates(groups) if by_estimate else np.array([group[-1].score for group in groups])
            self._ranked = moment, [self._in_place(groups[i][-1], worth[i]) for i in np.argsort(-worth, kind="stable")]
        return self._ranked[1]

    def _in_place(self, newest: Measurement, estimate: float) -> Ranked[A]:
        return Ranked(self.space, newest.indices, newest.number, newest.score, float(estimate))

    def _estimates(self, groups: list[list[Measurement]]) -> FloatArray:
        """Returns the estimates of whole architectures, for their measurements."""
        scores = self._comparable(groups)
        at_choice = dict(zip(self._chosen, self._predicted, strict=True))
        predictions = [self._whole_predicted.get(group[0].indices, at_choice.get(group[0].indices)) for group in groups]
        means = [float(np.mean(each)) for each in scores]
        known = [mean if p is None else p for p, mean in zip(predictions, means, strict=True)]  # no fit yet: one level
        return estimates(scores, np.array(known))

    def _comparable(self, groups: list[list[Measurement]]) -> Sequence[FloatArray]:
        """Returns the scores of whole architectures as if all had been measured at the same moment of the search."""
        measured = sorted((one for group in groups for one in group), key=lambda one: one.number)
        adjusted = self.surrogate.adjust_to_latest_iteration(to_rows(self.space, measured)).tolist()
        by_number = dict(zip([one.number for one in measured], adjusted, strict=True))
        as_measured = [np.array([one.score for one in group]) for group in groups]
        return choose_adjusted_or_raw(
            as_measured, [np.array([by_number[one.number] for one in group]) for group in groups]
        )

    def advance(self) -> bool:
        """Begins the next level if every child of this one is told; tells whether the search goes on.

        It fits the surrogate and chooses the level's architectures, which takes seconds. While children are
        outstanding it does nothing. At the end it fits a last time, where the ranking is by estimates.

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
        """Returns the first architectures of the level that are not told yet; changes nothing.

        Args:
            count: how many, at least 1. There are fewer at the level's end, and none between its last `tell` and
                `advance`.
        """
        untold = (position for position in range(len(self._chosen)) if position not in self._scores)
        return [self._candidate(position) for position in itertools.islice(untold, count)]

    def tell(self, candidate: Candidate[A] | int, score: float | None) -> None:
        """Takes the score of an architecture of the level; the order of telling within a level does not matter.

        Args:
            candidate: what `ask` returned, or its number.
            score: the validation accuracy in [0, 1], or None if the training failed (it diverged, say). A failed
                architecture has no extensions, and leaves an earlier score of the same architecture as it is.

        Raises:
            ValueError: if the level has nothing of that number to be told, or the score is not in [0, 1].
            SearchError: if with this one every child of the level failed; not at the very end, where there is a result
                of an earlier pass.
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
            if not (self.finished and self._whole):  # then earlier passes have a result
                self._parents()  # raises if there are none

    def get_state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Returns what is needed to go on from here: values for JSON, and arrays by name.

        The settings are not part of it; they are given again to the constructor.
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
        """Goes on from what `get_state` returned.

        Args:
            values: the values, as they come out of JSON.
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
        """Makes `chosen` the architectures of the current level, the first one with trial number `first_number`."""
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
            level=self.level,
            temperature=sampling.temperature(self._config, self.iteration),
            predicted=self._predicted[position],
        )

    def _parents(self) -> list[Indices]:
        """Returns the architectures of the current level that did not fail, in the order of their trials."""
        parents = [indices for position, indices in enumerate(self._chosen) if self._scores[position] is not None]
        if not parents:
            raise SearchError(
                f"Every child of level {self.level} in iteration {self.iteration + 1} failed, so there is nothing "
                "to go on from. A lower learning rate or a smaller bound of the gradient's norm usually helps. "
                f"Received: {len(self._chosen)} failures"
            )
        return parents

    def _num_sampled(self, parents: int, level: int) -> dict[int, int]:
        """Returns how many children each level after `level` has in one iteration, if none of them fails."""
        sampled = {}
        for deeper in range(level + 1, self.space.num_levels + 1):
            parents = min(self._config.k, parents * self.space.num_extensions(deeper))
            sampled[deeper] = parents
        return sampled

    def _begin_next(self) -> None:
        """Fits the surrogate and begins the next level, or the next iteration after the last one."""
        parents = self._parents()
        self._fit()
        if self.level < self.space.num_levels:
            iteration, level, chosen = self.iteration, self.level + 1, self._choose(parents)
        else:
            iteration, level, chosen = self.iteration + 1, 1, self._first_level
        chosen = self._in_order(chosen, iteration, level)
        predicted = self.surrogate.predict(*encode_rows(self.space, chosen)).tolist()
        self._begin_level(iteration, level, chosen, predicted, self._first_number + len(self._chosen))

    def _fit(self) -> None:
        """Fits the surrogate on the whole table.

        What is already done, because an `advance` was interrupted after it, is not done again.
        """
        if self.surrogate.num_fits < self.iteration * self.space.num_levels + self.level:
            level = [one for one in self._table.measurements() if one.number >= self._first_number]
            rows = self._table.measurements(self._config.repeated)
            self.surrogate.fit(
                to_rows(self.space, rows), self._rng(FIT, self.iteration, self.level), unseen=to_rows(self.space, level)
            )
        self._note_fit()  # also where the interruption came before it

    @property
    def _whole(self) -> list[list[Measurement]]:
        """The measurements of each whole architecture that has any."""
        return self._table.at_level(self.space.num_levels)

    def _note_fit(self) -> None:
        """Keeps what the table and the predictions of whole architectures are at a fit, or at one that is restored."""
        self._saved_table = to_arrays(self._table.measurements(), self.space.num_levels)
        whole = [group[0].indices for group in self._whole]
        predicted = self.surrogate.predict(*encode_rows(self.space, whole)).tolist()
        self._whole_predicted = dict(zip(whole, predicted, strict=True))

    def _choose(self, parents: list[Indices]) -> list[Indices]:
        """Returns the architectures of the next level, out of parents × extensions (paper, section 4)."""
        known = self._table.measurements(self._config.repeated)  # as in the fit: nothing was told since
        choice = LevelChoice(self.space, self.surrogate, self._config, self._constraint)
        return choice.choose(parents, self.iteration, known, self._rng(CHOICE, self.iteration, self.level))

    def _in_order(self, chosen: Sequence[Indices], iteration: int, level: int) -> list[Indices]:
        """Returns the architectures of a level in the order in which they are to be trained."""
        if not self._config.shuffle:
            return list(chosen)
        return [chosen[index] for index in self._rng(ORDER, iteration, level).permutation(len(chosen)).tolist()]

    def _level_one(self) -> list[Indices]:
        """Returns every architecture of level 1 (paper, Fig. 3, step 1) that may be trained."""
        count = self.space.num_extensions(1)
        allowed = self._constraint.allowed([()], 1)(0, count) if self._constraint else np.ones(count, bool)
        if not allowed.any():
            raise SearchError(no_candidate("architecture of level 1", self._constraint))
        return [(index,) for index in np.flatnonzero(allowed).tolist()]

    def _rng(self, purpose: int, iteration: int, level: int) -> np.random.Generator:
        """Returns the generator of one purpose at a level of an iteration."""
        return np.random.default_rng(np.random.SeedSequence((self._seed, purpose, iteration, level)))
