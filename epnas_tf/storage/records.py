"""Reads files of one JSON object a line, also while they are being written."""

import json
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from epnas_tf.errors import RunDirectoryError

T = TypeVar("T")


def read_records(file: Path) -> list[dict[str, Any]]:
    """Returns the objects of a file, none if there is no file; a line that is still being written is left out.

    Raises:
        RunDirectoryError: if the file is not one that a run wrote.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{file} cannot be read. Received: {error}") from error


def best_trials(trials: list[dict[str, Any]], depth: int) -> list[dict[str, Any]]:
    """Returns the newest trial of each whole architecture, the best score first.

    Args:
        trials: the lines of trials.jsonl.
        depth: the level of a whole architecture.
    """
    whole = [trial for trial in trials if trial["status"] == "completed" and trial["level"] == depth]
    return newest_best_first(whole, lambda trial: trial["text"], lambda trial: trial["score"])


def newest_best_first(trials: Iterable[T], name: Callable[[T], Hashable], score: Callable[[T], float]) -> list[T]:
    """Returns the newest trial of each architecture, the best score first, of equal ones the earlier trial.

    Args:
        trials: in the order of their training.
        name: tells architectures apart.
        score: of a trial.
    """
    newest: dict[Hashable, T] = {}
    for trial in trials:
        newest.pop(name(trial), None)  # so that it takes its place in the order anew
        newest[name(trial)] = trial
    return sorted(newest.values(), key=score, reverse=True)
