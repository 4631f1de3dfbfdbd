"""Whether a data set is one that a classifier can be judged on, and which of its classes is which of the model's."""

import dataclasses

import numpy as np
import numpy.typing as npt

from epnas_tf.data.values import ImageData
from epnas_tf.errors import DataError
from epnas_tf.evaluation.classifier import Classifier

SAME = "by name"
BY_NAME = "by name, in another order"
BY_NUMBER = "by number, as only one of the two names them"
SHOWN = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Matching:
    """Which class of a data set is which of a model.

    Attributes:
        class_names: the name of each class, in the model's order.
        to_model: int [classes], the model's class for each class of the data set.
        how: a few words, one of the constants of this module.
    """

    class_names: tuple[str, ...]
    to_model: npt.NDArray[np.int64]
    how: str


def match(classifier: Classifier, data: ImageData) -> Matching:
    """Matches the classes of a data set to those of a classifier.

    Names are compared where both have them. Numbers from 0 are no names: a model whose file has no class names, and a
    data set whose labels have none, are matched class number by class number.

    Args:
        classifier: the model.
        data: the data set.

    Raises:
        DataError: if the images are of another shape, or the classes are others.
    """
    if data.image_shape != classifier.image_shape:
        raise _other_images(classifier, data)
    theirs, count = data.class_names, classifier.num_classes
    numbers = tuple(map(str, range(count)))
    ours = classifier.class_names or numbers
    identity = np.arange(count)
    if len(theirs) == count:
        if ours == theirs:
            return Matching(ours, identity, SAME if classifier.class_names else BY_NUMBER)
        if numbers in (ours, theirs):
            return Matching(theirs if ours == numbers else ours, identity, BY_NUMBER)
        if set(ours) == set(theirs) and len(set(ours)) == count:
            return Matching(ours, np.array([ours.index(name) for name in theirs]), BY_NAME)
    raise DataError(
        f"{classifier.name} tells these {count} classes apart: {_listed(ours)}. Received: {data.name} with "
        f"{len(theirs)} classes: {_listed(theirs)}. Give a data set of the same classes."
    )


def _other_images(classifier: Classifier, data: ImageData) -> DataError:
    height, width, channels = classifier.image_shape
    expected, found = ("×".join(map(str, shape)) for shape in (classifier.image_shape, data.image_shape))
    advice = "Give images of that size."
    if channels != data.image_shape[2]:
        advice = f"The images must be {'grey, with one channel' if channels == 1 else f'of {channels} channels'}."
    elif height == width:
        advice = f"--image_size={height} (`image_size`) brings the images to that size."
    return DataError(f"{classifier.name} takes images of {expected}. Received: {data.name} with {found}. {advice}")


def _listed(names: tuple[str, ...]) -> str:
    rest = f", … ({len(names) - SHOWN} more)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
