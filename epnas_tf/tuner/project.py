"""Protection of a project's directory, in which other processes may be working."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.src.distribute import utils as distribution

from epnas_tf.errors import ConfigError, StateError
from epnas_tf.options import require
from epnas_tf.storage.locks import take_lock
from epnas_tf.storage.state_files import translate_os_errors, translate_read_errors
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
        RunDirectoryError: if another process searches in the project, or it cannot be a directory.
    """
    require(bool, "overwrite", overwrite)
    if overwrite and distribution.has_chief_oracle() and not distribution.is_chief_oracle():
        raise ConfigError(
            "`overwrite=True` in a worker would remove the project of the chief and of the other workers. Give it to "
            "the chief alone, and start the workers after it."
        )
    with translate_os_errors(project):
        project.mkdir(parents=True, exist_ok=True)
    with take_lock(project / LOCK_FILE, WAIT) if overwrite else contextlib.nullcontext():
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
    return bool(_read(project / ORACLE_FILE).get("end_order"))


def is_behind(project: Path, oracle: keras_tuner.Oracle) -> bool:
    """Whether a project has other trials than an oracle read from it, because another process has continued it."""
    there = _read(project / ORACLE_FILE)
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


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    with translate_read_errors(f"{file} cannot be read"):
        content = json.loads(file.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
