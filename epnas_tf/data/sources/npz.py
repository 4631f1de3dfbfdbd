"""An .npz file of arrays, as `numpy.savez` writes it: x_train and y_train, and if wanted those of other parts."""

import contextlib
import difflib
import hashlib
import itertools
import math
import os
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from epnas_tf.config import DataConfig
from epnas_tf.data import scale
from epnas_tf.data.checks.copies import Place, copies_warning
from epnas_tf.data.checks.labels import class_numbers
from epnas_tf.data.checks.names import printable
from epnas_tf.data.pixels import CHUNK, IN_MEMORY, chunks
from epnas_tf.data.sources import decoding
from epnas_tf.data.sources.base import Arrays, Source, check_memory, check_size, make_source, where
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

_NAMES = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels")),
    "validation": (
        ("x_val", "y_val"), ("x_valid", "y_valid"), ("x_validation", "y_validation"), ("val_images", "val_labels"),
    ),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}  # fmt: skip
"""The names of each part's images and labels; first our own, then those in use elsewhere (MedMNIST's last)."""

_CLASS_NAMES = "class_names"
_KNOWN = (*(name for pairs in _NAMES.values() for pair in pairs for name in pair), _CLASS_NAMES)
_EXPECTED = ", ".join(name for pairs in _NAMES.values() for name in pairs[0]) + f" and {_CLASS_NAMES}"
_ONE_COLOUR = 0
_NEAR = 0.8  # likeness from which on a name is taken for a slip of the pen, as difflib counts it


def check(config: DataConfig) -> None:
    """Refuses a file that is not there, is no .npz file or lacks an array; reads no array."""
    with _open(config.dataset) as arrays:
        _contents(arrays.files, config.dataset)


def read(config: DataConfig, trained: Preparation | None = None) -> Source:
    """Reads an .npz file.

    Images are [n, height, width] or [n, height, width, channels] with 1 or 3 channels, on one of the scales that
    `epnas_tf.data.scale` knows. Labels are class numbers from 0, [n] or [n, 1], which may have gaps, or one-hot rows.
    `class_names`, strings [classes], has the name of label i at i.

    Args:
        config: the file.
        trained: how a model's training images were prepared, for whole numbers of more than 8 bits; None to decide by
            the arrays.

    Raises:
        DataError: if the file is not there or broken, an array is missing, or one has another shape, type or range.
    """
    dataset = config.dataset
    with _open(dataset) as arrays:
        keys, unused = _contents(arrays.files, dataset)
        images = {x: _images(arrays, x, dataset) for x, _ in keys.values()}
        labels = {pair[1]: _array(arrays, pair[1], dataset) for pair in keys.values()}
        class_names = _class_names(_array(arrays, _CLASS_NAMES, dataset), dataset) if _CLASS_NAMES in arrays else None
    name = Path(dataset).name
    found, notes = scale.of_parts(images, name)
    types = np.result_type(*(blocks.dtype for blocks in images.values()))
    found = scale.as_trained(found, trained.known_range if trained else None, types)
    train = labels[keys["train"][1]]
    width = train.shape[1] if train.ndim == 2 and train.shape[1] > 1 else None  # one-hot rows are of one width in all
    numbers = {y: class_numbers(labels[y], width, f"`{y}`", images[x].shape[0]) for x, y in keys.values()}
    if width and class_names is None:
        class_names = [str(column) for column in range(width)]
    blocks = {part: images[x] for part, (x, _) in keys.items()}
    for part, of_part in blocks.items():
        check_size(name, part, of_part.shape[1:], blocks["train"].shape[1:])
    path = Path(os.path.abspath(os.path.expanduser(dataset)))
    counts = {part: of_part.shape[0] for part, of_part in blocks.items()}
    size = blocks["train"].shape[1:]
    how = f"{found.low} {found.high}"
    pixels, kept_note = decoding.gathered(
        path, decoding.state_of(path), how, counts, size, lambda part: map(found.apply, blocks[part])
    )
    parts: dict[str, Arrays] = {part: (pixels[part], numbers[y]) for part, (_, y) in keys.items()}
    notes += scale.constant_notes({keys[part][0]: pixels for part, (pixels, _) in parts.items()})
    # 16-bit files that such a network is to classify are likely on the same scale; of floats nothing can be known.
    white = found.high if found.high > 255 else Preparation.high
    renamed = [f"{x} and {y} are the {part} part" for part, (x, y) in keys.items() if x != _NAMES[part][0][0]]
    ignored = f"not used: {', '.join(unused)}; the arrays that are read are {_EXPECTED}" if unused else ""
    notes = [*renamed, ignored, found.note, *notes, _copies(parts, keys), kept_note]
    return make_source(name, parts, class_names, (Preparation.low, white), notes, deep=found.high > 255)


def _copies(parts: Mapping[str, Arrays], keys: Mapping[str, tuple[str, str]]) -> str:
    """Returns a warning of images that are there twice, to the bit; "" where there are none."""
    # A number for each image, as there may be millions; more is made of copies alone.
    checksums = {
        part: np.fromiter(map(_checksum, itertools.chain.from_iterable(chunks(images))), np.uint64, len(images))
        for part, (images, _) in parts.items()
    }
    values, counts = np.unique(np.concatenate(list(checksums.values())), return_counts=True)
    there_twice = values[(counts > 1) & (values != _ONE_COLOUR)]
    return copies_warning(
        (found[index].tobytes(), Place(part, int(parts[part][1][index]), f"image {index} of {keys[part][0]}"))
        for part, found in checksums.items()
        for index in np.flatnonzero(np.isin(found, there_twice)).tolist()
    )


def _checksum(image: npt.NDArray[np.uint8]) -> int:
    """The checksum of an image, 64 bits; images of one colour, which are told of elsewhere, all have one."""
    if image.min() == image.max():
        return _ONE_COLOUR
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=8).digest())


def _open(dataset: str) -> Any:
    path = Path(os.path.expanduser(dataset))
    remedy = "Write it with numpy.savez(path, x_train=…, y_train=…)."
    if not os.path.exists(path):
        what = f"no such file{where(dataset)}"
    elif os.path.isdir(path) or not zipfile.is_zipfile(path):
        what = f"which is {'a folder' if os.path.isdir(path) else 'no zip file, or a part of one'}{where(dataset)}"
    else:
        try:
            with zipfile.ZipFile(path) as packed:
                names = packed.namelist()
            if not names or any(name.endswith(".npy") for name in names):
                return np.load(path, allow_pickle=False)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise _broken(dataset, "its list of arrays", error) from error
        what, remedy = f"a zip file of others such as {printable(names[-1])}", "Unpack it and give the folder."
    raise DataError(
        "A data set that is one file (--dataset) must be an .npz file, as numpy.savez writes it. Received: "
        f"dataset={dataset!r}, {what}. {remedy}"
    )


def _contents(files: Collection[str], dataset: str) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Returns the names of images and labels of each part, "train" always, and those that nothing is made of."""
    parts: dict[str, tuple[str, str]] = {}
    faults: list[str] = []
    for part, pairs in _NAMES.items():
        begun = [pair for pair in pairs if set(pair) & set(files)] or ([pairs[0]] if part == "train" else [])
        for pair in begun:
            parts[part] = pair
            faults += [f"without {name}" for name in pair if name not in files]
        if len(begun) > 1:
            faults.append(f"with the {part} part twice")
    used = {name for pair in parts.values() for name in pair} | {_CLASS_NAMES}
    unused = [name for name in files if name not in used]
    absent = [name for name in _KNOWN if name not in files]
    for name in unused:
        near = difflib.get_close_matches(name.lower(), absent, n=1, cutoff=_NEAR)
        faults += [f"with {name} (did you mean {match}?)" for match in near if name not in _KNOWN]
    if faults:
        raise DataError(
            "An .npz file must hold x_train and y_train, and both or neither of x_val and y_val, and of x_test and "
            f"y_test. Received: {dataset} with {list(files)}: {', '.join(faults)}. Save the arrays under these names."
        )
    return parts, unused


def _array(arrays: Any, key: str, dataset: str) -> npt.NDArray[Any]:
    with _whole(dataset, key):
        return np.asarray(arrays[key])


@contextlib.contextmanager
def _whole(dataset: str, key: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a broken member: zlib, zipfile and NumPy each raise their own
        raise _broken(dataset, key, error) from error


def _broken(dataset: str, what: str, error: Exception) -> DataError:
    return DataError(
        f"An .npz file must be whole and hold plain arrays, no Python objects. Received: {dataset}, of which {what} "
        f"cannot be read ({error}). Write it anew with numpy.savez."
    )


def _images(arrays: Any, key: str, dataset: str) -> scale.Blocks:
    """The images of an array: in one block if they are few, otherwise read some at a time, as often as need be."""
    with _whole(dataset, key), arrays.zip.open(f"{key}.npy") as file:
        shape, in_columns, dtype = _header(file)
    blocks = scale.Blocks(shape, dtype, lambda: _rows(dataset, key))
    size = dtype.itemsize * math.prod(shape)
    if in_columns or dtype.hasobject or size <= IN_MEMORY:
        check_memory(dataset, size, "Save fewer images, or smaller ones.")
        blocks = scale.Blocks.of(_array(arrays, key, dataset))
    _check_images(shape, key)
    return blocks if len(shape) == 4 else blocks.with_axis()


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Reads the header of an array: its shape, whether its columns come first, its type."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _rows(dataset: str, key: str) -> Iterator[npt.NDArray[Any]]:
    """Yields the images of an array, some at a time."""
    with (
        _whole(dataset, key),
        zipfile.ZipFile(os.path.expanduser(dataset)) as packed,
        packed.open(f"{key}.npy") as file,
    ):
        shape, _, dtype = _header(file)
        size = dtype.itemsize * math.prod(shape[1:])
        left = shape[0]
        while left:
            count = min(left, max(1, CHUNK // size))
            content = file.read(count * size)
            yield np.frombuffer(content, dtype).reshape(count, *shape[1:])  # refuses one that is too short
            left -= count


def _check_images(shape: tuple[int, ...], key: str) -> None:
    if len(shape) not in (3, 4) or not math.prod(shape) or shape[3:] not in ((), (1,), (3,)):
        raise DataError(
            f"`{key}` must be images [n, height, width] or [n, height, width, channels] with 1 or 3 channels, channels "
            f"last, and n at least 1. Received: shape {list(shape)}. Transpose or convert them"
            f"{'' if key == 'x_train' else ', or leave the part out of the file'}."
        )


def _class_names(names: npt.NDArray[Any], dataset: str) -> list[str]:
    if names.dtype.kind != "U" or names.ndim != 1:
        raise DataError(
            f"`class_names` must be an array of strings [classes]. Received: {names.dtype} {list(names.shape)} in "
            f"{dataset}. Save it as np.array(['cat', 'dog'])."
        )
    return [str(name) for name in names]
