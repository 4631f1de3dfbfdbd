"""The files of a final training so far, read and checked without locking or changing anything."""

import dataclasses
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.config import TrainingConfig
from epnas_tf.errors import RunDirectoryError
from epnas_tf.metrics import ClassMetrics
from epnas_tf.report.search_files import architecture_of, description_of, optional
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.serialization import architecture_from_dict
from epnas_tf.storage.data_file import DataDescription
from epnas_tf.storage.records import parsed
from epnas_tf.storage.run_directory import read_config_document
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
        number: its position among them, the search's best first.
        architecture: the trained architecture.
        accuracy: validation accuracy after its own training; None as long as it is not known.
        shared_score: validation accuracy in the search; None if not known.
        parameters: of its network.
        multiply_adds: of its network, for one image.
        epochs: number of its training epochs.
        seconds: duration of its training.
    """

    number: int
    architecture: Architecture
    accuracy: float | None
    shared_score: float | None
    parameters: int | None
    multiply_adds: int | None
    epochs: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class TestFigures:
    """The result on the test images; `confusion` counts images, rows true and columns predicted classes."""

    accuracy: float
    top_5: float | None
    loss: float
    num_images: int
    parameters: int
    multiply_adds: int
    epochs: int
    seconds: float
    classes: tuple[ClassMetrics, ...]
    confusion: Int64Array


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
    settings: dict[str, Any]
    versions: dict[str, str]
    architecture: Architecture | None
    description: DataDescription | None
    candidates: tuple[TrainedCandidate, ...]
    epochs: tuple[Epoch, ...]
    figures: TestFigures | None
    predictions: Predictions | None

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
    document = read_config_document(path / "config.json", TrainingDirectory.FORMAT)
    figures = _figures(path / METRICS)
    return Training(
        config=config,
        settings=document["settings"],
        versions=document["versions"],
        architecture=architecture_of(path),
        description=description_of(path),
        candidates=parsed(path / CANDIDATES, _candidate),
        epochs=parsed(path / TrainingDirectory.RECORDS, _epoch),
        figures=figures,
        predictions=None if figures is None else _predictions(path / PREDICTIONS, len(figures.classes)),
    )


def _candidate(record: dict[str, Any]) -> TrainedCandidate:
    return TrainedCandidate(
        number=int(record["candidate"]),
        architecture=architecture_from_dict(record["architecture"]),
        accuracy=optional(record["accuracy"], float),
        shared_score=optional(record["shared_score"], float),
        parameters=optional(record.get("parameters"), int),
        multiply_adds=optional(record.get("multiply_adds"), int),
        epochs=int(record["epochs"]),
        seconds=float(record["seconds"]),
    )


def _epoch(record: dict[str, Any]) -> Epoch:
    return Epoch(
        epoch=int(record["epoch"]),
        learning_rate=float(record["learning_rate"]),
        training_loss=float(record["training_loss"]),
        training_accuracy=float(record["training_accuracy"]),
        validation_loss=optional(record["validation_loss"], float),
        validation_accuracy=optional(record["validation_accuracy"], float),
        seconds=float(record["seconds"]),
    )


def _figures(file: Path) -> TestFigures | None:
    """Reads metrics.json; None if the training has not ended."""
    if not file.exists():
        return None
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        classes = tuple(ClassMetrics.from_dict(figures) for figures in values["classes"])
        confusion = np.array(values["confusion"], np.int64)
        if not classes or confusion.shape != (len(classes), len(classes)):
            raise ValueError(f"a confusion matrix of shape {confusion.shape} for {len(classes)} classes")
        return TestFigures(
            accuracy=float(values["accuracy"]),
            top_5=optional(values["top_5"], float),
            loss=float(values["loss"]),
            num_images=int(values["num_images"]),
            parameters=int(values["parameters"]),
            multiply_adds=int(values["multiply_adds"]),
            epochs=int(values["epochs"]),
            seconds=float(values["seconds"]),
            classes=classes,
            confusion=confusion,
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunDirectoryError(
            f"{file} is not one that a training wrote. Received: {type(error).__name__}: {error}"
        ) from error


def _predictions(file: Path, num_classes: int) -> Predictions | None:
    """Reads test.npz; None if there is none."""
    if not file.exists():
        return None
    try:
        with open(file, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        labels, probabilities = arrays["labels"], arrays["probabilities"]
        if labels.ndim != 1 or probabilities.shape != (len(labels), num_classes):
            raise ValueError(f"labels {labels.shape}, probabilities {probabilities.shape}, {num_classes} classes")
        if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
            raise ValueError(f"labels from {labels.min()} to {labels.max()} of {num_classes} classes")
        right, wrong = (_examples(arrays, part, len(labels)) for part in ("right", "wrong"))
        return Predictions(labels, probabilities, right, wrong)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunDirectoryError(
            f"{file} is not one that a training wrote. Received: {type(error).__name__}: {error}"
        ) from error


def _examples(
    arrays: dict[str, npt.NDArray[Any]], part: str, num_images: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    indices, images = arrays[f"{part}_indices"], arrays[f"{part}_images"]
    if len(indices) == 0:
        return indices, np.zeros((0, 1, 1, 1), np.uint8)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or len(images) != len(indices):
        raise ValueError(f"{part}_images {images.dtype} {images.shape}")
    if not 0 <= indices.min() <= indices.max() < num_images:
        raise ValueError(f"{part}_indices from {indices.min()} to {indices.max()} of {num_images} images")
    return indices, images
