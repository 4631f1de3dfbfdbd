"""What names may be: of classes, which stand in JSON, HTML and exports, and of places, which TensorFlow opens too."""

import os
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from epnas_tf.errors import DataError, RunDirectoryError

LONGEST = 255
"""Characters of a class name; a folder's name cannot be longer either."""

UNPRINTABLE = ("Cc", "Zl", "Zp")
"""Unicode's categories of control characters and of separators of lines."""


def check_class_names(names: Sequence[str], where: str) -> None:
    """Refuses class names that a table, a JSON file or an exported model cannot hold, or that read alike.

    Args:
        names: the name of each class.
        where: the folder, file or data set that they are from; the error text begins with it.

    Raises:
        DataError: if a name is not UTF-8, blank, of more than `LONGEST` characters or has a control character, or if
            two are the same but for spaces and the way in which accents are encoded.
    """
    where = printable(where)
    alike: dict[str, str] = {}
    for name in names:
        if not _is_text(name):
            raise DataError(
                f"{where}: a class name must be UTF-8, and old zip files hold others. Received: {_written(name)}. "
                "Rename it; `convmv -r --notest -f cp437 -t utf8 FOLDER` renames everything in a folder."
            )
        if not name.strip() or len(name) > LONGEST or any(unicodedata.category(c) in UNPRINTABLE for c in name):
            raise DataError(
                f"{where}: a class name must be of 1 to {LONGEST} characters, not blank and without control characters "
                f"or line breaks. Received: {name[:LONGEST]!r}, of {len(name)} characters. Rename it."
            )
        reads_as = as_read(name)
        if reads_as in alike:
            both = f"{alike[reads_as]!a} and {name!a}, which read alike"
            raise DataError(f"{where}: every class needs a name of its own. Received: {both}. Rename or merge them.")
        alike[reads_as] = name


def as_read(name: str) -> str:
    """A name as a person reads it: accents may be encoded in two ways, and spaces at its ends do not show."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def check_path(path: str | os.PathLike[str], what: str) -> None:
    """Refuses a place that Python and TensorFlow would not find under the same name: TensorFlow writes names in UTF-8.

    Args:
        path: of a file or a folder that is to be written, or that TensorFlow is to read.
        what: what the path is of, such as "a run directory".

    Raises:
        RunDirectoryError: if its name is not UTF-8, or Python's own encoding of file names is another.
    """
    text = os.fspath(path)
    if _is_text(text) and (text.isascii() or sys.getfilesystemencoding() == "utf-8"):
        return
    encoding = sys.getfilesystemencoding()
    remedy = "Rename it." if encoding == "utf-8" else f"Set PYTHONUTF8=1: file names are taken for {encoding} here."
    raise RunDirectoryError(f"The path of {what} must be UTF-8. Received: {_written(text)}. {remedy}")


def printable(text: str) -> str:
    r"""A text as UTF-8 can hold it; bytes of a file's name that are not UTF-8 are written as `\xe9`."""
    return text if _is_text(text) else _as_bytes(text).decode("utf-8", "backslashreplace")


def folder_name(path: str) -> str:
    """The last part of a path, as a data set is called after it, with what is not UTF-8 as `printable` has it."""
    return printable(Path(path).name)


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'

    Args:
        names: the names.
        most: how many to show.
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def _is_text(text: str) -> bool:
    """Whether a text is more than what Python makes of bytes that it cannot decode."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _as_bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, which is of no file name
        return text.encode("utf-8", "backslashreplace")


def _written(text: str) -> str:
    """How a name is written: its bytes, where these are not UTF-8."""
    return ascii(text) if _is_text(text) else repr(_as_bytes(text))
