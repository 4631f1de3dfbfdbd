"""MNIST and the data sets that share its format: four IDX files, gzipped or not.

TensorFlow Datasets would download the files, and refuses those that another packed anew (Debian's `fashion-mnist` files
have the same content but other checksums). So they are read here, with NumPy alone.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from epnas_tf.config import DataConfig
from epnas_tf.data import scale
from epnas_tf.data.checks.labels import class_numbers
from epnas_tf.data.sources.base import Arrays, Source, make_source, where
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

# The names of the classes, for every data set that may be read from IDX files; the same that TensorFlow Datasets uses.
CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
}  # fmt: skip

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_UNSIGNED_BYTE = 0x08


def check(config: DataConfig) -> None:
    """Refuses a folder in which one of the four files is missing."""
    for name in _FILES:
        _find(config.manual_dir, name)


def read(config: DataConfig, trained: Preparation | None = None) -> Source:
    """Reads the four IDX files in `manual_dir`.

    Raises:
        DataError: if a file is missing, is not an IDX file of bytes, is cut short, or the counts differ.
    """
    del trained  # all are of one size and of 8 bits
    train, test = (_read_part(config.manual_dir, part) for part in ("train", "t10k"))
    notes = scale.constant_notes({"train": train[0], "t10k": test[0]})
    return make_source(config.dataset, {"train": train, "test": test}, CLASS_NAMES[config.dataset], notes=notes)


def _read_part(folder: str, part: str) -> Arrays:
    labels_path = _find(folder, f"{part}-labels-idx1-ubyte")
    images = read_idx(_find(folder, f"{part}-images-idx3-ubyte"), 3)
    labels = class_numbers(read_idx(labels_path, 1), None, f"The labels in {labels_path}", len(images))
    return images[..., np.newaxis], labels


def _find(folder: str, name: str) -> Path:
    root = Path(os.path.expanduser(folder))
    kaggle = name.replace("-idx", ".idx")
    for candidate in (root / name, root / f"{name}.gz", root / kaggle, root / f"{kaggle}.gz"):
        if candidate.is_file():
            return candidate
    found = "no such folder" if not root.is_dir() else f"no {name} and no {name}.gz there"
    raise DataError(
        f"`manual_dir` must be a folder with the four IDX files {', '.join(_FILES)}, each gzipped (.gz) or not. "
        f"Received: manual_dir={folder!r}, {found}{where(folder)}. Put the file there, or name the folder that has it."
    )


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Reads an IDX file of unsigned bytes.

    Args:
        path: the file; gzipped if its name ends in .gz.
        dimensions: how many dimensions the array must have.

    Returns:
        uint8, with as many dimensions as asked for; read-only.

    Raises:
        DataError: if the file is not such a file, or is shorter or longer than its header says.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"An IDX file must be readable and whole. Received: {path} ({error}). Copy or download it anew."
        ) from error
    magic, header = bytes((0, 0, _UNSIGNED_BYTE, dimensions)), 4 + 4 * dimensions
    shape = struct.unpack_from(f">{dimensions}I", content.ljust(header), 4)
    if content[:4] != magic or len(content) != header + math.prod(shape):
        raise DataError(
            f"An IDX file of bytes in {dimensions} dimensions must begin with {magic.hex()}, have a header of {header} "
            f"bytes and be as long as the sizes in it say. Received: {path} with {len(content)} bytes, which begins "
            f"with {content[:header].hex(' ', -4) or 'nothing'}. Check that the files were not mixed up, or copy them "
            "anew."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
