"""The files of a final training so far, read and checked without locking or changing anything."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.config import TrainingConfig
from epnas_tf.metrics import Metrics
from epnas_tf.report.search_files import architecture_of, description_of
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.serialization import architecture_from_dict
from epnas_tf.storage.data_file import DataDescription
from epnas_tf.storage.records import from_record, parsed
from epnas_tf.storage.run_directory import read_config_document
from epnas_tf.storage.state_files import translate_read_errors
from epnas_tf.storage.training_directory import (
    CANDIDATES,
    METRICS,
    PREDICTIONS,
    Epoch,
    TrainingDirectory,
    read_training_config,
)


@dataclasses.dataclass(frozen=True)
class TrainedCandidate:
    """One of several architectures that were trained briefly to choose the one to train in full.

    Attributes:
        candidate: its position among them, the search's best first.
        architecture: the trained architecture.
        accuracy: validation accuracy after its own training; None as long as it is not known.
        shared_score: validation accuracy in the search; None if not known.
        parameters: of its network.
        multiply_adds: of its network, for one image.
        epochs: number of its training epochs.
        seconds: duration of its training.
    """

    candidate: int
    architecture: Architecture
    accuracy: float | None
    shared_score: float | None
    parameters: int | None
    multiply_adds: int | None
    epochs: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class TestFigures:
    """The result on the test images, and what the training and its network cost."""

    metrics: Metrics
    parameters: int
    multiply_adds: int
    epochs: int
    seconds: float


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """The network's predictions for the test images, and some of these images.

    Attributes:
        labels: int [n].
        probabilities: float [n, classes].
        right: (indices int [k], images uint8 [k, height, width, channels]) of correctly classified images.
        wrong: the same for misclassified images.
    """

    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[Any]
    right: tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]
    wrong: tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """A final training at its present state; missing parts are None or empty."""

    config: TrainingConfig
    document: dict[str, Any]
    architecture: Architecture | None
    description: DataDescription | None
    candidates: tuple[TrainedCandidate, ...]
    epochs: tuple[Epoch, ...]
    figures: TestFigures | None
    predictions: Predictions | None

    @property
    def num_validation(self) -> int | None:
        """The number of validation images; None if the training did not record it."""
        return None if self.description is None else self.description.num_validation

    @property
    def seconds(self) -> float:
        """The time spent, candidates included."""
        if self.figures is not None:
            return self.figures.seconds
        return sum(e.seconds for e in self.epochs) + sum(candidate.seconds for candidate in self.candidates)


def read_training(path: Path) -> Training:
    """Reads the files of a final training in its directory.

    Raises:
        RunDirectoryError: if a file is not one that a training writes.
    """
    config = read_training_config(path)
    figures = _figures(path / METRICS)
    return Training(
        config=config,
        document=read_config_document(path / "config.json", TrainingDirectory.FORMAT),
        architecture=architecture_of(path),
        description=description_of(path),
        candidates=parsed(path / CANDIDATES, _candidate),
        epochs=parsed(path / TrainingDirectory.RECORDS, functools.partial(from_record, Epoch)),
        figures=figures,
        predictions=None if figures is None else _predictions(path / PREDICTIONS, len(figures.metrics.classes)),
    )


def _candidate(record: dict[str, Any]) -> TrainedCandidate:
    values = {"parameters": None, "multiply_adds": None, **record}
    return from_record(TrainedCandidate, values, architecture=architecture_from_dict(record["architecture"]))


def _figures(file: Path) -> TestFigures | None:
    """Reads metrics.json; None if the training has not ended."""
    if not file.exists():
        return None
    with translate_read_errors(f"{file} is not one that a training wrote"):
        values = json.loads(file.read_text(encoding="utf-8"))
        metrics = Metrics.from_dict(values)
        classes, rows = len(metrics.classes), [len(row) for row in metrics.confusion]
        if not classes or rows != [classes] * classes:
            raise ValueError(f"a confusion matrix with rows of {rows} for {classes} classes")
        return from_record(TestFigures, values, metrics=metrics)


def _predictions(file: Path, num_classes: int) -> Predictions | None:
    """Reads test.npz; None if there is none."""
    if not file.exists():
        return None
    with translate_read_errors(f"{file} is not one that a training wrote"):
        with open(file, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        labels, probabilities = arrays["labels"], arrays["probabilities"]
        if labels.ndim != 1 or probabilities.shape != (len(labels), num_classes):
            raise ValueError(f"labels {labels.shape}, probabilities {probabilities.shape}, {num_classes} classes")
        _check_range("labels", labels, num_classes)
        right, wrong = (_examples(arrays, part, len(labels)) for part in ("right", "wrong"))
        return Predictions(labels, probabilities, right, wrong)


def _examples(
    arrays: dict[str, npt.NDArray[Any]], part: str, num_images: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    indices, images = arrays[f"{part}_indices"], arrays[f"{part}_images"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or len(images) != len(indices):
        raise ValueError(f"{part}_images {images.dtype} {images.shape}")
    _check_range(f"{part}_indices", indices, num_images)
    return indices, images


def _check_range(name: str, numbers: npt.NDArray[Any], end: int) -> None:
    if ((numbers < 0) | (numbers >= end)).any():
        raise ValueError(f"{name} from {numbers.min()} to {numbers.max()}, not from 0 to {end - 1}")
