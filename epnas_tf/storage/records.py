"""Reading of files with one JSON object per line, also while they are being written."""

import dataclasses
import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from epnas_tf.storage.state_files import translate_read_errors

T = TypeVar("T")

TRIALS_FILE, RANKING_FILE = "trials.jsonl", "ranking.json"


def read_records(file: Path) -> list[dict[str, Any]]:
    """Reads the objects of a file; none if it does not exist. A line that is still being written is left out.

    Raises:
        RunDirectoryError: if the file is not one that a run wrote.
    """
    return list(parsed(file, lambda record: record))


def parsed(file: Path, make: Callable[[dict[str, Any]], T]) -> tuple[T, ...]:
    """Reads a file of one JSON object per line and converts each object.

    Args:
        file: the file; a missing one counts as empty, and a line that is still being written is left out.
        make: turns an object into a value; raises KeyError, TypeError, ValueError or AttributeError if it cannot.

    Raises:
        RunDirectoryError: if a line is not what a run writes.
    """
    values = []
    with translate_read_errors(f"{file} cannot be read"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    for number, line in enumerate(lines, 1):
        if line.endswith("\n"):
            with translate_read_errors(f"Line {number} of {file} is not one that a run writes"):
                values.append(make(json.loads(line)))
    return tuple(values)


def from_record(kind: type[T], record: Mapping[str, Any], number: Callable[[Any], float] = float, **others: Any) -> T:
    """Makes a dataclass of a record, with each value converted to the type of its field.

    The type is str, int or float; where it may be None as well, None stays None.

    Args:
        kind: the dataclass.
        record: has the values by the fields' names.
        number: converts to a float, such as `finite`.
        **others: values of further fields, taken as they are.

    Raises:
        KeyError, TypeError, ValueError: if a value is missing or has another type.
    """
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]  # kind is a dataclass
        if field.name not in others:
            value, kinds = record[field.name], (field.type, *get_args(field.type))
            convert = next((kind for kind in (str, int) if kind in kinds), number)
            others[field.name] = None if type(None) in kinds and value is None else convert(value)
    return kind(**others)


def finite(value: Any) -> float:
    """Converts a value of a record to a finite number.

    Raises:
        ValueError: if it is not finite, or not a number.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no number")
    return number


def best_trials(run_dir: Path, depth: int) -> list[dict[str, Any]]:
    """Reads the newest trial of each whole architecture of a run, best first, with its "estimate".

    Args:
        run_dir: the run's directory.
        depth: the level of a whole architecture.

    Raises:
        RunDirectoryError: if a file is not one that a run wrote.
    """
    estimates = read_ranking(run_dir)

    def whole(trial: dict[str, Any]) -> dict[str, Any] | None:
        if trial["status"] != "completed" or trial["level"] != depth:
            return None
        score = finite(trial["score"])
        return trial | {
            "iteration": int(trial["iteration"]),
            "text": str(trial["text"]),
            "architecture": trial["architecture"],
            "parameters": int(trial["parameters"]),
            "score": score,
            "estimate": float(estimates.get(trial["child"], score)),
        }

    trials = [trial for trial in parsed(run_dir / TRIALS_FILE, whole) if trial is not None]
    return newest_best_first(trials, lambda trial: trial["text"], lambda trial: trial["estimate"])


def read_ranking(run_dir: Path) -> dict[int, float]:
    """Reads the ranking value of each whole architecture by the child's number; empty if the run has no such file.

    A child can be missing if the run was stopped at that moment; it is ranked by its score.

    Raises:
        RunDirectoryError: if the file is not one that a run wrote.
    """
    file = run_dir / RANKING_FILE
    with translate_read_errors(f"{file} cannot be read"):
        ranking = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return {int(child): float(estimate) for child, estimate in ranking.items()}


def newest_best_first(trials: Iterable[T], name: Callable[[T], Hashable], worth: Callable[[T], Any]) -> list[T]:
    """Returns the newest trial of each architecture, best first; ties go to the earlier trial.

    Args:
        trials: in the order of their training.
        name: identifies the architecture of a trial.
        worth: the value that a trial is ranked by.
    """
    newest: dict[Hashable, T] = {}
    for trial in trials:
        newest.pop(name(trial), None)  # so that it takes its place in the order anew
        newest[name(trial)] = trial
    return sorted(newest.values(), key=worth, reverse=True)
