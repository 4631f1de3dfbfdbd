"""Classification of image files, prepared like those that the model was trained on, batch by batch."""

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
"""Types that count as one item although Python can iterate over them."""


@dataclasses.dataclass(frozen=True, eq=False)
class FilePrediction:
    """The prediction for one file.

    Attributes:
        file: its path, or "content 0", "content 1", … for contents.
        probabilities: float32 [classes]; None for a broken file.
        error: the reason why the file is broken, else "".
    """

    file: str
    probabilities: Float32Array | None
    error: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions for several files.

    Attributes:
        class_names: the name of each class, in the order of the probabilities; numbers if the model has no names.
        files: the paths of the images in the given order; "content 0", "content 1", … for contents.
        probabilities: float32 [files, classes].
        broken: the paths of broken files, each with the reason.
        notes: assumptions about the model and files left out of folders, one line each.

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
        path: the model, as in `load_classifier`.
        files: one or several paths of image files or of folders with images at any depth, or contents of image files
            as bytes, in any format that Pillow reads.

    Returns:
        The predictions. Broken files do not prevent those of the others.

    Raises:
        DataError: if a path does not exist, there is no image, something is neither a path nor bytes, or the scale of
            files of more than 8 bits is unknown and cannot be inferred from them.
        ModelError: if the model cannot be read or is not an image classifier.
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
    """Lists the images in the given order; those of a folder are sorted by name.

    Args:
        given: paths of files and folders, and contents.

    Returns:
        The files, and a note on those left out of folders, "" for none. A file given by itself is never left out.

    Raises:
        DataError: as in `predict`, and if a folder cannot be read.
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
    """A trained classifier together with the preparation of its image files.

    Args:
        path: the model, as in `load_classifier`.
        files: all files to classify. If the training had no files of more than 8 bits, these determine their scale.

    Attributes:
        preparation: the steps from a file to its pixels.
        class_names: the name of each class; numbers if the model has no names.
        notes: the assumptions made, one line each.

    Raises:
        DataError: if files of more than 8 bits determine the scale, but fit no known scale, or several.
        ModelError: if the model cannot be read or is not a classifier of grey or colour images.
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
        """Chooses the scale of the files of more than 8 bits and returns a note; "" if there are none."""
        with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
            extents = [extent for extent in pool.map(pictures.measure_deep, map(_opened, files)) if extent]
        if not extents:
            return ""
        found = scale.choose_of_files(extents, "the files to classify")
        self.preparation = dataclasses.replace(self.preparation, low=found.low, high=found.high)
        return scale.own_scale_note((found.low, found.high))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on the files so far, one line each: colour converted to grey, images that are nearly black."""
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
        """Classifies files batch by batch, with the pixels of one batch in memory.

        Args:
            files: paths and contents.
            batch_size: files per batch, at least 1.

        Yields:
            The prediction for each file, in order.
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
        """Decodes a file to pixels, or returns the reason why it cannot be decoded."""
        try:
            if self.preparation.channels == 1 and isinstance(file, Path) and not pictures.probe(file).grey:
                self._coloured.append(os.fspath(file))
            return pictures.decode(_opened(file), self.preparation)
        except pictures.UnreadableImageError as error:
            return error.reason


def _opened(file: Path | bytes) -> Path | BinaryIO:
    return io.BytesIO(file) if isinstance(file, bytes) else file
