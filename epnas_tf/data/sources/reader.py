"""Reads many image files at once: their headers, their values, their pixels; and gathers those that are broken."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import TypeAlias, TypeVar

import numpy as np

from epnas_tf.data import progress, scale
from epnas_tf.data.decoded import WrittenPixels
from epnas_tf.data.pixels import UInt8Array
from epnas_tf.data.sources import pictures
from epnas_tf.data.sources.base import Size, choose_size
from epnas_tf.data.sources.listing import File
from epnas_tf.data.sources.pictures import Header, UnreadableImageError
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

_LARGE = 6_000_000
"""Pixels from which on only two pictures are decoded at a time: one of 24 megapixels takes some 150 MB meanwhile."""

_UPPER_HALF = 128
"""16-bit pictures whose upper 8 bits stay below this do not use all of their 16 bits."""

Result = TypeVar("Result")

Destination: TypeAlias = UInt8Array | WrittenPixels
"""Where decoded images go, each to its place: memory or a file."""

Allocate: TypeAlias = Callable[[tuple[int, ...]], Destination]


class Reader:
    """Reads image files, those of a data set all alike.

    Attributes:
        files: the files that could be read so far.
        broken: the reason for each file that could not be read, in the order that they were given in.
    """

    def __init__(self, files: Iterable[File], pool: Executor) -> None:
        """Reads the headers.

        Args:
            files: in the order that the images are to have.
            pool: the threads to work in.
        """
        self._pool = pool
        self._few_large = threading.BoundedSemaphore(2)
        self._given = tuple(files)
        self.files = list(self._given)
        self.broken: dict[File, str] = {}
        self._header = self._each(lambda file: pictures.probe(file.path), "looking at")

    @property
    def _headers(self) -> list[Header]:
        return [self._header[file] for file in self.files]

    @property
    def deep(self) -> bool:
        """Whether there are files of more than 8 bits, whose scale counts."""
        return any(header.depth in ("16 bits", "float") for header in self._headers)

    def _each(self, function: Callable[[File], Result], doing: str) -> dict[File, Result]:
        """Calls a function with every file, in threads; drops the files that are broken."""

        def attempt(file: File) -> Result | UnreadableImageError:
            try:
                return function(file)
            except UnreadableImageError as error:
                return error

        attempts = progress.watched(self._pool.map(attempt, self.files), len(self.files), f"{doing} image files")
        results: dict[File, Result] = {}
        for file, result in zip(self.files, attempts, strict=True):
            if isinstance(result, UnreadableImageError):
                self.broken[file] = result.reason
            else:
                results[file] = result
        self.files = list(results)
        self.broken = {file: self.broken[file] for file in self._given if file in self.broken}
        return results

    def measure(self, name: str, given: tuple[float, float] | None = None) -> tuple[tuple[float, float], list[str]]:
        """Decides which values become black and white in files of more than 8 bits.

        Args:
            name: of the data set, for errors.
            given: the two values that a model was trained with; None to decide by the files.

        Returns:
            The two values, and notes, none where all files have 8 bits.

        Raises:
            DataError: if the values fit no known scale, or not one scale.
        """
        measured = zip(self._each(self._measure, "measuring").values(), self._headers, strict=True)
        extents = [(extent, header.depth == pictures.UPPER_BITS) for extent, header in measured if extent is not None]
        upper, deep = ([extent for extent, is_upper in extents if is_upper == kind] for kind in (True, False))
        notes = [_upper_bits(max(extent.high for extent in upper), len(upper), name)] if upper else []
        if not deep:
            return given or (Preparation.low, Preparation.high), notes
        found = scale.choose_of_files(deep, name)
        if given and (found.low, found.high) != given:
            return given, [*notes, scale.as_trained_warning((found.low, found.high), given)]
        note = found.note
        if others := len(self.files) - len(deep):
            note += f", in files of more than 8 bits ({len(deep):,}); those of 8 bits ({others:,}) keep their values"
        return (found.low, found.high), [*notes, note]

    def _measure(self, file: File) -> scale.Extent | None:
        header = self._header[file]
        if header.depth == "8 bits":
            return None
        with self._turn(header.height * header.width):
            return pictures.measure(file.path)

    def _turn(self, pixels: int) -> contextlib.AbstractContextManager[object]:
        """Waits until a picture may be decoded, so that the memory does not fill with large ones."""
        return self._few_large if pixels > _LARGE else contextlib.nullcontext()

    def decode(
        self, asked: int | Size, value_range: tuple[float, float], allocate: Allocate
    ) -> tuple[Destination, list[int], list[str]]:
        """Decodes all pictures.

        Args:
            asked: the setting `image_size`, or a size.
            value_range: values that become black and white in files of more than 8 bits.
            allocate: makes a place for uint8 images of a shape [n, height, width, channels].

        Returns:
            The place, which images of it are those of `files`, and notes on what was decided, some blank.
        """
        while self.files:
            preparation, note = self._prepare(asked, value_range)
            images = allocate((len(self.files), preparation.height, preparation.width, preparation.channels))
            place = {file: index for index, file in enumerate(self.files)}
            kept = list(self._each(functools.partial(self._decode, images, preparation, place), "reading").values())
            if self.files and self._prepare(asked, value_range)[0] == preparation:
                return images, kept, [note, *self._kinds()]
            # A broken file had a say in the size or the channels, so all are decoded anew.
        return np.empty((0, 1, 1, 1), np.uint8), [], []

    def _decode(self, images: Destination, preparation: Preparation, place: Mapping[File, int], file: File) -> int:
        with self._turn(self._header[file].decoded_pixels(preparation)):
            images[place[file]] = pictures.decode(file.path, preparation)
        return place[file]

    def _kinds(self) -> list[str]:
        """Says what is done to pictures of particular kinds."""
        animated = sum(header.animated for header in self._headers)
        transparent = sum(header.transparent for header in self._headers)
        grey = sum(header.grey for header in self._headers)
        return [
            f"files of several pictures ({animated:,}): the first one is read" if animated else "",
            f"files with transparency ({transparent:,}): laid on white" if transparent else "",
            f"grey images ({grey:,}) among coloured ones: all are read in colour" if 0 < grey < len(self.files) else "",
        ]

    def _prepare(self, asked: int | Size, value_range: tuple[float, float]) -> tuple[Preparation, str]:
        channels = 1 if all(header.grey for header in self._headers) else 3
        sizes = {(header.height, header.width) for header in self._headers}
        size, note = choose_size(sizes, asked)
        return Preparation(*size, channels, *value_range), note


def _upper_bits(highest: float, count: int, name: str) -> str:
    """Says that the upper 8 of 16 bits are read, or refuses where these are not the ones in use."""
    if highest < _UPPER_HALF:
        raise DataError(
            f"{name}: of colour images of 16 bits a channel the upper 8 bits are read, so the values must use all 16 "
            f"bits. Received: such files ({count:,}), whose upper 8 bits go up to {highest:g} of 255 only. Multiply "
            "the values so that white is 65535, or save 8 bits a channel."
        )
    return f"files of 16 bits a channel in colour or with transparency ({count:,}): the upper 8 bits are read"
