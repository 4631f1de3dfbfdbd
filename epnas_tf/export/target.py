"""The folder of an export: filled under a temporary name and moved once all its files have passed. No TensorFlow."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from epnas_tf.data.checks.names import check_path
from epnas_tf.evaluation.location import EXPORT_FILE
from epnas_tf.export.formats import FORMATS, ExportError
from epnas_tf.files import to_disk
from epnas_tf.storage.state_files import translate_os_errors, write_whole

FORMAT = "epnas_tf.export"
VERSION = 1


class Target:
    """The target folder of an export.

    Args:
        path: the folder, which need not exist.
        overwrite: whether to replace an existing export once the new one has passed. Anything else is never replaced.

    Raises:
        ExportError: if the folder exists and may not be replaced.
        RunDirectoryError: if nothing can be written there.
    """

    def __init__(self, path: Path, overwrite: bool = False) -> None:
        check_path(path, "an export")
        self.path = path.resolve() if path.is_symlink() else path
        self.overwrite = overwrite
        self._check()
        folder = next(parent for parent in self.path.absolute().parents if os.path.lexists(parent))
        with translate_os_errors(self.path), tempfile.TemporaryDirectory(dir=folder):
            pass  # refused here if nothing can be written

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """Yields a new folder beside the target and renames it at the end; after an error it is removed.

        Raises:
            ExportError: if the target was created in the meantime.
            RunDirectoryError: if it cannot be written.
        """
        parent = self.path.parent
        with contextlib.ExitStack() as stack:
            with translate_os_errors(parent):
                parent.mkdir(parents=True, exist_ok=True)
                # Here, since a folder of the system's could not be renamed across disks.
                beside = tempfile.TemporaryDirectory(
                    prefix=f"{self.path.name}.", suffix=".part", dir=parent, ignore_cleanup_errors=True
                )
                # A folder within it: the temporary one is readable by its owner alone.
                folder = Path(stack.enter_context(beside)) / self.path.name
                folder.mkdir()
            yield folder
            self._check()
            with translate_os_errors(self.path):
                _all_to_disk(folder)
                self._move(folder)

    def _check(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not self.overwrite:
            raise ExportError(
                f"{self.path} exists. Give --overwrite to replace that export once the new one has passed, or another "
                "--output."
            )
        ours = {EXPORT_FILE, *(entry.file for entry in FORMATS.values())}
        found = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else {self.path.name}
        if not _is_export(self.path) or not found <= ours:
            received = ", ".join(sorted(found - ours)[:5]) or f"no {EXPORT_FILE} of an export"
            raise ExportError(
                f"--overwrite replaces a folder that an export wrote, with nothing else in it, and {self.path} is none."
                f" Received: {received}. Give another --output."
            )

    def _move(self, folder: Path) -> None:
        old = folder.with_name(folder.name + ".old")  # goes with the temporary folder
        if self.path.exists():
            self.path.rename(old)
        try:
            folder.rename(self.path)
        except BaseException:
            if old.exists():
                old.rename(self.path)
            raise


def write_export_file(folder: Path, values: Mapping[str, Any]) -> None:
    """Writes export.json, which marks a folder as an export.

    Raises:
        RunDirectoryError: if it cannot be written.
    """
    document = {"format": FORMAT, "version": VERSION, **values}
    write_whole(folder / EXPORT_FILE, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def _is_export(path: Path) -> bool:
    try:
        return json.loads((path / EXPORT_FILE).read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _all_to_disk(folder: Path) -> None:
    """Flushes all files of a folder to the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with open(file, "rb") as handle:
                to_disk(handle)
