"""Saved states: each is one file, written under a temporary name and renamed. The two newest are kept.

A kill at any moment, or a full disk, leaves the last state complete. Checksums reveal a truncated state, and the one
before it is used.
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
"""The errors raised by reading a file that is not a complete state."""


@dataclasses.dataclass(frozen=True)
class State:
    """A saved state.

    Attributes:
        number: increases from state to state.
        values: JSON-able values.
        arrays: arrays by name.
    """

    number: int
    values: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


class StateFiles:
    """The two newest saved states of one thing in a directory.

    Args:
        directory: the folder of the files; made when the first one is saved.
        prefix: the beginning of their file names.
    """

    def __init__(self, directory: Path, prefix: str) -> None:
        self.directory = directory
        self.prefix = prefix

    def save(self, state: State) -> None:
        """Writes a state and keeps only the one before it.

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
        """Reads the newest complete state, and removes newer ones, which are broken or beyond `newest`.

        Args:
            newest: states of a higher number are ignored and removed.

        Returns:
            The state, None if nothing was saved, and a sentence for each broken file.

        Raises:
            StateError: if there are files and none is complete.
        """
        useless: list[Path] = []
        problems: list[str] = []
        for file in self._files():
            if newest is None or self._number(file) <= newest:
                try:
                    state = _read(file)
                    self._remove(useless)
                    return state, problems
                except BROKEN as error:
                    problems.append(f"{file} is not whole ({error})")
            useless.append(file)
        if problems:
            raise self.none_whole("; ".join(problems))
        self._remove(useless)
        return None, []

    def peek(self, newest: int | None = None) -> State | None:
        """Reads the newest complete state, None without one, and changes nothing; safe while another process writes.

        Broken files are ignored. If states are replaced during the search for them, the search is repeated.

        Args:
            newest: states of a higher number are ignored.
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
        """Returns the error for states of which none can be read."""
        return StateError(
            f"None of the states in {self.directory} is whole, so there is nothing to go on from. Remove "
            f"{self.directory.parent} to start anew. Received: {received}"
        )

    def newest(self) -> int | None:
        """Returns the number of the newest file, None if there is none."""
        files = self._files()
        return self._number(files[0]) if files else None

    def _files(self) -> list[Path]:
        """Returns the files, newest first."""
        return sorted(self.directory.glob(f"{self.prefix}[0-9]*.npz"), key=self._number, reverse=True)

    def _number(self, file: Path) -> int:
        return int(file.stem.removeprefix(self.prefix))

    def _remove(self, files: list[Path]) -> None:
        with translate_os_errors(self.directory):
            for file in files:
                file.unlink(missing_ok=True)


def write_whole(file: Path, data: bytes) -> None:
    """Writes a file whole or not at all; one that holds this already is left alone.

    Raises:
        RunDirectoryError: if it cannot be written; an earlier file of that name is untouched.
    """
    with translate_os_errors(file.parent):
        if not file.is_file() or file.read_bytes() != data:
            with new_file(file) as handle:
                handle.write(data)


def write_json(file: Path, values: Any) -> None:
    """Writes a file of one JSON object for people to read, whole or not at all.

    Args:
        file: the file.
        values: a dataclass, or JSON values that may contain some.

    Raises:
        RunDirectoryError: if it cannot be written.
    """
    write_whole(file, (json.dumps(values, indent=2, default=dataclasses.asdict) + "\n").encode())


def write_document(file: Path, kind: str, values: Mapping[str, Any]) -> None:
    """Writes a JSON object that begins with its format and version.

    Args:
        file: the file.
        kind: its format.
        values: the rest.

    Raises:
        RunDirectoryError: if it cannot be written.
    """
    write_json(file, {"format": kind, "version": VERSION, **values})


def read_document(file: Path, kind: str) -> dict[str, Any]:
    """Reads what `write_document` wrote, without format and version; for use in `translate_read_errors`.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: if it is of another format or version, or broken.
    """
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if (document.pop("format"), document.pop("version")) != (kind, VERSION):
        raise ValueError(f"not of format {kind}, version {VERSION}")
    return document


def prefixed(prefix: str, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Adds a prefix to the names of arrays, since a state holds the arrays of several things."""
    return {prefix + name: array for name, array in arrays.items()}


def with_prefix(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Selects the arrays whose names have a prefix, and removes it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


@contextlib.contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Translates the system's write errors into the project's own error."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunDirectoryError(f"{path} cannot be written: {reason}. Received: {error}") from error


@contextlib.contextmanager
def translate_read_errors(refusal: str) -> Iterator[None]:
    """Translates the errors of reading what no run wrote into the project's own error.

    Args:
        refusal: what is wrong, without a period, such as "FILE is not one that a run wrote".
    """
    try:
        yield
    except (*BROKEN, TypeError, AttributeError, OverflowError) as error:
        raise RunDirectoryError(f"{refusal}. Received: {type(error).__name__}: {error}") from error


def _read(file: Path) -> State:
    with open(file, "rb") as handle, np.load(handle, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}  # reading checks each array's checksum
    header = json.loads(arrays.pop(JSON_ENTRY).tobytes())
    if header["version"] != VERSION:
        raise ValueError(f"a state of version {header['version']}, this program reads version {VERSION}")
    return State(header["number"], header["values"], arrays)
