"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


@contextlib.contextmanager
def new_file(file: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that is renamed at the end; after an error, the old file stays.

    `tempfile` is not used, since only the owner may read its files.

    Raises:
        OSError: if the file cannot be written.
    """
    beside = file.with_name(file.name + ".tmp")
    try:
        with open(beside, "wb") as handle:
            yield handle
            to_disk(handle)
        beside.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)  # the partial file may be what fills the disk
        raise


def to_disk(file: Any) -> None:
    """Waits until an open file's bytes are on the disk."""
    file.flush()
    os.fsync(file.fileno())
