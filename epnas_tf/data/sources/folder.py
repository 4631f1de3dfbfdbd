"""A folder with one folder of image files a class, or two such folders, `train` and `test`."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from epnas_tf.config import DataConfig
from epnas_tf.data.sources import pictures
from epnas_tf.data.sources.base import Source, choose_side, make_source
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

_Files = list[tuple[Path, int]]  # each file with the number of its class


def check(config: DataConfig) -> None:
    """Refuses a folder that is not there or has no class folders with images; opens no image."""
    _scan(config.dataset)


def read(config: DataConfig) -> Source:
    """Reads all images of a folder. What lies in folders within a class's belongs to the class too.

    The images stay grey if every one is; otherwise all are red, green and blue. `choose_side`
    decides their size.

    Raises:
        DataError: if the folder is missing or empty, a class folder has no image, there is one class only, or an image
            file is broken.
    """
    class_names, train, test = _scan(config.dataset)
    paths = [path for path, _ in train + (test or [])]
    # Decoding releases Python's lock, so threads use all cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        headers = list(pool.map(pictures.probe, paths))
        channels = 1 if all(grey for _, _, grey in headers) else 3
        sizes = {(height, width) for height, width, _ in headers}
        side, note = choose_side(sizes, config.image_size)
        height, width = (side, side) if side else next(iter(sizes))
        images = np.empty((len(paths), height, width, channels), np.uint8)
        decoded = pool.map(pictures.decode, paths, [Preparation(height, width, channels)] * len(paths))
        for index, image in enumerate(decoded):
            images[index] = image
    count = len(train)
    return make_source(
        Path(config.dataset).name,
        (images[:count], _labels(train)),
        None if test is None else (images[count:], _labels(test)),
        class_names,
        notes=[note] if note else [],
    )


def _labels(files: _Files) -> npt.NDArray[np.int32]:
    return np.array([label for _, label in files], np.int32)


def _scan(dataset: str) -> tuple[list[str], _Files, _Files | None]:
    """Lists class names, training files and test files (None for none), all sorted by name."""
    root = Path(os.path.expanduser(dataset))
    if not os.path.isdir(root):  # False, too, for what no path can be
        raise DataError(
            "`dataset` must be digits, a name of TensorFlow Datasets, a folder or an .npz file. Received: "
            f"dataset={dataset!r}, which does not exist. Check the spelling and the folder that you are in."
        )
    train_root, test_root = root, None
    # A class may be called "train" itself; then its folder holds images and no folders.
    if (root / "train").is_dir() and _folders(root / "train"):
        train_root = root / "train"
        test_root = next((root / name for name in ("test", "validation", "val") if (root / name).is_dir()), None)
    class_names = [path.name for path in _folders(train_root)]
    if len(class_names) < 2:
        raise DataError(
            f"A folder of images must hold one folder for each class, two or more. Received: {train_root} with "
            f"{len(class_names)} folders {class_names}. Put each class's images into a folder of its own."
        )
    train = _files(train_root, class_names)
    if test_root is None:
        return class_names, train, None
    test_names = [path.name for path in _folders(test_root)]
    if not test_names or not set(test_names) <= set(class_names):
        raise DataError(
            f"The test folder must hold folders of the classes in {train_root}. Received: {test_root} with the folders "
            f"{test_names}, expected among {class_names}. Rename, fill or delete them."
        )
    return class_names, train, _files(test_root, class_names, test_names)


def _images(folder: Path) -> list[Path]:
    """Lists a class's images, those in folders within it as well; links to folders are not followed there."""
    found: list[Path] = []
    for path in _visible(folder):
        if path.is_dir():
            found += [] if path.is_symlink() else _images(path)
        elif path.suffix.lower() in EXTENSIONS and path.is_file():
            found.append(path)
    return found


def _folders(root: Path) -> list[Path]:
    return [path for path in _visible(root) if path.is_dir()]


def _visible(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"A folder of images must be readable. Received: {root} ({error.strerror}). Change its permissions."
        ) from error


def _files(root: Path, class_names: Sequence[str], present: Sequence[str] | None = None) -> _Files:
    files: _Files = []
    for name in class_names if present is None else present:
        found = _images(root / name)
        if not found:
            raise DataError(
                f"Every class folder must hold images ({', '.join(EXTENSIONS)}). Received: {root / name} with none. "
                "Add images, or delete the folder."
            )
        files += [(path, class_names.index(name)) for path in found]
    return files
