"""The kind of model at a path and the run that it belongs to, determined without TensorFlow."""

import dataclasses
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from epnas_tf.config import TrainingConfig
from epnas_tf.data.checks.names import check_path
from epnas_tf.errors import RunDirectoryError
from epnas_tf.evaluation.classifier import ModelError
from epnas_tf.storage.run_directory import RunDirectory, read_config_document
from epnas_tf.storage.training_directory import FOLDER, is_training, read_training_config

T = TypeVar("T")

EXPORT_FILE = "export.json"
KINDS = (
    "a run directory with a final training, the final/ directory itself, a .keras file, a SavedModel folder or a "
    ".tflite file"
)


@dataclasses.dataclass(frozen=True)
class Location:
    """The location of a model.

    Attributes:
        path: the final directory, file or SavedModel folder.
        kind: "checkpoint", "keras", "saved_model" or "tflite".
        final: the directory of the final training that the model comes from; None if none is found.
    """

    path: Path
    kind: str
    final: Path | None

    def config(self) -> TrainingConfig | None:
        """Reads the settings of the final training that the model comes from; None if none is found.

        Raises:
            RunDirectoryError: if they cannot be read.
        """
        return None if self.final is None else read_training_config(self.final)

    def class_names(self) -> tuple[str, ...] | None:
        """Reads the class names from the export.json beside the model; None if there is none.

        Raises:
            ModelError: if no export wrote that file.
        """
        return self.exported("hold the class names of", _class_names)

    def exported(self, what: str, read: Callable[[dict[str, Any]], T]) -> T | None:
        """Reads a value from the export.json beside the model; None if there is none.

        Args:
            what: what the file must do, in words.
            read: takes the value from the content; raises KeyError, TypeError or ValueError if it cannot.

        Raises:
            ModelError: if no export wrote that file.
        """
        file = self.path.parent / EXPORT_FILE
        if not file.is_file():
            return None
        try:
            return read(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{file} must {what} the model beside it, as an export writes it. "
                f"Received: {error!r}. Export the model again, or move it away from that file."
            ) from error


def _class_names(document: dict[str, Any]) -> tuple[str, ...]:
    names = document["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names={names!r}")
    return tuple(names)


def locate(path: str | os.PathLike[str]) -> Location:
    """Determines the kind of model at a path.

    Raises:
        ModelError: if it is not a model, or is evidently truncated.
        RunDirectoryError: if it is a run without a final training, or TensorFlow cannot open its name.
    """
    place = Path(os.path.expanduser(path))
    check_path(place, "a model")
    try:
        if place.is_dir():
            return _locate_in_folder(place)
        if not place.exists():
            raise ModelError(f"A model must be {KINDS}. Received: {path}, which does not exist. Check the path.")
        return _locate_file(place)
    except OSError as error:
        raise ModelError(f"A model must be {KINDS}. Received: {path}, which cannot be read: {error}") from error


def broken(path: Path, kind: str, reason: object) -> ModelError:
    """Returns the error for a model that cannot be read."""
    return ModelError(f"{path} is not {kind} that can be read. Received: {reason}. Export it again.")


def _locate_file(place: Path) -> Location:
    suffix = place.suffix.lower()
    if suffix == ".keras":
        if not zipfile.is_zipfile(place):
            raise broken(place, "a .keras file", "it is no zip archive, or cut short")
        return Location(place, "keras", _final_of(place))
    if suffix == ".tflite":
        with open(place, "rb") as file:
            if file.read(8)[4:] != b"TFL3":  # the mark of every TFLite file
                raise broken(place, "a .tflite file", "it does not have the mark TFL3")
        return Location(place, "tflite", _final_of(place))
    raise ModelError(f"A model must be {KINDS}. Received: {place}, a file of another kind. Export the model first.")


def _locate_in_folder(folder: Path) -> Location:
    if (folder / "saved_model.pb").exists():
        return Location(folder, "saved_model", _final_of(folder))
    if (folder / FOLDER / "config.json").exists():
        return Location(folder / FOLDER, "checkpoint", folder / FOLDER)
    if not (folder / "config.json").exists():
        found = sorted(entry.name for entry in folder.iterdir())
        models = [str(folder / name) for name in found if _may_be_model(folder / name)]
        advice = f"Name one of them: {', '.join(models)}" if models else "Name the model itself"
        raise ModelError(
            f"A model must be {KINDS}. Received: {folder}, a folder with {', '.join(found[:6]) or 'nothing'} in it. "
            f"{advice}."
        )
    if is_training(folder):
        return Location(folder, "checkpoint", folder)
    read_config_document(folder / "config.json", RunDirectory.FORMAT)
    raise RunDirectoryError(
        f"{folder} has no final training yet, so there is no trained network in it. Received: {folder} without "
        f"{FOLDER}/config.json. Run epnas-train on it first."
    )


def _may_be_model(path: Path) -> bool:
    return path.suffix.lower() in (".keras", ".tflite") or (path / "saved_model.pb").exists()


def _final_of(model: Path) -> Path | None:
    """Returns the final training that an exported model belongs to; None if none is found.

    The model is RUN_DIR/export/MODEL of RUN_DIR/final, or FINAL_DIR/export/MODEL of a training in FINAL_DIR.
    """
    folder = model.absolute().parent.parent
    if (folder / FOLDER / "config.json").is_file():
        return folder / FOLDER
    return folder if is_training(folder) else None
