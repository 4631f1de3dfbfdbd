"""Runs methods on a table over many seeds, on all cores, and sums up what they found."""

import dataclasses
import time
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.table.methods import Correlations, Run, methods
from benchmarks.table.table import Table
from benchmarks.worker import side_by_side
from epnas_tf.surrogate.table import Indices


@dataclasses.dataclass(frozen=True)
class Job:
    """One run of one method.

    Attributes:
        method: a name in `methods()`.
        noise: standard deviation of the Gaussian noise on every score, in points of percent.
        seed: decides every random choice of the method, and the noise.
        evaluations: the most evaluations.
        share: of all whole networks, those of the fewest multiply-adds, which may be evaluated and reported.
    """

    method: str
    noise: float
    seed: int
    evaluations: int
    share: float = 1.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        job: the run.
        ranks: rank by true accuracy of what the method reported after each evaluation, 1 for the best; the number of
            all networks before there is a report.
        regrets: how much better the best network is, in points; NaN before there is a report.
        scored: the same of the truly best whole network that it had scored by then, which is what a choice without
            errors would have reported; NaN before there is one.
        correlations: of the surrogate, by level.
        seconds: of the run.
    """

    job: Job
    ranks: npt.NDArray[np.float64]
    regrets: npt.NDArray[np.float64]
    scored: npt.NDArray[np.float64]
    correlations: Correlations
    seconds: float


def run_job(table: Table, job: Job) -> Outcome:
    """Runs a method once."""
    # The noise has its own generator, so that it does not follow the choices of the method.
    noise = np.random.default_rng((job.seed, zlib.crc32(job.method.encode()), round(1000 * job.noise)))

    scored: list[float] = []

    def evaluate(indices: Indices) -> float:
        whole = len(indices) == table.space.num_levels
        scored.append(table.regret(indices, limit.bound) if whole else np.nan)
        return table.score(indices, job.noise, noise)

    limit = table.limit(job.share)
    run = Run(table.space, evaluate, job.evaluations, job.seed, limit, table.costs)
    began = time.perf_counter()
    reports = list(methods()[job.method](run))
    seconds = time.perf_counter() - began
    ranks = [float(table.accuracies.size if report is None else table.rank(report, limit.bound)) for report in reports]
    regrets = [np.nan if report is None else table.regret(report, limit.bound) for report in reports]
    best_scored = np.fmin.accumulate(scored) if scored else np.full(len(regrets), np.nan)
    return Outcome(job, np.array(ranks), np.array(regrets), np.asarray(best_scored), run.correlations, seconds)


def run_jobs(table: Table, jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    """Runs jobs side by side; yields the outcomes as they come."""
    return side_by_side(run_job, [(table, job) for job in jobs], processes)
