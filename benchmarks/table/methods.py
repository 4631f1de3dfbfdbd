"""Search methods on a table, all by the same protocol: they ask for one score after the other, and name their best.

A method is a function of the space, of how a network is scored, of a number of evaluations and of a seed. It is a
generator that yields, after each evaluation, the whole network that it would report, or None if it has none yet.
"""

import collections
import dataclasses
import functools
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras_tuner
import numpy as np

from benchmarks.table.table import Limit
from epnas_tf.config import PAPER_SEARCH, PAPER_SURROGATE, SearchConfig, SurrogateConfig
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Indices, encode_rows

Evaluate = Callable[[Indices], float]
"""Scores a network, or its first levels: the accuracy in [0, 1], with noise."""

Correlations = dict[int, list[float]]
"""Spearman's rank correlations of predicted and measured scores, by level."""

OBJECTIVE = "score"


@dataclasses.dataclass
class Run:
    """What one run of a method is given, and where it leaves what it found out.

    Attributes:
        space: the search space.
        evaluate: scores a network.
        evaluations: the most evaluations; a method with a number of its own may stay below.
        seed: decides every random choice.
        limit: which whole networks may be evaluated and reported.
        costs: what the symbols cost; None if nothing is known.
        correlations: filled by methods that have a surrogate.
    """

    space: SearchSpace[Any, Any]
    evaluate: Evaluate
    evaluations: int
    seed: int
    limit: Limit
    costs: SymbolCosts | None = None
    correlations: Correlations = dataclasses.field(default_factory=dict)

    def note_correlation(self, level: int, correlation: float | None) -> None:
        """Takes the rank correlation of a level that was completed; None where it is undefined."""
        if correlation is not None:
            self.correlations.setdefault(level, []).append(correlation)

    def draw(self, rng: np.random.Generator) -> Indices:
        """Draws a whole network that keeps the limit, each with the same probability."""
        while not self.limit.keeps(indices := self.space.indices(self.space.sample(rng))):
            pass
        return indices

    def neighbours(self, indices: Indices) -> list[Indices]:
        """The whole networks that differ in the choice of one level and keep the limit."""
        found = [
            (*indices[:level], other, *indices[level + 1 :])
            for level, index in enumerate(indices)
            for other in range(self.space.num_extensions(level + 1))
            if other != index
        ]
        return [neighbour for neighbour in found if self.limit.keeps(neighbour)]

    @functools.cached_property
    def allowed(self) -> list[Indices]:
        """All whole networks that keep the limit."""
        shape = [self.space.num_extensions(level) for level in range(1, self.space.num_levels + 1)]
        return [indices for indices in np.ndindex(*shape) if self.limit.keeps(indices)]

    def positions(self) -> list[int]:
        """Positions in `allowed` at random, each once, at most as many as there are evaluations."""
        order: list[int] = np.random.default_rng(self.seed).permutation(len(self.allowed)).tolist()
        return order[: self.evaluations]


Reports = Iterator[Indices | None]
Method = Callable[[Run], Reports]


def of_paper(sampling: str, iterations: int) -> Method:
    """Returns the paper's search, all of its settings given, with some rule of sampling."""
    return progressive(dataclasses.replace(PAPER_SEARCH, sampling=sampling, iterations=iterations), PAPER_SURROGATE)


def progressive(search: SearchConfig, surrogate: SurrogateConfig) -> Method:
    """Returns this project's search with some settings; it evaluates as many networks as its K and iterations say."""

    def run(run: Run) -> Reports:
        limit = run.limit if run.limit.binds else None
        ours = ProgressiveSearch(run.space, search, surrogate, run.seed, limit, run.costs)
        goes_on = ours.advance()
        while goes_on:
            (candidate,), level = ours.ask(), ours.level
            ours.tell(candidate, run.evaluate(run.space.indices(candidate.architecture)))
            goes_on = ours.advance()  # before the report: the ranking is by the newest fit
            if not goes_on or ours.level != level:
                run.note_correlation(candidate.level, ours.rank_correlation)
            best = ours.best
            yield None if best is None else run.space.indices(best[0])

    return run


class Best:
    """The network of the highest score so far, of equal ones the first."""

    def __init__(self) -> None:
        self.indices: Indices | None = None
        self.score = -np.inf

    def note(self, indices: Indices, score: float) -> Indices | None:
        """Takes a score and returns the best."""
        if score > self.score:
            self.indices, self.score = indices, score
        return self.indices


def random_networks(run: Run) -> Reports:
    """Whole networks, each with the same probability and none twice."""
    best = Best()
    for position in run.positions():
        indices = run.allowed[position]
        yield best.note(indices, run.evaluate(indices))


def uniform_and_ridge(run: Run, penalty: float = 0.3) -> Reports:
    """Random whole networks; the best of all by an additive ridge regression on what was scored is reported."""
    features, _ = encode_rows(run.space, run.allowed)
    designs = features.reshape(len(features), -1).astype(np.float64)
    rows, scores = [], []
    for position in run.positions():
        rows.append(designs[position])
        scores.append(run.evaluate(run.allowed[position]))
        design, centred = np.array(rows), np.array(scores) - np.mean(scores)
        kernel = np.linalg.solve(design.T @ design + penalty * np.eye(design.shape[1]), design.T @ centred)
        yield run.allowed[int(np.argmax(designs @ kernel))]


def largest_network(run: Run) -> Reports:
    """The network of the most multiply-adds, without any evaluation."""
    largest = max(run.allowed, key=lambda indices: run.limit.multiply_adds[indices])
    for _ in range(run.evaluations):
        yield largest


def local_search(run: Run) -> Reports:
    """Local search by first improvement (White et al., 2021), begun anew where no neighbour is better."""
    rng, best = np.random.default_rng(run.seed), Best()
    seen: set[Indices] = set()
    while len(seen) < min(run.evaluations, len(run.allowed)):
        here, score, queue = None, -np.inf, [run.draw(rng)]
        while queue and len(seen) < run.evaluations:
            indices = queue.pop()
            if indices in seen:
                continue
            seen.add(indices)
            found = run.evaluate(indices)
            yield best.note(indices, found)
            if here is None or found > score:
                here, score, queue = indices, found, run.neighbours(indices)
                rng.shuffle(queue)


def regularized_evolution(population: int = 50, sample: int = 10) -> Method:
    """Returns regularized evolution (Real et al., 2019): the best of a sample is changed in one layer, the oldest dies.

    Args:
        population: networks alive; the first so many are random.
        sample: networks that compete to be the parent.
    """

    def run(run: Run) -> Reports:
        rng, best = np.random.default_rng(run.seed), Best()
        alive: collections.deque[tuple[Indices, float]] = collections.deque(maxlen=population)
        for number in range(run.evaluations):
            if number < population:
                indices = run.draw(rng)
            else:
                rivals = [alive[i] for i in rng.choice(population, sample, replace=False)]
                parent = max(rivals, key=lambda rival: rival[1])[0]
                while not run.limit.keeps(indices := _mutated(parent, run.space, rng)):
                    pass
            score = run.evaluate(indices)
            alive.append((indices, score))
            yield best.note(indices, score)

    return run


def _mutated(indices: Indices, space: SearchSpace[Any, Any], rng: np.random.Generator) -> Indices:
    """Returns a network with another choice in one layer."""
    level = int(rng.integers(space.num_levels))
    choices = space.num_extensions(level + 1)
    other = (indices[level] + 1 + int(rng.integers(choices - 1))) % choices if choices > 1 else indices[level]
    return (*indices[:level], other, *indices[level + 1 :])


def keras_tuner_oracle(oracle: type[keras_tuner.Oracle]) -> Method:
    """Returns an oracle of KerasTuner with its own settings, one hyperparameter a layer."""

    def run(run: Run) -> Reports:
        parameters = keras_tuner.HyperParameters()
        names = [f"layer_{level}" for level in range(1, run.space.num_levels + 1)]
        for level, name in enumerate(names, 1):
            parameters.Choice(name, list(range(run.space.num_extensions(level))), ordered=False)
        theirs = oracle(
            objective=keras_tuner.Objective(OBJECTIVE, "max"),
            max_trials=run.evaluations,
            hyperparameters=parameters,
            seed=far_apart(run.seed),
        )
        best = Best()
        with tempfile.TemporaryDirectory() as folder:
            theirs._set_project_dir(folder, "oracle")
            while (trial := theirs.create_trial("tuner")).status == "RUNNING":
                indices = tuple(int(trial.hyperparameters.get(name)) for name in names)
                score = run.evaluate(indices)
                theirs.update_trial(trial.trial_id, {OBJECTIVE: score})
                trial.status = "COMPLETED"
                theirs.end_trial(trial)
                yield best.note(indices, score)

    return run


def far_apart(seed: int) -> int:
    """Returns a seed for KerasTuner, which takes 0 for "any" and adds 1 for every hyperparameter that it draws.

    With eight of them, seed 9 would ask for what seed 1 does, one trial sooner.
    """
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


UNLIMITED = re.compile("KerasTuner")
"""Methods that cannot be kept to a limit: their oracles take no such rule."""


def iterations(number: int) -> str:
    """Returns a number of iterations in words."""
    return f"{number} iteration{'s' * (number > 1)}"


def methods() -> Mapping[str, Method]:
    """Returns all methods by their names."""
    return {
        **{f"default, {iterations(n)}": progressive(SearchConfig(iterations=n), SurrogateConfig()) for n in (1, 3, 5)},
        "default without halving, 3 iterations": progressive(SearchConfig(halving_rounds=0), SurrogateConfig()),
        **{f"EPNAS, {iterations(n)}": of_paper("probability", n) for n in (1, 3, 5)},
        **{f"greedy PNAS, {iterations(n)}": of_paper("greedy", n) for n in (1, 3)},
        "progressive, uniform": progressive(SearchConfig(sampling="uniform", iterations=3), SurrogateConfig()),
        "random": random_networks,
        "uniform and ridge": uniform_and_ridge,
        "largest": largest_network,
        "local search": local_search,
        "regularized evolution": regularized_evolution(),
        "KerasTuner RandomSearch": keras_tuner_oracle(keras_tuner.oracles.RandomSearchOracle),
        "KerasTuner BayesianOptimization": keras_tuner_oracle(keras_tuner.oracles.BayesianOptimizationOracle),
    }
