"""What lies in the folders of a data set: image files, what is left out, and files that are there twice."""

import collections
import dataclasses
import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from epnas_tf.data.checks.copies import Place, copies_warning
from epnas_tf.data.checks.names import listed
from epnas_tf.data.sources import pictures
from epnas_tf.errors import DataError

# What systems and programs leave in any folder of images; nobody misses it, so it is not counted.
_CLUTTER = frozenset({
    ".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found",
    "system volume information", "__pycache__",
})  # fmt: skip


@dataclasses.dataclass(frozen=True)
class File(Place):
    """An image file; its name is its path within the data set's folder.

    Attributes:
        path: where it is.
    """

    path: Path


class LeftOut:
    """Counts what is not read, by reason."""

    def __init__(self) -> None:
        self.no_images: collections.Counter[str] = collections.Counter()  # by extension
        self.reasons: collections.Counter[str] = collections.Counter()

    @property
    def note(self) -> str:
        """What was left out, in a line; "" for nothing."""
        texts = [f"{reason}: {count:,}" for reason, count in sorted(self.reasons.items()) if count]
        if self.no_images:
            texts.insert(0, f"no images that can be read: {counted(self.no_images)}")
        return f"files left out: {'; '.join(texts)}" if texts else ""


def counted(extensions: collections.Counter[str]) -> str:
    """Says how many files there are, and of which extensions."""
    shown = [f"{extension} {count:,}" for extension, count in extensions.most_common()]
    return f"{extensions.total():,} ({listed(shown)})"


def _entries(folder: Path) -> list[Path]:
    """Lists what is in a folder, sorted by name, without clutter.

    Raises:
        DataError: if the folder cannot be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"A folder of images must be readable. Received: {pictures.shown(folder)} ({error.strerror}). "
            "Change its permissions."
        ) from error
    # macOS leaves a "._photo.jpg" for a photo.jpg.
    return [path for path in paths if path.name.lower() not in _CLUTTER and not path.name.startswith("._")]


def _visible(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if not path.name.startswith(".")]


def folders(folder: Path) -> list[Path]:
    """Lists the folders in a folder, sorted by name, without hidden ones and clutter."""
    return [path for path in _visible(folder) if path.is_dir()]


def image_files(folder: Path) -> list[Path]:
    """Lists the image files directly in a folder, told by their extensions."""
    return [path for path in _visible(folder) if path.suffix.lower() in pictures.formats() and path.is_file()]


def images_within(folder: Path, left_out: LeftOut, above: tuple[Path, ...] = ()) -> list[Path]:
    """Lists a class's images, those in folders within it as well, also behind links.

    Args:
        folder: of the class.
        left_out: counts what is not read.
        above: each folder on the way here, with links resolved: a link back to one of them would never end.

    Raises:
        DataError: if a folder cannot be read.
    """
    above = (*above, folder.resolve())
    found: list[Path] = []
    for path in _entries(folder):
        if path.name.startswith("."):
            left_out.reasons["hidden"] += 1
        elif path.is_dir():
            if path.resolve() in above:
                left_out.reasons["links back to a folder that they are in"] += 1
            else:
                found += images_within(path, left_out, above)
        elif not path.is_file():
            left_out.reasons["links that lead nowhere" if path.is_symlink() else "no regular files"] += 1
        elif pictures.is_image(path):
            found.append(path)
        else:
            left_out.no_images[path.suffix.lower() or "no extension"] += 1
    return found


def copies_note(files: Sequence[File], pool: Executor) -> str:
    """Looks for files of the same content; only those of one size are read.

    Args:
        files: all image files, which were read before.
        pool: reads the files.

    Returns:
        A warning, or "" where there are none.
    """
    sizes = [file.path.stat().st_size for file in files]
    counts = collections.Counter(sizes)
    candidates = [file for file, size in zip(files, sizes, strict=True) if counts[size] > 1]
    return copies_warning(zip(pool.map(_checksum, candidates), candidates, strict=True), ", byte for byte")


def _checksum(file: File) -> bytes:
    with open(file.path, "rb") as handle:
        return hashlib.file_digest(handle, "blake2b").digest()
