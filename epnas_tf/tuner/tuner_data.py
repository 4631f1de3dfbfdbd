"""The data of `EPNASTuner.search`, and the identity that a project stores to refuse other data."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import keras_tuner
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.children.child import TrainingBatches
from epnas_tf.config import ChildConfig
from epnas_tf.data.augmentation import UNCHANGED, Augmentation
from epnas_tf.data.batches import DatasetBatches, as_batches, checked_arrays, labels_of, num_batches
from epnas_tf.data.pipeline import ArrayData, Arrays, TrainingPipeline, evaluation_batches
from epnas_tf.errors import DataError, StateError
from epnas_tf.space.graph import NetworkShape
from epnas_tf.storage.locks import locked_for_a_moment
from epnas_tf.storage.state_files import read_document, translate_read_errors, write_document
from epnas_tf.tuner.workers import say

DATA_FILE = "data.json"
FORMAT = "epnas_tf.tuner_data"
CHUNK = 500
"""Images that are brought to float32 at a time for their checksum."""

OTHER_SCALE = 100
"""Times as much as the values of one part span than those of the other, from which on they are not of one scale."""

Identity = dict[str, Any]
"""The identity of images and labels, as JSON values."""


class FatalDataError(DataError, keras_tuner.errors.FatalRuntimeError):
    """A `DataError` that KerasTuner does not mistake for a bad architecture."""


class SearchData(NamedTuple):
    """The images and labels of a search.

    Attributes:
        training: the training batches.
        validation: the validation batches.
        labels: int [n], of the validation images.
        identity: the identity of both; another one means other data.
        doubts: likely mistakes, a sentence each.
    """

    training: TrainingBatches
    validation: tf.data.Dataset
    labels: npt.NDArray[np.int32]
    identity: dict[str, Identity]
    doubts: list[str]


def search_data(
    x: Any,
    y: Any,
    validation_data: Any,
    validation_split: float,
    shape: NetworkShape,
    child: ChildConfig,
    augmentation: Augmentation = UNCHANGED,
) -> SearchData:
    """Checks and prepares the data given to `EPNASTuner.search`; see there for the arguments.

    Raises:
        DataError: if something is missing, wrong or does not match.
    """
    x, y, validation_data = _split(x, y, validation_data, validation_split)
    arrays: Arrays | None = None  # of the training, as far as it is one
    scored: Arrays | None = None
    if isinstance(x, tf.data.Dataset):
        training: Any = DatasetBatches(x, shape, child.epochs, augmentation)
        known = {"training": _identity_of_dataset(x)}
    else:
        arrays = checked_arrays(x, y, shape)
        training = TrainingPipeline(ArrayData(arrays, augmentation), child.batch_size, child.epochs)
        known = {"training": _identity_of_arrays(arrays)}
    if isinstance(validation_data, tf.data.Dataset):
        known["validation"] = _identity_of_dataset(validation_data)
        validation = as_batches(validation_data, shape)
        labels = labels_of(validation)
        known["validation"]["labels"] = np.bincount(labels, minlength=shape.num_classes).tolist()
    else:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise DataError(
                "`validation_data` must be (x, y) or a tf.data.Dataset; sample weights are not understood. "
                f"Received: {type(validation_data).__name__}"
            )
        images, classes = validation_data
        scored = checked_arrays(images, classes, shape)
        known["validation"] = _identity_of_arrays(scored)
        validation, labels = evaluation_batches(scored), scored.labels.numpy()
    doubts: list[str] = []
    if arrays is not None:
        _refuse_untrained_classes(arrays.labels.numpy(), labels)
        if scored is not None:
            both = (arrays.images, scored.images)
            extents = [(float(tf.reduce_min(part)), float(tf.reduce_max(part))) for part in both]
            _refuse_other_scale(*extents)
            doubts = _doubts(extents[0], known)
    return SearchData(training, validation, labels, known, doubts)


def _refuse_untrained_classes(training: npt.NDArray[np.int32], validation: npt.NDArray[np.int32]) -> None:
    untrained = sorted({*validation.tolist()} - {*training.tolist()})
    if untrained:
        raise DataError(
            "Each class of the validation images needs training images, or it can only be answered wrongly. Received: "
            f"validation images of {untrained[:10]}, which no training image has. `validation_split` takes the last "
            "images as they are: shuffle them before."
        )


def _doubts(training: tuple[float, float], known: dict[str, Identity]) -> list[str]:
    """Returns likely mistakes in the data that would make the scores meaningless or too good."""
    doubts = []
    if known["training"] == known["validation"]:
        doubts.append("The validation images are the training images, so scores do not say what is right on others.")
    low, high = training
    if low == high:
        doubts.append(f"Every pixel of every training image is {low:g}: there is nothing to learn from these images.")
    return doubts


def _refuse_other_scale(training: tuple[float, float], validation: tuple[float, float]) -> None:
    """Refuses images of which only one part was divided by 255, since every score would be chance.

    Raises:
        DataError: if the values of one part span `OTHER_SCALE` times as much as those of the other.
    """
    spans = [high - low for low, high in (training, validation)]
    if min(spans) > 0 and max(spans) >= OTHER_SCALE * min(spans):
        raise DataError(
            "Training and validation images must be prepared alike. Received: values that span "
            f"{spans[0]:g} in the training images and {spans[1]:g} in the validation images. Scale both alike."
        )


def _split(x: Any, y: Any, validation_data: Any, validation_split: float) -> tuple[Any, Any, Any]:
    """Returns x, y and the validation data, which is the last part of x and y if none is given."""
    is_dataset = isinstance(x, tf.data.Dataset)
    if x is None or (y is None) != is_dataset:
        raise DataError(
            "`search` needs arrays x and y, or x alone as a tf.data.Dataset of both; "
            "`tf.data.Dataset.from_generator` makes one of a generator. "
            f"Received: x of type {type(x).__name__}, y of type {type(y).__name__}"
        )
    if validation_data is not None and validation_split:
        raise DataError(
            "Give `validation_data` or `validation_split`: only one of them can score the children. "
            f"Received: both, validation_split={validation_split}"
        )
    if validation_data is not None:
        return x, y, validation_data
    if not validation_split or is_dataset:
        raise DataError(
            "Children are scored on validation data: give `validation_data`, or with arrays `validation_split`. "
            f"Received: validation_data=None, validation_split={validation_split}"
        )
    kept = int(len(x) * (1 - validation_split)) if 0 < validation_split < 1 else 0
    if not 0 < kept < len(x):
        raise DataError(
            "`validation_split` must be between 0 and 1 and leave images on both sides. "
            f"Received: {validation_split} of {len(x)} images"
        )
    return x[:kept], y[:kept], (x[kept:], y[kept:])


def _identity_of_arrays(arrays: Arrays) -> Identity:
    """Identifies arrays bit by bit, in float32 as the networks see them, so that the same images as bytes are equal."""
    checksum = hashlib.blake2b(digest_size=16)
    for start in range(0, len(arrays.images), CHUNK):
        checksum.update(tf.cast(arrays.images[start : start + CHUNK], tf.float32).numpy().tobytes())
    checksum.update(arrays.labels.numpy().tobytes())
    return {"form": "arrays", "images": len(arrays.images), "digest": checksum.hexdigest()}


def _identity_of_dataset(dataset: tf.data.Dataset) -> Identity:
    """Identifies a data set, which may shuffle and augment, by the number, shapes and types of its batches."""
    elements = [f"{spec.dtype.name} {spec.shape}" for spec in tf.nest.flatten(dataset.element_spec)]
    return {"form": "a tf.data.Dataset", "batches": num_batches(dataset), "elements": elements}


def keep_identity(project: Path, identity: dict[str, Identity], compared: bool) -> None:
    """Stores the identity of the data in a project, or compares it with the stored one.

    Args:
        project: the project's directory.
        identity: the identity of the data.
        compared: whether there may be trials, which other data would invalidate.

    Raises:
        RunDirectoryError: if the file cannot be read or written.
        StateError: if the project's data are others; the message names the difference.
    """
    file = project / DATA_FILE
    with locked_for_a_moment(project):  # workers begin at once: the first one writes, the others compare
        if file.exists() and compared:
            _refuse_other_data(file, identity)
            return
        if any(part["form"] != "arrays" for part in identity.values()):
            say(
                "Of a tf.data.Dataset only the number of batches, their shapes and types and the number of validation "
                "images of each class are known: others that agree in these are not noticed when the search goes on."
            )
        write_document(file, FORMAT, identity)


def _refuse_other_data(file: Path, identity: dict[str, Identity]) -> None:
    with translate_read_errors(f"{file} is not one that EPNASTuner wrote"):
        there = read_document(file, FORMAT)
        differing = [text for part in identity for text in _differences(part, there[part], identity[part])]
    if differing:
        raise StateError(
            f"The images or labels are not those that {file.parent} was begun with, and scores of both would be mixed. "
            "Bring the same ones to go on with it, or give another `project_name`, or `overwrite=True` to start anew. "
            f"Received: {'; '.join(differing)}"
        )


def _differences(part: str, there: Identity, now: Identity) -> list[str]:
    if there["form"] != now["form"]:
        return [f"{part}: {there['form']} there, {now['form']} now"]
    differing = [name for name in now if there[name] != now[name]]
    coarse = [f"{part}: {name} {there[name]} there, {now[name]} now" for name in differing if name != "digest"]
    return coarse or [f"{part}: as many images, but other pixels or labels" for _ in differing]
