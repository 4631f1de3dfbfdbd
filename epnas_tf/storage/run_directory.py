"""The files of a run: settings, one line a child, the best architecture, and the state that resuming needs.

    RUN_DIR/
      config.json         the settings, absolute forms of relative paths, the versions of the packages
      data.json           the description of the data set
      trials.jsonl        one line per child
      architecture.json   the best architecture so far
      ranking.json        the ranking value of each whole architecture by its child's number, best first
      state/              the two newest states, each written to a temporary file that is then renamed
      logs/               TensorBoard
      final/              the final training, a directory of the same kind

A kill at any moment leaves a complete state: a new one gets its name only once all of it is on the disk. When a run
resumes, lines of trials.jsonl that are newer than the state are removed, so the two always agree.
"""

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy.typing as npt

from epnas_tf.config import RunConfig
from epnas_tf.data.checks.names import check_path
from epnas_tf.data.checks.places import PLACES, absolute_places, is_moved, resolved
from epnas_tf.environment import versions
from epnas_tf.errors import ConfigError, RunDirectoryError, StateError
from epnas_tf.files import to_disk
from epnas_tf.options import fields_of, from_values, same_place, values_of
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.serialization import architecture_to_json
from epnas_tf.storage.data_file import DATA_FILE, DataDescription, refuse_other_images, save_description
from epnas_tf.storage.locks import take_lock
from epnas_tf.storage.records import RANKING_FILE, TRIALS_FILE, read_records
from epnas_tf.storage.state_files import (
    State,
    StateFiles,
    read_document,
    translate_os_errors,
    translate_read_errors,
    write_document,
    write_whole,
)

T = TypeVar("T")

FINAL_FOLDER, RANK_FOLDER, COMPARE_FOLDER = "final", "rank", "compare"
FOLDERS = {FINAL_FOLDER: "the final training's", RANK_FOLDER: "the comparison's", COMPARE_FOLDER: "epnas-compare's"}
"""The folders of a run that hold a directory of another format, and whose they are."""


class RunDirectory:
    """The directory of one run, used in a `with` statement; the module lists its files.

    A subclass for another kind of work sets its own format, records file and states.

    Args:
        path: the directory; made if it is not there.
        config: the settings, a `RunConfig` here. A directory that holds a run of other settings is refused.
        architectures: of another kind of work, what it is given of the search, as text; they count as a setting.

    Raises:
        ConfigError: if it is a folder that a run reserves for another kind of work.
        RunDirectoryError: if the directory cannot be written, belongs to another run, or another process runs in it.
    """

    FOLDER = ""
    FORMAT = "epnas_tf.run"
    RECORDS = TRIALS_FILE
    STATES = "after-"
    FLAG = "--run_dir"

    def __init__(self, path: str | os.PathLike[str], config: Any, architectures: tuple[str, ...] = ()) -> None:
        check_path(path, "a run directory")
        self.path = Path(path)
        self.config = config
        self._architectures = architectures
        self.warnings: list[str] = []
        self._states = StateFiles(self.path / "state", self.STATES)
        self._records = 0
        self._moved: dict[str, Any] | None = None  # config.json with the new place of the data
        self._refuse_folder_of_another_kind()
        with translate_os_errors(self.path):
            self._refuse_foreign_files()
            (self.path / "state").mkdir(parents=True, exist_ok=True)
        remedy = f"Wait for it, or give another {self.FLAG}."
        self._lock = take_lock(self.path / "state" / "lock", remedy, self.path)
        try:
            self._take_config()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self._discard_if_empty()
        self.close()

    def close(self) -> None:
        """Releases the lock, so that another process can use the directory."""
        self._lock.close()

    def _take_config(self) -> None:
        file = self.path / "config.json"
        # Read even if it is to be replaced: a file that no run wrote is somebody's, and is not written over.
        kept = read_config_document(file, self.FORMAT) if file.exists() else None
        now = json.loads(json.dumps(self._settings()))  # lists in place of tuples, as in the file
        places = absolute_places(now)
        if kept is None or not self._has_children():
            write_document(file, self.FORMAT, {"settings": now, "places": places, "versions": versions()})
            return
        there, differing = kept["settings"], []
        defaults = json.loads(json.dumps({field.name: field.default for field in fields_of(type(self.config))}))
        for name, value in now.items():
            if name == "plugins":  # what they register counts, by its name, and not where it comes from
                continue
            if name in PLACES:
                paths = str(kept["places"].get(name, there.get(name))), places.get(name, value)
                if same_place(*paths):
                    continue
                if is_moved(*paths) and (self.path / DATA_FILE).exists():  # which tells whether the images are the same
                    there[name] = value
                    kept["places"][name] = paths[1]
                    self._moved = kept
                    continue
            elif there.get(name, defaults.get(name)) == value:  # a setting that is newer than the run
                continue
            differing.append(f"  --{name}: {_shown(there.get(name))} there, {_shown(value)} now")
        if differing:
            raise RunDirectoryError(
                f"{self.path} holds a run of other settings:\n" + "\n".join(differing) + "\n"
                f"Give the same settings to go on with it, or another {self.FLAG} to start a new run."
            )
        if changed := _changed_versions(kept):
            self.warnings.append(f"The run began with other versions, its numbers may differ: {', '.join(changed)}")

    def _settings(self) -> dict[str, Any]:
        values = values_of(self.config)
        return values | {"architecture": "; ".join(self._architectures)} if self._architectures else values

    def _has_children(self) -> bool:
        """Whether there are states or records, which other settings would invalidate."""
        return self._states.newest() is not None or (self.path / self.RECORDS).exists()

    def _refuse_folder_of_another_kind(self) -> None:
        place = Path(os.path.abspath(self.path))
        if place.name != self.FOLDER and place.name in FOLDERS and is_directory_of(place.parent, RunDirectory.FORMAT):
            raise ConfigError(
                f"`{self.FLAG.removeprefix('--')}` must be another folder than {FOLDERS[place.name]}. "
                f"Received: {self.path}"
            )

    def _refuse_foreign_files(self) -> None:
        if not self.path.is_dir() or (self.path / "config.json").exists():
            return
        ours = ("state", "config.json.tmp")  # what a run that was killed in its first instant leaves
        foreign = sorted(entry.name for entry in self.path.iterdir() if entry.name not in ours)
        if foreign:
            raise RunDirectoryError(
                f"{self.path} is not the directory of a run: it has no config.json, but other files. "
                f"Give another {self.FLAG}. Received: {', '.join(foreign[:5])}"
            )

    def _discard_if_empty(self) -> None:
        """Removes a run that failed before its first child, so that the next attempt may use other settings."""
        names = {entry.name for entry in [*self.path.iterdir(), *(self.path / "state").iterdir()]}
        if {"config.json", "state", "lock"} <= names <= {"config.json", "state", "lock", DATA_FILE}:
            with contextlib.suppress(OSError):  # one by one, so that a file that came meanwhile stays
                (self.path / "config.json").unlink()
                (self.path / DATA_FILE).unlink(missing_ok=True)
                (self.path / "state" / "lock").unlink()
                (self.path / "state").rmdir()
                self.path.rmdir()

    def save_description(self, description: DataDescription) -> None:
        """Writes data.json and refuses images other than those of earlier work in this directory.

        Raises:
            RunDirectoryError: if they differ, or the file cannot be written.
        """
        if self._has_children():
            remedy = f"Bring them back to go on with it, or give another {self.FLAG} to start a new run."
            refuse_changed_images(self.path, self.FORMAT, description, remedy)
        if self._moved is not None:
            write_document(self.path / "config.json", self.FORMAT, self._moved)
            self._moved = None
        save_description(self.path, description)

    def append_record(self, record: dict[str, Any]) -> None:
        """Adds a line to the file of records.

        Raises:
            RunDirectoryError: if it cannot be written.
        """
        with translate_os_errors(self.path), open(self.path / self.RECORDS, "ab") as file:
            file.write((json.dumps(record) + "\n").encode())
            to_disk(file)
        self._records += 1

    def read_records(self) -> list[dict[str, Any]]:
        """Returns the records that the state includes."""
        return read_records(self.path / self.RECORDS)[: self._records]

    def save_best(self, architecture: Architecture, ranking: dict[int, float] | None = None) -> None:
        """Writes architecture.json and, if there is a ranking, ranking.json.

        Args:
            architecture: the best one.
            ranking: the ranking value of each whole architecture, by the number of its newest child from 1.

        Raises:
            RunDirectoryError: if one cannot be written.
        """
        write_whole(self.path / "architecture.json", architecture_to_json(architecture).encode())
        if ranking is not None:
            write_whole(self.path / RANKING_FILE, (json.dumps(ranking, indent=1) + "\n").encode())

    def save_state(self, values: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Writes the state after the last trial and keeps the one before it.

        Raises:
            RunDirectoryError: if it cannot be written. The states before it are untouched.
        """
        self._states.save(State(self._records, values, arrays))

    def load_state(self) -> State | None:
        """Reads the newest complete state; None for a run that has not saved one yet.

        trials.jsonl is cut to the trials of that state, and newer states are removed.

        Raises:
            StateError: if no state is complete although there are some, or trials.jsonl has fewer lines than the state.
        """
        state, problems = self._states.load()
        self.warnings += [f"{problem}; going on from the state before it." for problem in problems]
        file = self.path / self.RECORDS
        with translate_read_errors(f"{file} cannot be read"):
            lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        whole = sum(line.endswith(b"\n") for line in lines)
        self._records = 0 if state is None else state.number
        if whole < self._records or (state is None and whole > 1):
            raise StateError(
                f"{file} and {self.path / 'state'} do not belong together, so the run cannot go on. Bring lost lines "
                f"back, or start anew in another directory. Received: {whole} lines, expected {self._records}"
            )
        if len(lines) > self._records:
            with translate_os_errors(self.path):
                os.truncate(file, sum(map(len, lines[: self._records])))
        return state


def read_config_document(file: Path, expected_format: str) -> dict[str, Any]:
    """Reads config.json.

    Args:
        file: the file.
        expected_format: what kind of directory it must belong to.

    Returns:
        An object with "settings", "places" and "versions".

    Raises:
        RunDirectoryError: if no run wrote the file, or TensorFlow cannot open its folder.
    """
    check_path(file, "a run directory")
    if not file.exists():
        what = "holds no config.json" if file.parent.is_dir() else "does not exist"
        raise RunDirectoryError(
            f"Expected the directory of a run. Received: {file.parent}, which {what}. Check the spelling and the "
            "folder that you are in."
        )
    with translate_read_errors(f"{file} is not the config.json of a run"):
        document = read_document(file, expected_format)
        if not all(isinstance(document[key], dict) for key in ("settings", "places", "versions")):
            raise ValueError("settings, places or versions of another type")
        return document


def is_directory_of(path: str | os.PathLike[str], expected_format: str) -> bool:
    """Whether a directory is of a format, according to its config.json."""
    try:
        read_config_document(Path(path) / "config.json", expected_format)
    except RunDirectoryError:
        return False
    return True


def read_config(path: str | os.PathLike[str]) -> RunConfig:
    """Reads the settings of the run in a directory.

    Raises:
        RunDirectoryError: if there is no run or its settings cannot be read.
    """
    return read_settings(path, RunConfig, RunDirectory.FORMAT)


def read_settings(path: str | os.PathLike[str], config_type: type[T], expected_format: str) -> T:
    """Reads the settings in a directory's config.json, with the paths of the data made absolute; see `places.resolved`.

    Args:
        path: the directory.
        config_type: their dataclass.
        expected_format: what kind of directory it must be.

    Raises:
        RunDirectoryError: if it is no such directory, or its settings cannot be read.
    """
    file = Path(path) / "config.json"
    try:
        document = read_config_document(file, expected_format)
        return from_values(config_type, resolved(document["settings"], document["places"]))
    except (ConfigError, TypeError) as error:  # TypeError: a word where a number belongs
        raise RunDirectoryError(f"{file} holds a setting that is not allowed. {error}") from error


def recalled(config: T, path: str | os.PathLike[str]) -> T:
    """Completes settings from the run in a directory: its plugins, and the absolute paths of its data.

    Args:
        config: the settings that a command was given, with a `DataConfig` as `data`.
        path: the run's directory. If it does not exist or holds no search, nothing changes.

    Returns:
        The settings, with the run's plugins if none are given. A relative path that equals the run's, but does not
        exist from the current folder, is replaced by the run's absolute one.
    """
    if not is_directory_of(path, RunDirectory.FORMAT):
        return config
    document = read_config_document(Path(path) / "config.json", RunDirectory.FORMAT)
    space: Any = getattr(config, "space", None)
    if space is not None and not space.plugins:
        space = dataclasses.replace(space, plugins=tuple(document["settings"].get("plugins", ())))
        config = dataclasses.replace(config, space=space)  # type: ignore[type-var]
    data: Any = config.data  # type: ignore[attr-defined]  # every settings dataclass with data has it by that name
    same = {
        name: place for name, place in document["places"].items() if document["settings"][name] == getattr(data, name)
    }
    values = {name: getattr(data, name) for name in same if not os.path.exists(os.path.expanduser(getattr(data, name)))}
    return dataclasses.replace(config, data=dataclasses.replace(data, **resolved(values, same)))  # type: ignore[type-var]


def _shown(value: Any) -> str:
    return (",".join(value) or "the default") if isinstance(value, list) else str(value)


def refuse_changed_images(path: Path, expected_format: str, description: DataDescription, remedy: str) -> None:
    """Refuses images other than those that the work in a directory began with; see `refuse_other_images`.

    Args:
        path: the directory.
        expected_format: what kind of directory it must be.
        description: of the images.
        remedy: a sentence that tells the user what to do.

    Raises:
        RunDirectoryError: if they differ, or the directory's files cannot be read.
    """
    same_versions = not _changed_versions(read_config_document(path / "config.json", expected_format))
    refuse_other_images(path, description, same_versions, remedy)


def _changed_versions(document: dict[str, Any]) -> list[str]:
    """Returns the packages whose versions differ from those in config.json."""
    now = versions()
    return [f"{p} {v} then, {now[p]} now" for p, v in document["versions"].items() if now.get(p, v) != v]
