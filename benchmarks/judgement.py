"""Runs a search, and judges what it found by trainings on its own."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleaved import student
from benchmarks.worker import side_by_side
from epnas_tf.config import RunConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import values_of
from epnas_tf.storage.state_files import write_whole

JUDGEMENT = "judged.json"

Ends = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Job:
    """One search.

    Attributes:
        arm: its name.
        seed: of the search.
        config: its settings.
        directory: its run directory.
    """

    arm: str
    seed: int
    config: RunConfig
    directory: str


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a search found.

    Attributes:
        arm: its name.
        seed: of the search.
        accuracy: on the test images, in [0, 1], the mean of several trainings.
        children: trained by the search.
        seconds: of the search.
        text: the architecture.
    """

    arm: str
    seed: int
    accuracy: float
    children: int
    seconds: float
    text: str


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the searches of one arm found, against those of another, in [0, 1].

    Attributes:
        mean: of the accuracies.
        ends: of the mean's 95 % interval.
        deviation: of the accuracies.
        difference: mean of this arm's less the other's, seed by seed.
        difference_ends: of its 95 % interval.
        better: seeds in which this arm is the better one.
    """

    mean: float
    ends: Ends
    deviation: float
    difference: float
    difference_ends: Ends
    better: int


def summary(group: Sequence[Judged], against: Sequence[Judged]) -> Summary:
    """Compares an arm with another one of the same seeds, both in the order of their seeds."""
    found, others = (np.array([judged.accuracy for judged in judgements]) for judgements in (group, against))
    difference = found - others
    return Summary(
        float(found.mean()),
        student(found),
        float(found.std(ddof=1)),
        float(difference.mean()),
        student(difference),
        int((difference > 0).sum()),
    )


def judged_before(job: Job, epochs: int, trainings: int) -> Judged | None:
    """Reads the judgement of a search; None if it is not judged yet.

    Raises:
        ConfigError: if it had other settings, or was judged otherwise.
    """
    file = Path(job.directory) / JUDGEMENT
    if not file.exists():
        return None
    document, how = json.loads(file.read_text()), _how(job, epochs, trainings)
    differing = sorted(name for name in how if document["how"].get(name) != how[name])
    if differing:
        raise ConfigError(
            f"A run of other settings is in the directory. Received: {job.directory}, where other values have "
            f"{', '.join(differing)}. Give another --directory."
        )
    return Judged(**document["found"])


def run_job(job: Job, epochs: int, trainings: int) -> Judged:
    """Runs a search, or goes on with it, and judges what it found, unless that is done."""
    from epnas_tf import prepare_tensorflow
    from epnas_tf.run.runner import run_search

    if done := judged_before(job, epochs, trainings):
        return done
    prepare_tensorflow()
    result = run_search(job.config, job.directory)
    accuracy = own_accuracy(job.config, result.architecture, epochs, trainings)
    judged = Judged(job.arm, job.seed, accuracy, result.num_children, result.seconds, str(result.architecture))
    document = {"how": _how(job, epochs, trainings), "found": dataclasses.asdict(judged)}
    write_whole(Path(job.directory) / JUDGEMENT, json.dumps(document).encode())
    return judged


def _how(job: Job, epochs: int, trainings: int) -> dict[str, Any]:
    """Collects the settings that a judgement depends on, as JSON holds them."""
    how: dict[str, Any] = json.loads(json.dumps(values_of(job.config)))
    return {**how, "own_epochs": epochs, "trainings": trainings}


def own_accuracy(config: RunConfig, architecture: Any, epochs: int, trainings: int) -> float:
    """Returns the mean test accuracy of an architecture's network, trained on new weights with the search's recipe."""
    from epnas_tf import data
    from epnas_tf.run.comparison import own_trainer

    images = data.load(config.data, config.seed)
    trainer = own_trainer(config, images, images.test, epochs)
    return float(np.mean([trainer.train(architecture, 1000 + number).score for number in range(trainings)]))


def run_jobs(jobs: Sequence[Job], epochs: int, trainings: int, processes: int) -> Iterator[Judged]:
    """Runs jobs side by side; yields what they found as they come."""
    return side_by_side(run_job, [(job, epochs, trainings) for job in jobs], processes)
