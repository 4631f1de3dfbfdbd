"""Reads files of one JSON object a line, also while they are being written."""

import json
from pathlib import Path
from typing import Any

from epnas_tf.errors import RunDirectoryError


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
    newest: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if trial["status"] == "completed" and trial["level"] == depth:
            newest.pop(trial["text"], None)  # of equal scores the trial that was first comes first, as in the search
            newest[trial["text"]] = trial
    return sorted(newest.values(), key=lambda trial: trial["score"], reverse=True)
