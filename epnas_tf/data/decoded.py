"""Decoded images that are kept in files for later runs, each data set in a folder of its own.

    FOLDER/KEY/
      images.npy    uint8 [n, height, width, channels]
      source.json   what else was found out when the images were decoded
    FOLDER/KEY.part/    the same, while it is written
    FOLDER/KEY.lock     held by the process that writes it

    FOLDER/KEY          a link to another key's folder: sizes that were asked for in another way, with the same result

FOLDER is `EPNAS_CACHE` of the environment, otherwise `epnas_tf` in the user's folder of caches. The key is of the image
files' names, sizes and times, and of how they are decoded. Nothing else in that folder is touched.
"""

import contextlib
import dataclasses
import fcntl
import json
import math
import os
import re
import shutil
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from epnas_tf.data import progress
from epnas_tf.data.pixels import StoredPixels, UInt8Array

VARIABLE = "EPNAS_CACHE"
"""The variable of the environment that says where decoded images are kept; "off" to keep none."""

OFF = "off"
_KEY = re.compile(r"[0-9a-f]{32}(\.part)?")
IMAGES, SOURCE, PART, LOCK = "images.npy", "source.json", ".part", ".lock"

Kept = tuple[dict[str, Any], StoredPixels]
"""What was found out about images, and these."""

MARGIN = 100_000_000
"""Bytes of a disk that are left free."""


def folder() -> Path | None:
    """Where decoded images are kept; None if they are not."""
    given = os.environ.get(VARIABLE, "")
    if given.lower() == OFF:
        return None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    return Path(os.path.abspath(os.path.expanduser(given or os.path.join(home, "epnas_tf"))))


@dataclasses.dataclass(frozen=True)
class Entry:
    """The decoded images of one data set.

    Attributes:
        path: its folder.
        made_from: where they come from; "" if that is not known, as of what was never finished.
        shape: images, height, width, channels; empty for what was never finished.
        num_bytes: of its files.
        used: when it was last used, in seconds since 1970.
    """

    path: Path
    made_from: str
    shape: tuple[int, ...]
    num_bytes: int
    used: float


def entries(where: Path) -> list[Entry]:
    """Lists what is kept in a folder, the last used first; remains of a process that was killed as well."""
    found = []
    for path in where.iterdir() if where.is_dir() else ():
        if not _KEY.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            continue  # it is not ours
        with contextlib.suppress(OSError):  # removed meanwhile
            sizes = [file.stat().st_size for file in path.iterdir()]
            values = {} if path.suffix == PART else _values(path)
            shape = tuple(values.get("shape", ()))
            file = path / SOURCE if shape else path
            found.append(Entry(path, values.get("made_from", ""), shape, sum(sizes), file.stat().st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


def remove(entry: Entry) -> bool:
    """Removes an entry, unless a process is just writing it; processes that read it go on. Returns whether it did."""
    key = entry.path.name.removesuffix(PART)
    lock = entry.path.with_name(key + LOCK)
    with _locked(lock, wait=False) as held:
        if held:
            shutil.rmtree(entry.path, ignore_errors=True)  # another process may be at it, too
            lock.unlink(missing_ok=True)
            for link in entry.path.parent.iterdir():
                if link.is_symlink() and not link.exists() and _KEY.fullmatch(link.name):
                    link.unlink(missing_ok=True)
        return held


@contextlib.contextmanager
def place(key: str, made_from: Path) -> Iterator["Place"]:
    """Opens the place of a data set. One process at a time writes there, and others wait; all may read what is kept.

    What is written and not kept is removed at the end.

    Args:
        key: of the data set, a file name.
        made_from: the folder of its image files.
    """
    where = folder()
    reason, path = "" if where else f"{VARIABLE}={OFF}", (where or Path()) / key
    kept, lock = None, path.with_name(key + LOCK)
    with contextlib.ExitStack() as stack:
        try:
            if not reason:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the images may be private
                kept = _read(path)
                if kept is None:
                    stack.enter_context(_locked(lock))
                    stack.callback(lock.unlink, missing_ok=True)  # while it is held; who waits for it makes another
                    kept = _read(path)  # another process may have decoded the images meanwhile
                    for entry in entries(path.parent):
                        if not entry.shape and entry.path.name != key + PART:
                            remove(entry)  # of a process that was killed
        except FileExistsError:
            reason = f"{where} is no folder"
        except OSError as error:
            reason = f"{where}: {error.strerror or error}"
        opened = Place(path, made_from, reason, kept)
        try:
            yield opened
        finally:
            opened.discard()


class Place:
    """Where the decoded images of a data set are kept, or are to be kept.

    Attributes:
        kept: what was found out about the images, and these; None if there is nothing yet.
        reason: why nothing can be kept; "" if it can.
    """

    def __init__(self, path: Path, made_from: Path, reason: str, kept: Kept | None) -> None:
        self._path, self._made_from = path, made_from
        self.reason, self.kept = reason, kept
        if kept is not None:
            with contextlib.suppress(OSError):  # it may be another person's, or removed meanwhile
                os.utime(path / SOURCE)  # when it was last used

    def allocate(self, shape: tuple[int, ...]) -> "WrittenPixels | None":
        """Makes a file for images; None if it cannot be had, and `reason` says why.

        Args:
            shape: images, height, width, channels.
        """
        self.discard()
        if self.reason:
            return None
        try:
            free, needed = shutil.disk_usage(self._path.parent).free, math.prod(shape)
            if needed + MARGIN > free:
                spare = f"{needed / 1e6:,.0f} MB are needed there, with {MARGIN / 1e6:,.0f} MB to spare"
                raise OSError(f"{spare}, and {free / 1e6:,.0f} MB are free")
            self._part.mkdir()
            return WrittenPixels(self._part / IMAGES, shape)
        except OSError as error:
            self.discard()
            self.reason = f"{self._path.parent}: {error.strerror or error}"
            return None

    def keep(self, images: StoredPixels, values: Mapping[str, Any], *, how: str = "", also: str = "") -> None:
        """Keeps the finished images with what was found out, for every later run; where not, `reason` says why.

        Args:
            images: those that were written.
            values: what was found out, for JSON.
            how: how they were decoded. What was kept of the same source and the same way is out of date, and removed.
            also: another key that is to lead to them; "" for none.
        """
        described = {"made_from": str(self._made_from), "how": how, "shape": images.shape_of_file, **values}
        try:
            with open(self._part / SOURCE, "x", encoding="utf-8") as file:
                json.dump(described, file)
                file.flush()
                os.fsync(file.fileno())
            if self._path.is_symlink():
                self._path.unlink()
            shutil.rmtree(self._path, ignore_errors=True)  # one that could not be read
            os.rename(self._part, self._path)
            if also and not os.path.lexists(self._path.with_name(also)):
                self._path.with_name(also).symlink_to(self._path.name)
        except OSError as error:  # the folder may have been removed meanwhile
            self.discard()
            self.reason = f"{self._path.parent}: {error.strerror or error}"
            return
        self.kept = described, images
        for entry in entries(self._path.parent):
            if entry.path != self._path and entry.shape:
                there = _values(entry.path)
                if (there.get("made_from"), there.get("how")) == (described["made_from"], how):
                    remove(entry)

    def discard(self) -> None:
        """Removes what was written and not kept."""
        if not self.reason and self.kept is None:
            shutil.rmtree(self._part, ignore_errors=True)

    @property
    def _part(self) -> Path:
        return self._path.with_name(self._path.name + PART)


class WrittenPixels:
    """Images that are written to a file, each to its place; threads may write at once.

    Args:
        path: a file of NumPy's format, which is made.
        shape: images, height, width, channels.

    Attributes:
        shape: likewise.

    Raises:
        OSError: if the disk has no room for it.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._size = math.prod(shape[1:])
        self._offset = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).offset
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        os.posix_fallocate(self._descriptor, 0, self._offset + math.prod(shape))

    def finished(self) -> StoredPixels:
        """The images that were written, to be read, also after a loss of power."""
        os.fsync(self._descriptor)
        return StoredPixels.of_file(os.dup(self._descriptor), self._offset, self.shape)

    def __setitem__(self, index: int | slice, images: UInt8Array) -> None:
        start = index if isinstance(index, int) else index.start
        rest, offset = np.ascontiguousarray(images).reshape(-1).data, self._offset + self._size * start
        while len(rest):
            count = os.pwrite(self._descriptor, rest, offset)
            rest, offset = rest[count:], offset + count


def _read(path: Path) -> Kept | None:
    """Reads what was kept in a folder; None if any of it is missing, broken or cut short."""
    with contextlib.suppress(Exception):  # json, NumPy and zipfile each raise their own for what is broken
        values: dict[str, Any] = json.loads((path / SOURCE).read_text(encoding="utf-8"))
        images = StoredPixels(path / IMAGES)
        if images.shape == tuple(values["shape"]):
            return values, images
    return None


def _values(path: Path) -> dict[str, Any]:
    """What was found out about the images that are kept in a folder; empty if they cannot be read."""
    kept = _read(path)
    return {} if kept is None else kept[0]


@contextlib.contextmanager
def _locked(file: Path, wait: bool = True) -> Iterator[bool]:
    """Holds the lock of a place while the block runs; without `wait` the block learns whether it is held."""
    descriptor = -1
    try:
        while descriptor < 0:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    yield False
                    return
                progress.announce(f"another process decodes these images; waiting for it ({file})")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not file.exists() or not os.path.samestat(os.fstat(descriptor), file.stat()):
                os.close(descriptor)  # it was removed meanwhile
                descriptor = -1
        yield True
    finally:
        if descriptor >= 0:
            os.close(descriptor)
