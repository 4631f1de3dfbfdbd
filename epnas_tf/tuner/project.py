"""Protection of a project's directory, in which other processes may be working."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.src.distribute import utils as distribution

from epnas_tf.errors import ConfigError, RunDirectoryError, StateError
from epnas_tf.storage.locks import take_lock
from epnas_tf.tuner.oracle import check_settings

ORACLE_FILE = "oracle.json"
LOCK_FILE = "oracle.lock"
"""Held by the one process, or the chief, that searches in a project."""

WAIT = "Wait for it, or give another `project_name`."


@contextlib.contextmanager
def replaceable(project: Path, overwrite: bool) -> Iterator[None]:
    """Refuses to overwrite a project in which another process searches. The block may remove it if `overwrite` is True.

    Raises:
        ConfigError: if `overwrite` is not a Boolean, or a worker sets it.
        RunDirectoryError: if another process searches in the project, or its path is not a directory.
    """
    if not isinstance(overwrite, bool):
        raise ConfigError(f"`overwrite` must be True or False. Received: overwrite={overwrite!r}")
    for place in (project, *project.parents):
        if place.exists() and not place.is_dir():
            raise RunDirectoryError(f"A project needs a directory. Received: {place}, which is a file.")
    if overwrite and distribution.has_chief_oracle() and not distribution.is_chief_oracle():
        raise ConfigError(
            "`overwrite=True` in a worker would remove the project of the chief and of the other workers. Give it to "
            "the chief alone, and start the workers after it."
        )
    if not (overwrite and project.exists()):
        yield
        return
    with take_lock(project / LOCK_FILE, WAIT, project):
        yield


def refuse_other_settings(project: Path, settings: dict[str, Any]) -> None:
    """Compares a tuner's settings with those of all tuners of the project: the chief and other workers.

    Raises:
        StateError: if they differ.
    """
    for file in sorted(project.glob("*.json")):
        there = _read(file).get("settings")
        if file.name != ORACLE_FILE and there is not None:
            check_settings(there, settings)


def has_ended_trials(project: Path) -> bool:
    """Whether trials of a project have ended; until then, nothing is lost if it is started again."""
    return (project / ORACLE_FILE).exists() and bool(_read(project / ORACLE_FILE).get("end_order"))


def is_behind(project: Path, oracle: keras_tuner.Oracle) -> bool:
    """Whether a project has other trials than an oracle read from it, because another process has continued it."""
    there = _read(project / ORACLE_FILE) if (project / ORACLE_FILE).exists() else {}
    own = {"start_order": oracle.start_order, "end_order": oracle.end_order}
    return any(there.get(name, now) != now for name, now in own.items())


def refuse_other_space(chief: keras_tuner.HyperParameters, own: keras_tuner.HyperParameters) -> None:
    """Refuses a worker whose hypermodel is not the chief's.

    Raises:
        StateError: if the hyperparameters differ; the message names them.
    """
    sent = keras_tuner.HyperParameters.from_proto(own.to_proto())  # as the chief's arrive
    there, now = ({p.name: p.get_config() for p in hp.space} for hp in (chief, sent))
    names = [name for name in {**there, **now} if there.get(name) != now.get(name)]
    if names:
        raise StateError(
            "A worker needs the hypermodel and the oracle that the chief has. Start both with the same ones. Received: "
            f"other hyperparameters than the chief's: {', '.join(names[:5])}"
        )


def lost_weights(trials: int, directory: Path, tuner_id: str) -> StateError:
    """Returns the error for a project whose shared weights are missing although trials have trained them."""
    return StateError(
        f"{trials} trials have trained shared weights that are not there; scores of others would not compare. Bring "
        "`shared_weights` back, go on under the KERASTUNER_TUNER_ID that has them, or with the chief and its workers, "
        f"or give `overwrite=True` to start anew. Received: {directory} without those of {tuner_id}"
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{file} cannot be read. Received: {error}") from error
    return content if isinstance(content, dict) else {}
