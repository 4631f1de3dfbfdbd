"""Decodes the image files of a data set once: later runs read what was kept."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from epnas_tf.data import decoded, progress, scale
from epnas_tf.data.pixels import IN_MEMORY, Pixels, StoredPixels, UInt8Array, spanned, taken
from epnas_tf.data.sources import listing, pictures
from epnas_tf.data.sources.base import Size, check_memory
from epnas_tf.data.sources.listing import File
from epnas_tf.data.sources.reader import Destination, Reader

FEWEST_KEPT = 1000
"""Image files from which on they are kept decoded for later runs; fewer are decoded within a second or two."""

KEPT_FORMAT = 1
"""Changes with how images are decoded, and with what is kept."""


@dataclasses.dataclass(frozen=True)
class Decoded:
    """What became of image files.

    Attributes:
        files: those that could be read, in the order of the images.
        broken: the reason for each that could not.
        images: their pixels.
        value_range: see `Source`.
        deep: see `Source`.
        notes: what was decided about them.
    """

    files: list[File]
    broken: dict[File, str]
    images: Pixels
    value_range: tuple[float, float]
    deep: bool
    notes: list[str]

    @classmethod
    def kept(cls, place: decoded.Place, files: Sequence[File]) -> "Decoded | None":
        """Returns the result of an earlier run on the same files; None if there is none."""
        if place.kept is None:
            return None
        values, images = place.kept
        broken = {files[int(index)]: reason for index, reason in values["broken"].items()}
        read = [file for file in files if file not in broken]
        low, high = values["value_range"]
        images = images if values["places"] is None else images.take(np.array(values["places"], np.int64))
        return cls(read, broken, images, (low, high), values["deep"], values["notes"])

    def keep(self, place: decoded.Place, files: Sequence[File], how: str, also: str) -> None:
        """Keeps it for later runs, if the images are in a file and are not kept yet; see `Place.keep`."""
        if place.kept is None and isinstance(self.images, StoredPixels):
            number = {file: index for index, file in enumerate(files)}
            values = {
                "places": self.images.places.tolist() if self.broken else None,
                "broken": {number[file]: reason for file, reason in self.broken.items()},
                "value_range": self.value_range,
                "deep": self.deep,
                "notes": self.notes,
            }
            place.keep(self.images, values, how=how, also=also)


@contextlib.contextmanager
def decoded_once(
    files: Sequence[File], root: Path, name: str, asked: int | Size, known: tuple[float, float] | None
) -> Iterator[tuple[Decoded, decoded.Place]]:
    """Decodes files, or opens what an earlier run made of them; what the block does not refuse is kept for later runs.

    Args:
        files: in the order that the images are to have, part by part.
        root: the folder of the data set.
        name: of the data set, for errors.
        asked: the setting `image_size`, or a size.
        known: what is black and white in files of more than 8 bits; None to decide by the files.

    Raises:
        DataError: if the values of the files have no one scale, or there is no room for the images.
    """
    of_files = _key(files)

    def key(how: str) -> str:
        return hashlib.blake2b((of_files + how).encode(), digest_size=16).hexdigest()

    # A number asks for a square.
    how = json.dumps([(asked, asked) if isinstance(asked, int) and asked > 0 else asked, known])
    with decoded.place(key(how), Path(os.path.abspath(root))) as place:
        made = Decoded.kept(place, files) or _decode(place, files, name, asked, known)
        yield made, place
        made.keep(place, files, how, also=key(json.dumps([made.images.shape[1:3], known])))


def _decode(
    place: decoded.Place, files: Sequence[File], name: str, asked: int | Size, known: tuple[float, float] | None
) -> Decoded:
    """Decodes the files: to the place, if they are many, otherwise to memory."""
    # Decoding releases Python's lock, so threads use all cores.
    with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        reader = Reader(files, pool)
        value_range, depth_notes = reader.measure(name, known)
        written, kept, notes = reader.decode(asked, value_range, lambda shape: _allocate(place, len(files), shape))
        copies = listing.copies_note(reader.files, pool)
    images = written.finished() if isinstance(written, decoded.WrittenPixels) else written
    images = images if len(kept) == len(images) else taken(images, np.array(kept, np.int64))
    of_part = of_parts(reader.files, images)
    constant = scale.constant_notes(
        {part: pixels for part, (_, pixels) in of_part.items()}, lambda part, index: of_part[part][0][index].name
    )
    every = [note for note in (*depth_notes, *notes, *constant, copies) if note]
    return Decoded(reader.files, reader.broken, images, value_range, reader.deep, every)


def of_parts(files: Sequence[File], images: Pixels) -> dict[str, tuple[Sequence[File], Pixels]]:
    """The files and the images of each part that has any; they come part by part."""
    parts, start = {}, 0
    for part, group in itertools.groupby(files, lambda file: file.part):
        stop = start + len(list(group))
        parts[part] = files[start:stop], spanned(images, start, stop)
        start = stop
    return parts


def gathered(
    made_from: Path,
    state: str,
    how: str,
    counts: Mapping[str, int],
    shape: tuple[int, ...],
    batches: Callable[[str], Iterable[UInt8Array]],
) -> tuple[dict[str, Pixels], str]:
    """Gathers the images of parts that come batch by batch, in memory; in a file that is kept, if they are too many.

    Args:
        made_from: the file or folder that they come from.
        state: what changes with its content, see `state_of`.
        how: how the images are prepared; what was kept in the same way of another state is removed.
        counts: the number of images of each part.
        shape: height, width and channels of all.
        batches: yields the images of a part, uint8 [n, height, width, channels]; not called for what was kept.

    Returns:
        The images of each part, and a note on where they are kept, "" if they are few.

    Raises:
        DataError: if there is no room for them.
    """

    def each_written(images: Destination) -> Iterator[int]:
        start = 0
        for batch in itertools.chain.from_iterable(map(batches, counts)):
            images[start : start + len(batch)] = batch
            start += len(batch)
            yield from range(len(batch))

    def filled(place: decoded.Place | None) -> Destination:
        images = _allocate(place, 0, whole)
        for _ in progress.watched(each_written(images), whole[0], "reading images"):
            pass
        return images

    def by_part(images: Pixels) -> dict[str, Pixels]:
        stops = np.cumsum(list(counts.values())).tolist()
        return {part: spanned(images, stop - counts[part], stop) for part, stop in zip(counts, stops, strict=True)}

    whole = (sum(counts.values()), *shape)
    if math.prod(whole) <= IN_MEMORY:
        return by_part(np.asarray(filled(None))), ""
    key = hashlib.blake2b(f"{KEPT_FORMAT}\0{made_from}\0{state}\0{how}".encode(errors="replace"), digest_size=16)
    with decoded.place(key.hexdigest(), made_from) as place:
        if place.kept is not None:
            return by_part(place.kept[1]), kept_note(place, many=True)
        images = filled(place)
        if not isinstance(images, decoded.WrittenPixels):
            return by_part(images), kept_note(place, many=True)
        stored = images.finished()
        place.keep(stored, {}, how=how)
        return by_part(stored), kept_note(place, many=True)


def _allocate(place: decoded.Place | None, num_files: int, shape: tuple[int, ...]) -> Destination:
    """Makes the place that images are decoded to: a file where that pays or memory does not do, otherwise memory."""
    if place and (num_files >= FEWEST_KEPT or math.prod(shape) > IN_MEMORY):
        written = place.allocate(shape)
        if written is not None:
            return written
    remedy = "Use fewer images, or smaller ones by --image_size."
    if place and place.reason:
        remedy += f" Or make room for them in a file, which was not possible: {place.reason}."
    check_memory(f"{shape[0]:,} images of {shape[1]}×{shape[2]}", math.prod(shape), remedy)
    return np.empty(shape, np.uint8)


def kept_note(place: decoded.Place, many: bool) -> str:
    """Says where decoded images are kept, or why they are not though they are many; "" where they are few."""
    if place.kept is not None:
        size = f"{math.prod(place.kept[0]['shape']) / 1e6:,.1f} MB in {decoded.folder()}"
        return f"decoded images are kept for later runs, {size}; epnas-cache lists and removes them"
    return f"decoded images are not kept for later runs: {place.reason}" if many else ""


def _key(files: Sequence[File]) -> str:
    """The key of files, by part, class, name and state, and of what decodes them."""
    from PIL import __version__

    checksum = hashlib.blake2b(f"{KEPT_FORMAT} {__version__}\0".encode())
    for file in files:
        checksum.update(f"{file.part}\0{file.label}\0{file.name}\0{state_of(file.path)}\0".encode())
    return checksum.hexdigest()


def state_of(file: Path) -> str:
    """What changes with a file's content: its size and times, of which no program sets that of the last change."""
    status = file.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
