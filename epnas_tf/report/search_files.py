"""The files of a search so far, read and checked without locking or changing anything."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from epnas_tf.config import RunConfig
from epnas_tf.cost.workload import children_of_search
from epnas_tf.errors import ArchitectureError, ConfigError, RunDirectoryError
from epnas_tf.scale.place import WorkerStatus
from epnas_tf.space import definition_of_space, depth_of, make_space
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.serialization import architecture_from_dict, load_architecture
from epnas_tf.storage.data_file import DATA_FILE, DataDescription, load_description
from epnas_tf.storage.records import finite, from_record, newest_best_first, parsed, read_ranking
from epnas_tf.storage.run_directory import RunDirectory, read_config, read_config_document
from epnas_tf.storage.state_files import StateFiles, translate_read_errors

Updates = dict[tuple[str | int, ...], int]
"""How many training steps each position and operation of the shared network has had."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One child.

    Attributes:
        child: its number, from 1.
        iteration: the iteration over the levels, from 1.
        level: layers or blocks of its architecture.
        temperature: the sampling temperature in that iteration.
        predicted: the accuracy predicted by the surrogate; None before its first fit.
        score: validation accuracy in the search; None if the child diverged.
        parameters: of its network; None if the child diverged.
        seconds: time spent on it; 0 if not known.
        architecture: the architecture.
    """

    child: int
    iteration: int
    level: int
    temperature: float
    predicted: float | None
    score: float | None
    parameters: int | None
    seconds: float
    architecture: Architecture


@dataclasses.dataclass(frozen=True)
class Search:
    """A search at its present state.

    Attributes:
        config: its settings.
        document: the content of config.json.
        trials: the children in the order of their training.
        best: the best whole architecture; None as long as there is none.
        ranking: the ranking value of each whole architecture, by the child's number.
        description: the data set; None if the run did not record it.
        updates: training steps of each key of the store; None before the first state.
        seconds: time spent.
        num_planned: number of children of the whole search.
        workers: what each worker has done since the search was last started; none where no workers train.
    """

    config: RunConfig
    document: dict[str, Any]
    trials: tuple[Trial, ...]
    best: Architecture | None
    ranking: dict[int, float]
    description: DataDescription | None
    updates: Updates | None
    seconds: float
    num_planned: int
    workers: tuple[WorkerStatus, ...] = ()

    @functools.cached_property
    def depth(self) -> int:
        """The level of a whole architecture."""
        return depth_of(self.config.space)

    @property
    def level(self) -> str:
        """The space's word for a level."""
        return definition_of_space(self.config.space.space).level

    @property
    def num_validation(self) -> int | None:
        """The number of images that scored the children; None if the run did not record it."""
        return None if self.description is None else self.description.num_validation

    @property
    def completed(self) -> tuple[Trial, ...]:
        """The children that did not diverge."""
        return tuple(trial for trial in self.trials if trial.score is not None)

    def estimate(self, trial: Trial) -> float:
        """Returns the ranking value of a whole architecture's trial: its score, if the run recorded nothing else."""
        return self.ranking.get(trial.child, trial.score or 0.0)

    def best_trials(self) -> list[Trial]:
        """Returns the newest trial of each whole architecture, best first; ties go to the earlier."""
        whole = [trial for trial in self.completed if trial.level == self.depth]
        return newest_best_first(whole, lambda trial: trial.architecture, self.estimate)


def read_search(path: Path) -> Search:
    """Reads the files of a search in its run directory.

    Raises:
        RunDirectoryError: if a file is not one that a run writes.
    """
    config = read_config(path)
    document = read_config_document(path / "config.json", RunDirectory.FORMAT)
    try:
        space = make_space(config.space)
    except ConfigError as error:
        raise RunDirectoryError(f"{path / 'config.json'} holds a setting that is not allowed. {error}") from error
    trials = parsed(path / RunDirectory.RECORDS, _trial)
    planned = sum(children_of_search(space, config.search).values())
    # The number of planned children holds if none diverges and no limit excludes any; a state knows it better.
    of_children = sum(trial.seconds for trial in trials)
    updates, seconds, num_planned, workers = _peeked(path) or (None, of_children, planned, ())
    return Search(
        config=config,
        document=document,
        trials=trials,
        best=architecture_of(path),
        ranking=read_ranking(path),
        description=description_of(path),
        updates=updates,
        seconds=seconds,
        num_planned=num_planned,
        workers=workers,
    )


def architecture_of(path: Path) -> Architecture | None:
    """Reads the architecture in a directory; None if there is none yet.

    Raises:
        RunDirectoryError: if the file does not hold one.
    """
    file = path / "architecture.json"
    try:
        return load_architecture(file) if file.exists() else None
    except ArchitectureError as error:
        raise RunDirectoryError(str(error)) from error


def description_of(path: Path) -> DataDescription | None:
    """Reads the description of a directory's data set; None if there is none.

    Raises:
        RunDirectoryError: if the file is not one that a run wrote.
    """
    return load_description(path) if (path / DATA_FILE).exists() else None


def _trial(record: dict[str, Any]) -> Trial:
    completed = record["status"] == "completed"
    return from_record(
        Trial,
        record if completed else record | {"score": None, "parameters": None},
        finite,
        seconds=sum(float(record.get(f"{part}_seconds", 0)) for part in ("build", "train", "evaluate")),
        architecture=architecture_from_dict(record["architecture"]),
    )


def _peeked(path: Path) -> tuple[Updates, float, int, tuple[WorkerStatus, ...]] | None:
    """Reads what only the state has: update counts of the store, time spent, children of the whole search, workers."""
    state = StateFiles(path / "state", RunDirectory.STATES).peek()
    if state is None:
        return None
    with translate_read_errors(f"The state in {path / 'state'} is not one that a search wrote"):
        updates = {tuple(entry["key"]): int(entry["updates"]) for entry in state.values["store"]["layers"]}
        workers = tuple(from_record(WorkerStatus, worker, finite) for worker in state.values.get("workers", ()))
        return updates, float(state.values["seconds"]), int(state.values["num_children"]), workers
