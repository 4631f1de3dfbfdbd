"""What lies in the folders of a data set: image files, what is left out, and files that are there twice."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from epnas_tf.data.checks.copies import Place, copies_warning
from epnas_tf.data.sources import pictures
from epnas_tf.errors import DataError

Key = TypeVar("Key")

# What systems and programs leave in any folder of images; nobody misses it, so it is not counted.
_CLUTTER = frozenset({
    ".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found",
    "system volume information", "__pycache__",
})  # fmt: skip


@dataclasses.dataclass(frozen=True)
class File:
    """An image file.

    Attributes:
        path: where it is.
        label: the number of its class.
        part: "train", "validation" or "test".
    """

    path: Path
    label: int
    part: str


class LeftOut:
    """Counts what is not read, by reason, and remembers what lies deeper than expected."""

    def __init__(self) -> None:
        self.no_images: collections.Counter[str] = collections.Counter()  # by extension
        self.reasons: collections.Counter[str] = collections.Counter()
        self.deeper: list[Path] = []  # images in folders within the one that was listed

    @property
    def note(self) -> str:
        """What was left out, in a line; "" for nothing."""
        texts = [f"{reason}: {count:,}" for reason, count in sorted(self.reasons.items()) if count]
        if self.no_images:
            texts.insert(0, f"no images that can be read: {counted(self.no_images)}")
        return f"files left out: {'; '.join(texts)}" if texts else ""


def counted(extensions: collections.Counter[str]) -> str:
    """Says how many files there are, and of which extensions."""
    shown = [f"{extension} {count:,}" for extension, count in extensions.most_common(5)]
    rest = len(extensions) - len(shown)
    return f"{extensions.total():,} ({', '.join(shown)}{f' and {rest} other extensions' if rest else ''})"


def visible(folder: Path) -> list[Path]:
    """Lists what is in a folder, sorted by name, without hidden files and clutter.

    Raises:
        DataError: if the folder cannot be read.
    """
    return [path for path in _all(folder) if not _is_hidden(path)]


def _all(folder: Path) -> list[Path]:
    """Lists what is in a folder, sorted by name, without clutter."""
    try:
        return sorted(path for path in folder.iterdir() if not _is_clutter(path))
    except OSError as error:
        raise DataError(
            f"A folder of images must be readable. Received: {pictures.shown(folder)} ({error.strerror}). "
            "Change its permissions."
        ) from error


def folders(folder: Path) -> list[Path]:
    """Lists the folders in a folder, sorted by name, without hidden ones and clutter."""
    return [path for path in visible(folder) if path.is_dir()]


def image_files(folder: Path) -> list[Path]:
    """Lists the image files directly in a folder, told by their extensions."""
    return [path for path in visible(folder) if path.suffix.lower() in pictures.formats() and path.is_file()]


def images_within(folder: Path, left_out: LeftOut, above: tuple[tuple[int, int], ...] = ()) -> list[Path]:
    """Lists a class's images, those in folders within it as well, also behind links.

    Args:
        folder: of the class.
        left_out: counts what is not read.
        above: device and inode of each folder on the way here: a link back to one of them would never end.

    Raises:
        DataError: if a folder cannot be read.
    """
    status = folder.stat()
    above = (*above, (status.st_dev, status.st_ino))
    found: list[Path] = []
    for path in _all(folder):
        if _is_hidden(path):
            left_out.reasons["hidden"] += 1
        elif path.is_dir():
            status = path.stat()
            if (status.st_dev, status.st_ino) in above:
                left_out.reasons["links back to a folder that they are in"] += 1
            else:
                deeper = images_within(path, left_out, above)
                left_out.deeper += deeper if len(above) == 1 else []
                found += deeper
        elif not path.is_file():
            left_out.reasons["links that lead nowhere" if path.is_symlink() else "no regular files"] += 1
        elif pictures.is_image(path):
            found.append(path)
        else:
            left_out.no_images[path.suffix.lower() or "no extension"] += 1
    return found


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _is_clutter(path: Path) -> bool:
    return path.name.lower() in _CLUTTER or path.name.startswith("._")  # macOS leaves a "._photo.jpg" for a photo.jpg


def copies_note(files: Sequence[File], root: Path, pool: Executor) -> str:
    """Looks for files of the same content; only those of one size are read.

    Args:
        files: all image files, which were read before.
        root: folder to which the names in the note are relative.
        pool: reads the files.

    Returns:
        A warning, or "" where there are none.
    """
    by_size = _grouped(files, [file.path.stat().st_size for file in files])
    candidates = [file for group in by_size.values() if len(group) > 1 for file in group]
    groups = _grouped(candidates, pool.map(_checksum, candidates)).values()
    shown = [[Place(f.part, f.label, pictures.shown(os.path.relpath(f.path, root))) for f in group] for group in groups]
    return copies_warning(shown, ", byte for byte")


def _grouped(files: Iterable[File], keys: Iterable[Key]) -> dict[Key, list[File]]:
    groups: dict[Key, list[File]] = collections.defaultdict(list)
    for file, key in zip(files, keys, strict=True):
        groups[key].append(file)
    return groups


def _checksum(file: File) -> bytes:
    with open(file.path, "rb") as handle:
        return hashlib.file_digest(handle, "blake2b").digest()
