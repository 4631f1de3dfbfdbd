"""Saved states: each one file, written beside and renamed, the two newest kept.

A kill at any moment, or a full disk, leaves the last state whole; a state that is cut short is noticed by its
checksums, and the one before it is taken.
"""

import contextlib
import dataclasses
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import RunDirectoryError, StateError
from epnas_tf.files import new_file

VERSION = 1
KEPT = 2
JSON_ENTRY = "json"
BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a file raises that is no whole state."""


@dataclasses.dataclass(frozen=True)
class State:
    """What was saved.

    Attributes:
        number: grows from state to state.
        values: JSON-able values.
        arrays: arrays by name.
    """

    number: int
    values: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


class StateFiles:
    """The states of one thing in a directory, the two newest of them.

    Args:
        directory: where they are; made when the first one is saved.
        prefix: what their file names begin with.
    """

    def __init__(self, directory: Path, prefix: str) -> None:
        self.directory = directory
        self.prefix = prefix

    def save(self, state: State) -> None:
        """Writes a state and removes those before the last one.

        Raises:
            RunDirectoryError: if it cannot be written. The states before it are untouched.
        """
        with translate_os_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"version": VERSION, "number": state.number, "values": state.values}).encode()
        arrays: dict[str, Any] = {JSON_ENTRY: np.frombuffer(header, np.uint8), **state.arrays}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_whole(self.directory / f"{self.prefix}{state.number:06d}.npz", buffer.getvalue())
        self._remove(self._files()[KEPT:])

    def load(self, newest: int | None = None) -> tuple[State | None, list[str]]:
        """Returns the newest state that is whole, and what was wrong with those after it; these are removed.

        Args:
            newest: states of a higher number are passed over, and removed.

        Returns:
            The state, None if nothing was saved, and a sentence for each file that is broken.

        Raises:
            StateError: if there are files and none is whole.
        """
        files, problems = self._files(), []
        younger = [file for file in files if newest is not None and self._number(file) > newest]
        for file in files[len(younger) :]:
            try:
                state = _read(file)
            except BROKEN as error:
                problems.append(f"{file} is not whole ({error})")
                younger.append(file)
                continue
            self._remove(younger)
            return state, problems
        if problems:
            raise self.none_whole("; ".join(problems))
        self._remove(younger)
        return None, []

    def peek(self, newest: int | None = None) -> State | None:
        """Returns the newest state that is whole, None if there is none; for readers beside a process that runs.

        Nothing is removed, and what is broken is passed over. States that are replaced while they are looked for are
        looked for again.

        Args:
            newest: states of a higher number are passed over.
        """
        seen: list[Path] = []
        while (files := self._files()) != seen:
            seen = files
            for file in files:
                if newest is None or self._number(file) <= newest:
                    with contextlib.suppress(*BROKEN):
                        return _read(file)
        return None

    def none_whole(self, received: str) -> StateError:
        """Returns the error for files of which none can be read."""
        return StateError(
            f"None of the states in {self.directory} is whole, so there is nothing to go on from. Remove "
            f"{self.directory.parent} to start anew. Received: {received}"
        )

    def newest(self) -> int | None:
        """Returns the number of the newest file, None if there is none."""
        files = self._files()
        return self._number(files[0]) if files else None

    def _files(self) -> list[Path]:
        """Returns the files, the newest first."""
        return sorted(self.directory.glob(f"{self.prefix}[0-9]*.npz"), key=self._number, reverse=True)

    def _number(self, file: Path) -> int:
        return int(file.stem.removeprefix(self.prefix))

    def _remove(self, files: list[Path]) -> None:
        with translate_os_errors(self.directory):
            for file in files:
                file.unlink(missing_ok=True)


def write_whole(file: Path, data: bytes) -> None:
    """Writes a file whole or not at all.

    Raises:
        RunDirectoryError: if it cannot be written; a file of that name that was there before is untouched.
    """
    with translate_os_errors(file.parent), new_file(file) as handle:
        handle.write(data)


def holds(file: Path, data: bytes) -> bool:
    """Tells whether a file is there and holds exactly that.

    Raises:
        RunDirectoryError: if it cannot be read.
    """
    with translate_os_errors(file.parent):
        return file.exists() and file.read_bytes() == data


def prefixed(prefix: str, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Returns arrays under their names with a prefix: a state holds the arrays of several things."""
    return {prefix + name: array for name, array in arrays.items()}


def with_prefix(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Returns the arrays whose names have a prefix, under their names without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


@contextlib.contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turns the system's refusal to write into the project's own error."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunDirectoryError(f"{path} cannot be written: {reason}. Received: {error}") from error


def _read(file: Path) -> State:
    with open(file, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}  # reading checks each array's checksum
    header = json.loads(arrays.pop(JSON_ENTRY).tobytes())
    if header["version"] != VERSION:
        raise ValueError(f"a state of version {header['version']}, this program reads version {VERSION}")
    return State(header["number"], header["values"], arrays)
