"""Classifies image files: they are prepared as those that the model was trained on, a batch at a time."""

import dataclasses
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Float32Array
from epnas_tf.data import scale
from epnas_tf.data.sources import pictures
from epnas_tf.data.sources.listing import LeftOut, images_within
from epnas_tf.errors import DataError
from epnas_tf.evaluation.location import EXPORT_FILE, locate
from epnas_tf.evaluation.models import load_classifier
from epnas_tf.evaluation.precision import full_precision
from epnas_tf.evaluation.preparation import find_preparation

BATCH_SIZE = 64
"""Images that are decoded and classified at a time."""

DARK = 32
"""Grey level of 0 … 255 below which an image has all its pixels if it is nearly black: likely a scale mistaken."""

AnyPath = str | os.PathLike[str]

UNNAMED = (
    f"does not know the names of its classes, so they are numbers from 0; an export has them in {EXPORT_FILE} beside it"
)

_ONE: tuple[type[Any], ...] = (str, bytes, bytearray, memoryview, os.PathLike, io.IOBase)
"""What is one thing, though Python iterates over it."""


@dataclasses.dataclass(frozen=True, eq=False)
class FilePrediction:
    """The answer for one file.

    Attributes:
        file: its path, or "content 0", "content 1", … for contents.
        probabilities: float32 [classes], None for a file that is no whole image.
        error: why it is none, else "".
    """

    file: str
    probabilities: Float32Array | None
    error: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """The answers for several files.

    Attributes:
        class_names: the name of each class, in the order of the probabilities; numbers where the model knows none.
        files: the paths of the images, in the order they were given in; of contents "content 0", "content 1", ….
        probabilities: float32 [files, classes].
        broken: the paths of files that are no whole images, each with the reason.
        notes: what was assumed about the model, and what was left out of folders, a line each.

    Example:
        >>> import epnas_tf
        >>> answers = epnas_tf.predict("runs/demo", b"no image")
        >>> len(answers.files), list(answers.broken)
        (0, ['content 0'])
    """

    class_names: tuple[str, ...]
    files: tuple[str, ...]
    probabilities: Float32Array
    broken: dict[str, str]
    notes: tuple[str, ...]

    @property
    def class_name(self) -> list[str]:
        """The most probable class of each file."""
        return [self.class_names[number] for number in self.probabilities.argmax(axis=1)]


def predict(path: AnyPath, files: AnyPath | bytes | Iterable[AnyPath | bytes]) -> Predictions:
    """Classifies image files.

    Args:
        path: the model, as `load_classifier` takes it.
        files: paths of image files, of folders with images at any depth, or the contents of image files as bytes; one
            or several. Any format that Pillow reads.

    Returns:
        The answers; broken files do not keep the others from being answered.

    Raises:
        DataError: if a path does not exist, there is no image, something is neither a path nor bytes, or the scale of
            files of more than 8 bits is not known and cannot be told from them.
        ModelError: if the model cannot be read or is no classifier of images.
        RunDirectoryError: if a run directory has no final training, or one that cannot be read.

    Example:
        >>> import io
        >>> import PIL.Image
        >>> import epnas_tf
        >>> photo = io.BytesIO()
        >>> PIL.Image.new("L", (30, 40)).save(photo, "png")
        >>> answers = epnas_tf.predict("runs/demo", photo.getvalue())  # or paths of files and folders
        >>> answers.probabilities.shape
        (1, 10)
    """
    given: list[Any] = list(files) if isinstance(files, Iterable) and not isinstance(files, _ONE) else [files]
    found, note = find_images(given)
    predictor = Predictor(path, found)
    answers = list(predictor.run(found))
    whole = [(answer.file, answer.probabilities) for answer in answers if answer.probabilities is not None]
    return Predictions(
        predictor.class_names,
        tuple(file for file, _ in whole),
        np.array([row for _, row in whole], np.float32).reshape(len(whole), len(predictor.class_names)),
        {answer.file: answer.error for answer in answers if answer.error},
        tuple(text for text in (*predictor.notes, note, *predictor.remarks) if text),
    )


def _check_type(entry: object) -> None:
    if not isinstance(entry, str | os.PathLike):
        raise DataError(
            "Image files are given as paths, or as their contents in bytes. "
            f"Received: {type(entry).__module__}.{type(entry).__qualname__}. Give the path, or `bytes`; pixels of the "
            "model's size are classified by `load_classifier(path).predict(images)`."
        )


def find_images(given: Sequence[AnyPath | bytes]) -> tuple[list[Path | bytes], str]:
    """Lists the images in what a person gave, in that order; a folder's are sorted by name.

    Args:
        given: paths of files and folders, and contents.

    Returns:
        The files, and what was left out of the folders, "" for nothing. A file that is named itself is never left out.

    Raises:
        DataError: as `predict`, and if a folder cannot be read.
    """
    found: list[Path | bytes] = []
    left_out = LeftOut()
    with pictures.quiet():
        for entry in given:
            if isinstance(entry, bytes):
                found.append(entry)
                continue
            _check_type(entry)
            place = Path(os.path.expanduser(entry))
            if not os.path.exists(place):
                raise DataError(
                    f"Image files or folders are classified. Received: {pictures.shown(place)}, which does not exist. "
                    "Check the spelling and the folder that you are in."
                )
            found += images_within(place, left_out) if place.is_dir() else [place]
    if not found:
        where = ", ".join(pictures.shown(entry) for entry in given) or "nothing"
        raise DataError(
            f"There must be an image to classify. Received: {where}, without any "
            f"({left_out.note or 'no files'}). Name image files, or folders of them."
        )
    return found, left_out.note


class Predictor:
    """A trained classifier with what its image files need.

    Args:
        path: the model, as `load_classifier` takes it.
        files: all that are to be classified: they decide the scale of those of more than 8 bits where the training had
            none such.

    Attributes:
        preparation: how files become its pixels.
        class_names: the name of each class; numbers where the model knows none.
        notes: what had to be assumed, a line each.

    Raises:
        DataError: if files of more than 8 bits decide the scale, and are on none that is known, or on several.
        ModelError: if the model cannot be read or is no classifier of grey or colour images.
        RunDirectoryError: if a run directory has no final training, or one that cannot be read.
    """

    def __init__(self, path: AnyPath, files: Sequence[Path | bytes] = ()) -> None:
        location = locate(path)
        self._classifier = load_classifier(path)
        name, shape = self._classifier.name, self._classifier.image_shape
        self.preparation, assumed = find_preparation(location, shape, name)
        names, numbers = self._classifier.class_names, range(self._classifier.num_classes)
        self.class_names = names or tuple(map(str, numbers))
        unnamed = "" if names else f"{name} {UNNAMED}"
        own_scale = "" if self.preparation.deep else self._decide_scale(files)
        self.notes = tuple(text for text in (assumed, unnamed, own_scale) if text)
        self._dark: list[str] = []
        self._coloured: list[str] = []

    def _decide_scale(self, files: Sequence[Path | bytes]) -> str:
        """Takes the scale of the files of more than 8 bits among these, and returns a note; "" where there are none."""
        with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            extents = [extent for extent in pool.map(pictures.measure_deep, map(_opened, files)) if extent]
        if not extents:
            return ""
        found = scale.choose_of_files(extents, "the files to classify")
        self.preparation = dataclasses.replace(self.preparation, low=found.low, high=found.high)
        return scale.own_scale_note((found.low, found.high))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was noticed of the files so far, a line each: colour made grey, images that are nearly black."""
        remarks = []
        if self._coloured:
            remarks.append(f"files in colour ({len(self._coloured):,}) are made grey, as the network takes grey images")
        if self._dark:  # such as those of 12 bits in files of 16
            low, high, example = self.preparation.low, self.preparation.high, pictures.shown(self._dark[0])
            remarks.append(
                f"warning: images that are nearly black ({len(self._dark):,}), such as {example}; "
                f"files of more than 8 bits are scaled from {low:g} … {high:g}"
                + (", as in the training" if self.preparation.deep else "")
            )
        return tuple(remarks)

    def run(self, files: Sequence[Path | bytes], batch_size: int = BATCH_SIZE) -> Iterator[FilePrediction]:
        """Classifies files one batch after the other; no more than a batch's pixels are in memory.

        Args:
            files: paths, and contents.
            batch_size: files at a time, at least 1.

        Yields:
            The answer for each file, in their order.
        """
        # Decoding releases Python's lock, so threads use all cores.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(files), batch_size):
                yield from self._answer(files[start : start + batch_size], start, pool)

    def _answer(self, files: Sequence[Path | bytes], start: int, pool: Executor) -> Iterator[FilePrediction]:
        with pictures.quiet():
            decoded = list(pool.map(self._decode, files))
        images = [pixels for pixels in decoded if not isinstance(pixels, str)]
        with full_precision():
            rows = iter(self._classifier.predict(np.stack(images)) if images else ())
        for position, (file, pixels) in enumerate(zip(files, decoded, strict=True), start):
            name = f"content {position}" if isinstance(file, bytes) else os.fspath(file)
            if isinstance(pixels, str):
                yield FilePrediction(name, None, pixels)
            else:
                if pixels.max() < DARK:
                    self._dark.append(name)
                yield FilePrediction(name, next(rows))

    def _decode(self, file: Path | bytes) -> npt.NDArray[np.uint8] | str:
        """Returns the pixels of a file, or why there are none."""
        try:
            if self.preparation.channels == 1 and isinstance(file, Path) and not pictures.probe(file).grey:
                self._coloured.append(os.fspath(file))
            return pictures.decode(_opened(file), self.preparation)
        except pictures.UnreadableImageError as error:
            return error.reason


def _opened(file: Path | bytes) -> Path | BinaryIO:
    return io.BytesIO(file) if isinstance(file, bytes) else file
