"""Locks of directories: one process at a time. The lock of a killed process is released by the system."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from epnas_tf.errors import RunDirectoryError
from epnas_tf.storage.state_files import translate_os_errors


def take_lock(file: Path, remedy: str, where: Path | None = None) -> IO[str]:
    """Opens a file and locks it until it is closed or the process ends.

    Args:
        file: the file; made if it is not there.
        remedy: what to do where another process has it, a sentence.
        where: the directory that a refusal names; the file's by default.

    Raises:
        RunDirectoryError: if another process has it, or it cannot be written.
    """
    with translate_os_errors(where or file.parent):
        opened = open(file, "a")  # noqa: SIM115  (held by the caller)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            opened.close()
            raise RunDirectoryError(f"Another process is running in {where or file.parent}. {remedy}") from error
    return opened


@contextlib.contextmanager
def locked_for_a_moment(directory: Path) -> Iterator[None]:
    """Runs a block while no other process runs such a block for the directory; waits for its turn.

    Args:
        directory: the directory, which exists.
    """
    with translate_os_errors(directory):
        opened = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
