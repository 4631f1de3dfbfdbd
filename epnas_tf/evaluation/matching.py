"""Matching of a data set's images and classes to those of a classifier, so that it can be evaluated on them."""

import dataclasses

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.data.sources import Source, pictures
from epnas_tf.data.values import ImageData
from epnas_tf.errors import DataError
from epnas_tf.evaluation.classifier import Classifier
from epnas_tf.evaluation.location import EXPORT_FILE

SAME = "by name"
BY_NAME = "by name, in another order"
BY_NUMBER = "by number, as only one of the two names them"
SOME = "by name; the data set has some of them"
TO_COLOUR = "grey images, their channel repeated for a network of colour images"
TO_GREY = "colour images, made grey for a network of grey images"
SHOWN = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Matching:
    """The mapping from the classes of a data set to those of a model.

    Attributes:
        class_names: the name of each class, in the model's order.
        to_model: int [classes of the data set], the model's class for each.
        how: the way of matching, one of this module's constants.
        channels: the conversion of the images' channels, `TO_COLOUR` or `TO_GREY`; None if none is needed.
    """

    class_names: tuple[str, ...]
    to_model: Int64Array
    how: str
    channels: str | None = None

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes of the model that the data set does not have."""
        there = set(self.to_model.tolist())
        return tuple(name for number, name in enumerate(self.class_names) if number not in there)


def match(classifier: Classifier, data: ImageData | Source) -> Matching:
    """Matches the classes of a data set to those of a classifier.

    If both have class names, the names are compared; the data set may have a subset of the model's. Numbers from 0 are
    not names: if the model or the data set has no names, classes are matched by number.

    Args:
        classifier: the model, of grey or colour images.
        data: the data set.

    Raises:
        DataError: if the images have another size, or the data set has classes that the model does not know.
    """
    channels = _channels(classifier, data)
    theirs, count = data.class_names, classifier.num_classes
    numbers = tuple(map(str, range(count)))
    ours = classifier.class_names or numbers
    identity = np.arange(count)
    if ours == theirs:
        return Matching(ours, identity, SAME if classifier.class_names else BY_NUMBER, channels)
    if len(theirs) == count and numbers in (ours, theirs):
        return Matching(theirs if ours == numbers else ours, identity, BY_NUMBER, channels)
    unknown = tuple(name for name in theirs if name not in ours) if classifier.class_names else theirs
    if not unknown and len(set(ours)) == count and len(set(theirs)) == len(theirs):
        how = BY_NAME if len(theirs) == count else SOME
        return Matching(ours, np.array([ours.index(name) for name in theirs]), how, channels)
    advice = "Give a data set of the same classes."
    if not classifier.class_names:
        advice += f" The names of the model's are not known; an export has them in {EXPORT_FILE} beside the model."
    elif 0 < len(unknown) < len(theirs):
        advice = f"Leave out what the model does not know: {_listed(unknown)}."
    raise DataError(
        f"{classifier.name} tells these {count} classes apart: {_listed(ours)}. Received: {data.name} with "
        f"{len(theirs)} classes: {_listed(theirs)}. {advice}"
    )


def with_channels(images: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """Converts images to colour by repeating the channel, or to grey by the luma formula of image files.

    Args:
        images: uint8 [n, height, width, 1 or 3].
        channels: 1 or 3.

    Returns:
        uint8 [n, height, width, channels].
    """
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    weighted = (images.astype(np.uint32) * np.array(pictures.LUMA, np.uint32)).sum(axis=-1, keepdims=True)
    return ((weighted + 32768) >> 16).astype(np.uint8)


def _channels(classifier: Classifier, data: ImageData | Source) -> str | None:
    ours, theirs = classifier.image_shape, data.image_shape
    if ours == theirs:
        return None
    if ours[:2] != theirs[:2]:
        expected, found = ("×".join(map(str, shape)) for shape in (ours, theirs))
        raise DataError(
            f"{classifier.name} takes images of {expected}. Received: {data.name} with {found}. "
            f"--image_size={ours[0] if ours[0] == ours[1] else -1} (`image_size`) brings the images to that size."
        )
    return TO_COLOUR if ours[2] == 3 else TO_GREY


def _listed(names: tuple[str, ...]) -> str:
    rest = f", … ({len(names) - SHOWN} more)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
