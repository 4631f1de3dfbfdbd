"""Pixels of many images: an array in memory, or a file that is read as they are asked for."""

import math
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.errors import DataError

UInt8Array = npt.NDArray[np.uint8]

CHUNK = 16_000_000
"""Bytes of images that are looked at together, or somewhat more; bounds the memory."""

FEWEST = 256
"""Images that are looked at together at least; a chunk has a multiple of these, so that they can be batches."""

IN_MEMORY = 500_000_000
"""Bytes up to which images are held in memory; more stay in a file."""


class StoredPixels:
    """Images in a file of NumPy's format (`.npy`); along the first axis it is indexed like an array.

    What an index gives is an array in memory. Files are read, not mapped: mapped pages would count as memory of the
    process, and one that is cut short while it is mapped would kill it.

    Args:
        path: a file of uint8 [N, height, width, channels], in C order.

    Attributes:
        places: int64 [n], the images of the file that are meant, in this order; at first all.
        shape: n, height, width, channels.
        dtype: uint8.
        ndim: 4.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not of this form.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, path: Path) -> None:
        header = np.lib.format.open_memmap(path, mode="r")
        if header.dtype != self.dtype or header.ndim != self.ndim or not header.flags.c_contiguous:
            raise ValueError(f"{path} must hold uint8 images [n, height, width, channels]. Received: {header.shape}")
        self._set(_File(os.open(path, os.O_RDONLY | os.O_CLOEXEC), header.offset, header.shape), np.arange(len(header)))

    @classmethod
    def of_file(cls, descriptor: int, offset: int, shape: tuple[int, ...]) -> "StoredPixels":
        """The images of an open file, which is then theirs to close.

        Args:
            descriptor: of the file.
            offset: where the images begin, in bytes.
            shape: images, height, width, channels.
        """
        made = object.__new__(cls)
        made._set(_File(descriptor, offset, shape), np.arange(shape[0]))
        return made

    def _set(self, file: "_File", places: Int64Array) -> None:
        self._file, self.places = file, places
        self.shape: tuple[int, ...] = (len(places), *file.shape[1:])

    @property
    def shape_of_file(self) -> tuple[int, ...]:
        """The shape of all images in the file."""
        return self._file.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: SupportsIndex | slice | Int64Array) -> UInt8Array:
        places = np.asarray(self.places[index])
        images = np.empty((*places.shape, *self.shape[1:]), np.uint8)
        self._file.read(places.reshape(-1), images.reshape(-1, *self.shape[1:]))
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    def take(self, indices: Int64Array) -> "StoredPixels":
        """The images at `indices`, without reading them."""
        return self._with(self.places[indices])

    def followed_by(self, others: "StoredPixels") -> "StoredPixels":
        """These images and then others, which are in the same file, without reading them."""
        return self._with(np.concatenate([self.places, others.places]))

    def _with(self, places: Int64Array) -> "StoredPixels":
        made = object.__new__(StoredPixels)
        made._set(self._file, places)
        return made


class _File:
    """An open file of images; closed once nothing refers to it any more."""

    def __init__(self, descriptor: int, offset: int, shape: tuple[int, ...]) -> None:
        self._descriptor, self._offset = descriptor, offset
        self.shape = shape
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, places: Int64Array, images: UInt8Array) -> None:
        """Reads the images at some places of the file into an array; neighbours at once."""
        if not len(places):
            return
        size = images[:1].nbytes
        starts = np.flatnonzero(np.diff(places, prepend=places[:1] - 2) != 1)
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(places)], strict=True):
            self._read(images[start:end].reshape(-1).data, self._offset + size * int(places[start]))

    def _read(self, buffer: memoryview, offset: int) -> None:
        while len(buffer):
            count = os.preadv(self._descriptor, [buffer], offset)
            if not count:
                raise DataError(
                    "The file of decoded images must hold all of them. Received: one that was cut short while in use. "
                    "Begin again; epnas-cache shows where it is."
                )
            buffer, offset = buffer[count:], offset + count


Pixels: TypeAlias = UInt8Array | StoredPixels
"""uint8 [n, height, width, channels]."""


def taken(pixels: Pixels, indices: Int64Array) -> Pixels:
    """The images at `indices`, in that order; those in a file are not read."""
    return pixels.take(indices) if isinstance(pixels, StoredPixels) else pixels[indices]


def spanned(pixels: Pixels, start: int, stop: int) -> Pixels:
    """The images from one place to another; those in memory are not copied, those in a file not read."""
    return pixels.take(np.arange(start, stop)) if isinstance(pixels, StoredPixels) else pixels[start:stop]


def joined(first: Pixels, second: Pixels) -> Pixels:
    """The images of two parts of one data set; those in a file are not read."""
    if isinstance(first, StoredPixels) and isinstance(second, StoredPixels):
        return first.followed_by(second)
    return np.concatenate([first, second])


def chunks(pixels: Pixels) -> Iterator[UInt8Array]:
    """Yields the images in their order, some at a time."""
    size = FEWEST * max(1, CHUNK // (FEWEST * math.prod(pixels.shape[1:])))
    for start in range(0, len(pixels), size):
        yield pixels[start : start + size]
