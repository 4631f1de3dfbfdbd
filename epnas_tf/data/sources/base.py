"""What every source of images returns, and the checks that all of them share."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from epnas_tf.data.names import check_class_names, printable
from epnas_tf.data.sources import pictures
from epnas_tf.data.values import Images
from epnas_tf.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """The images of a data set as they come, not yet split.

    Attributes:
        name: the data set's name, or the last part of its path.
        train: all images to train and validate on.
        test: the test images, or None where the data set brings none of its own.
        class_names: the name of each class, in the order of the labels. Every class has a training image.
    """

    name: str
    train: Images
    test: Images | None
    class_names: tuple[str, ...]

    def resized(self, side: int) -> "Source":
        """Returns the same images, each `side` × `side` pixels."""
        return dataclasses.replace(
            self, train=_resized(self.train, side), test=None if self.test is None else _resized(self.test, side)
        )


def make_source(
    name: str,
    train: tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]],
    test: tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]] | None,
    class_names: Sequence[str] | None,
) -> Source:
    """Makes a source from arrays. The labels in use are renumbered 0 … classes − 1, in their order.

    Args:
        name: the data set's name; every error text begins with it.
        train: images, uint8 [n, height, width, channels], and labels, any integer type [n], at least 0.
        test: the same for the test part, or None.
        class_names: the name of each label, unused ones included; None to name each class by its label.

    Returns:
        The source; classes without any image are left out.

    Raises:
        DataError: if there is only one class, a test image has a class or a size that no training image has, or a
            label has no name, or one that `check_class_names` refuses.
    """
    name = printable(name)
    present = np.unique(train[1])
    if len(present) < 2:
        raise DataError(
            f"{name}: a data set needs images of two classes or more to tell apart. Received: "
            f"{len(present)} class among {len(train[1])} training images. Add images of another class."
        )
    if class_names is not None and present[-1] >= len(class_names):
        raise DataError(
            f"{name}: every label needs a name, so at least {present[-1] + 1} class names are needed. "
            f"Received: {len(class_names)} class names, and the label {present[-1]}. Name every class, or none."
        )
    if test is not None:
        unknown = np.setdiff1d(test[1], present)
        if unknown.size:
            raise DataError(
                f"{name}: every class of the test part must be in the training part. Received: test labels "
                f"{unknown[:5].tolist()}, which no training image has. Add training images of them, or leave them out."
            )
        if test[0].shape[1:] != train[0].shape[1:]:
            raise DataError(
                f"{name}: training and test images must have one size. Received: {list(train[0].shape[1:])} and "
                f"{list(test[0].shape[1:])} (height, width, channels). Bring them to the same size."
            )
    names = [str(label if class_names is None else class_names[label]) for label in present]
    check_class_names(names, name)
    return Source(name, _renumbered(train, present), None if test is None else _renumbered(test, present), tuple(names))


def _renumbered(
    part: tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]], present: npt.NDArray[np.integer]
) -> Images:
    return Images(part[0], np.searchsorted(present, part[1]).astype(np.int32))


def _resized(part: Images, side: int) -> Images:
    return part if part.shape[:2] == (side, side) else Images(pictures.resize(part.images, side), part.labels)
