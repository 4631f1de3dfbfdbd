"""The choice of a level's architectures out of parents × extensions (paper, section 4)."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np

from epnas_tf.arrays import BoolArray, Float32Array, Float64Array, FloatArray, Int64Array, IntArray
from epnas_tf.config import SearchConfig
from epnas_tf.errors import SearchError
from epnas_tf.search import sampling
from epnas_tf.search.lookahead import STEPS, some_extensions, worth_of_room
from epnas_tf.search.whole_choice import by_local_search
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.additive_surrogate import AdditiveSurrogate
from epnas_tf.surrogate.residuals import ResidualProcess
from epnas_tf.surrogate.surrogate import CHUNK_SIZE, SMALLEST, Surrogate, score_candidates
from epnas_tf.surrogate.table import Indices, Measurement, encode_rows, to_rows

MAX_CANDIDATES = 2**62
"""The most candidates that can be numbered by an int64."""

MAX_DRAWS = 25
"""Draws of Thompson sampling; where K is larger, a draw chooses several."""


class Constraint(Protocol):
    """A rule for which candidates may be trained, such as `epnas_tf.search.limits.Limits`."""

    def allowed(self, parents: Sequence[Indices], level: int) -> sampling.Allowed:
        """The rule for the candidates of a level, in the order of their flat index.

        Args:
            parents: the architectures of the level before; [()] before the first one.
            level: the candidates' level.
        """


Room = Callable[[int, int], Float64Array]
"""Maps the index of a first candidate and a count to what these candidates leave, float64 [count, limits]."""


class Budget(abc.ABC):
    """A constraint that says how much of its limits candidates leave, and how much extensions take."""

    def allowed(self, parents: Sequence[Indices], level: int) -> sampling.Allowed:
        """The candidates that leave something or nothing of each limit; see `Constraint`."""
        return within(self.room(parents, level))

    @abc.abstractmethod
    def room(self, parents: Sequence[Indices], level: int) -> Room:
        """Like `allowed`, but with the fractions of the limits that are left to further levels.

        Returns:
            A function of the first candidate and a count that returns float64 [count, limits]: what the cheapest
            completion of a candidate leaves of each limit, in [0, 1]; negative if the candidate is not allowed.
        """

    @abc.abstractmethod
    def parts(self, level: int, indices: Int64Array) -> Float64Array:
        """What extensions of a level take beyond the cheapest of them, in fractions of the limits.

        Args:
            level: the level.
            indices: int64 [extensions].

        Returns:
            float64 [extensions, limits].
        """


def within(room: Room) -> sampling.Allowed:
    """The candidates that break no limit."""
    return lambda start, count: np.asarray((room(start, count) >= 0).all(axis=1))


def _keeps(constraint: Constraint, architectures: Sequence[Indices]) -> BoolArray:
    """Which whole architectures keep a constraint, bool [n]."""
    last = np.array([indices[-1] for indices in architectures])
    kept = np.zeros(len(last), bool)
    for index in np.unique(last).tolist():
        of_index = np.flatnonzero(last == index)
        parents = [architectures[number][:-1] for number in of_index.tolist()]
        kept[of_index] = constraint.allowed(parents, len(architectures[0]))(index * len(parents), len(parents))
    return kept


def no_candidate(what: str, limits: Constraint | None) -> str:
    """The error message for limits that can be met singly, but not jointly."""
    return (
        f"No {what} keeps all limits together, though each of them can be kept: loosen one of them, and give another "
        f"run directory. Received: {limits}"
    )


@dataclasses.dataclass(frozen=True)
class LevelChoice:
    """The settings and the surrogate by which a level's architectures are chosen.

    Attributes:
        space: the search space.
        surrogate: predicts the scores; fitted to all measurements.
        config: K and the sampling rule.
        constraint: which candidates may be chosen; None for all.
        residuals: what whole architectures score beyond the surrogate's prediction; None to leave it out.
    """

    space: SearchSpace[Any, Any]
    surrogate: Surrogate
    config: SearchConfig
    constraint: Constraint | None
    residuals: ResidualProcess | None = None

    def choose(
        self, parents: list[Indices], iteration: int, known: list[Measurement], rng: np.random.Generator
    ) -> list[Indices]:
        """Chooses the K architectures of the next level.

        Args:
            parents: architectures of the level before, all of one level.
            iteration: the iteration over the levels, from 0.
            known: the measurements that the surrogate was fitted to.
            rng: source of the choice.

        Raises:
            SearchError: if no candidate may be chosen, there are too many to be numbered, or a prediction is NaN.
        """
        level = len(parents[0]) + 1
        num_candidates = len(parents) * self.space.num_extensions(level)
        if num_candidates > MAX_CANDIDATES:
            raise SearchError(f"Level {level} must have at most 2^62 candidates. Received: {num_candidates}")
        k, rule = self.config.k, self.config.sampling
        if rule == "thompson":
            kernels = self._kernels(k, sampling.exploration(self.config, iteration), known, rng)
            return self._by_draws(parents, level, kernels, k)
        # No candidate of a uniform choice needs a prediction.
        uniform = rule == "uniform"
        chunks = sampling.uniform_chunks(num_candidates, CHUNK_SIZE) if uniform else self._scored(parents, level)
        allowed = self.constraint.allowed(parents, level) if self.constraint else None
        flat, _ = sampling.choose(chunks, k, rule, sampling.temperature(self.config, iteration), rng, allowed)
        return self._extended(parents, flat)

    def choose_whole(
        self,
        first_level: list[Indices],
        best: list[Indices],
        count: int,
        known: list[Measurement],
        rng: np.random.Generator,
    ) -> list[Indices]:
        """Chooses whole architectures without training shallower ones: the best by draws, and near the best so far.

        Args:
            first_level: the architectures of level 1.
            best: the whole architectures that were measured, best first.
            count: how many to choose. There may be fewer in a small space.
            known: the measurements that the surrogate was fitted to.
            rng: source of the choice.
        """
        kernels = self._kernels(count, self.config.exploration, known, rng)
        beam = first_level
        for level in range(2, self.space.num_levels + 1):
            beam = self._by_draws(beam, level, kernels, count)

        def scores(architectures: Sequence[Indices]) -> FloatArray:
            features, levels = encode_rows(self.space, architectures)
            return self.predict(features, levels) + self._additive.deviations(kernels, features)

        keeps = None if self.constraint is None else functools.partial(_keeps, self.constraint)
        return by_local_search(self.space, scores, [*beam, *best[:count]], count, set(best), keeps)

    def predict(self, features: Float32Array, levels: IntArray) -> Float64Array:
        """The predictions of architectures of one depth, with what whole ones score beyond the surrogate's.

        Args:
            features: the architectures' symbol arrays, as in `Rows`.
            levels: their numbers of levels, all the same.
        """
        predicted = self.surrogate.predict(features, levels).astype(np.float64)
        if self.residuals is not None and levels[0] == self.space.num_levels:
            predicted += self.residuals.predict(features)
        return predicted

    @property
    def _additive(self) -> AdditiveSurrogate:
        """The surrogate, which is additive where draws are asked for: see `check_rule`."""
        return cast(AdditiveSurrogate, self.surrogate)

    def _kernels(self, count: int, scale: float, known: list[Measurement], rng: np.random.Generator) -> FloatArray:
        """Draws from the posterior for a choice of some architectures; a single one without exploration."""
        rows = to_rows(self.space, known, self.config.first_whole_iteration)
        return self._additive.drawn_kernels(rows, min(count, MAX_DRAWS) if scale else 1, scale, rng)

    def _by_draws(self, parents: list[Indices], level: int, kernels: FloatArray, count: int) -> list[Indices]:
        """Chooses candidates of a level: each draw in turn takes its best one that is left."""
        encoded = encode_rows(self.space, parents)
        scorer = self._additive.drawn_scorer(kernels, *encoded)
        scores: sampling.Chunks = score_candidates(scorer, self.space, level, len(parents))
        allowed = None
        if isinstance(self.constraint, Budget):
            # Of a chunk, both the scores and the choice ask for it.
            room = functools.lru_cache(1)(self.constraint.room(parents, level))
            allowed = within(room)
            if level < self.space.num_levels:
                scores = self._with_room(scores, level, kernels, self.constraint, room)
        elif self.constraint:
            allowed = self.constraint.allowed(parents, level)
        if level == self.space.num_levels and self.residuals is not None:
            scores = self._with_residuals(scores, encoded[0], self.residuals)
        flat, _ = sampling.choose_in_turns(scores, count, allowed)
        return self._extended(parents, flat)

    def _extended(self, parents: list[Indices], flat: Int64Array) -> list[Indices]:
        """The architectures of some candidates' indices."""
        if not flat.size:
            raise SearchError(no_candidate(f"candidate of level {len(parents[0]) + 1}", self.constraint))
        return [(*parents[index % len(parents)], index // len(parents)) for index in flat.tolist()]

    def _scored(self, parents: list[Indices], level: int) -> sampling.Chunks:
        """The log scores of a level's candidates."""
        encoded = encode_rows(self.space, parents)
        chunks = score_candidates(self.surrogate.log_scorer(*encoded), self.space, level, len(parents))
        if level < self.space.num_levels or self.residuals is None:
            return chunks
        scores = ((offset, np.exp(logs)[np.newaxis]) for offset, logs in chunks)
        added = self._with_residuals(scores, encoded[0], self.residuals)
        return ((offset, np.log(np.maximum(each[0], SMALLEST))) for offset, each in added)

    def _with_residuals(
        self, chunks: sampling.Chunks, parents: FloatArray, residuals: ResidualProcess
    ) -> sampling.Chunks:
        """Adds to the scores of whole candidates what is to be expected beyond the prediction."""
        for offset, scores in chunks:
            first, count = offset // len(parents), scores.shape[1] // len(parents)
            extensions = self.space.encode(self.space.num_levels, np.arange(first, first + count, dtype=np.int64))
            yield offset, scores + residuals.of_extensions(parents, extensions).reshape(-1)

    def _with_room(
        self, chunks: sampling.Chunks, level: int, kernels: FloatArray, budget: Budget, room: Room
    ) -> sampling.Chunks:
        """Adds to the scores what the room under the limits is worth by each draw; see `lookahead`."""
        further = {n: some_extensions(self.space, n) for n in range(level + 1, self.space.num_levels + 1)}
        adds = [kernels[:, n - 1] @ self.space.encode(n, indices).T for n, indices in further.items()]
        parts = [budget.parts(n, indices) for n, indices in further.items()]
        worths = [worth_of_room(adds, [each[:, limit] for each in parts]) for limit in range(parts[0].shape[1])]
        for offset, scores in chunks:
            left = np.floor(STEPS * room(offset, scores.shape[1]).clip(0, 1) + 1e-6).astype(np.int64)
            # Under several limits, each bounds the worth of the further levels.
            bounds = [worth[:, steps] for worth, steps in zip(worths, left.T, strict=True)]
            yield offset, scores + np.min(bounds, axis=0) if bounds else scores
