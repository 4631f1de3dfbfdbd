"""Stratified draws of images: pure functions of the labels and a random generator."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.errors import DataError, TooFewImagesError


def quotas(sizes: Int64Array, total: int, lower: Int64Array, upper: Int64Array) -> Int64Array:
    """Apportions `total` to classes in proportion to their sizes, by largest remainder, within bounds.

    Args:
        sizes: int64 [classes], images of each class.
        total: images to apportion, clipped to what the bounds allow: bounds take precedence.
        lower: int64 [classes], fewest images of each class.
        upper: int64 [classes], most images of each class, each at least its `lower`.

    Returns:
        int64 [classes], within the bounds, summing to the total.
    """
    total = int(np.clip(total, lower.sum(), upper.sum()))
    ideal = sizes * (total / max(1, int(sizes.sum())))
    shares = np.clip(np.floor(ideal).astype(np.int64), lower, upper)
    while shares.sum() != total:
        missing = ideal - shares
        if shares.sum() < total:
            shares[np.argmax(np.where(shares < upper, missing, -np.inf))] += 1
        else:
            shares[np.argmin(np.where(shares > lower, missing, np.inf))] -= 1
    return shares


def stratified_draw(
    labels: npt.NDArray[np.int32], total: int, generator: np.random.Generator, *, leave: int
) -> tuple[Int64Array, Int64Array]:
    """Draws images at random, the same fraction of every class.

    Every class with more than `leave` images gives at least one and keeps at least `leave`. This takes precedence over
    `total`, which is met exactly whenever possible.

    Args:
        labels: int32 [n], the class of each image.
        total: the number of images to draw.
        generator: source of the random choice.
        leave: the fewest images of each class to leave.

    Returns:
        The indices left and the indices drawn, both int64, ascending, together 0 … n − 1.
    """
    sizes = np.bincount(labels).astype(np.int64)
    upper = np.maximum(sizes - leave, 0)
    return _draw(labels, quotas(sizes, total, np.minimum(upper, 1), upper), generator)


def limit(
    labels: npt.NDArray[np.int32],
    total: int,
    generator: np.random.Generator,
    class_names: Sequence[str],
    least: int = 2,
) -> Int64Array:
    """Draws `total` images, of every class the same fraction, but at least `least` images.

    Args:
        labels: int32 [n], the class of each image; each class has `least` images or more.
        total: the number of images to draw; all images if there are fewer.
        generator: source of the random choice.
        class_names: the name of each class.
        least: the fewest images of a class: 2 if validation images are drawn from them, else 1.

    Returns:
        int64 [total], or as many as there are, the indices drawn, ascending.

    Raises:
        DataError: if `total` is less than `least` a class.
    """
    if total < least * len(class_names):
        raise DataError(
            f"`train_images` must be at least {_NEEDED[least][0]} a class, {least * len(class_names)} for "
            f"{len(class_names)} classes{_NEEDED[least][1]}. Received: train_images={total}. Use more images, or 0 for "
            "all."
        )
    sizes = np.bincount(labels).astype(np.int64)
    return _draw(labels, quotas(sizes, total, np.minimum(sizes, least), sizes), generator)[1]


_NEEDED = {1: ("one", ""), 2: ("two", ", one to train on and one to validate on")}
"""Words for the number of training images that a class needs."""


def check_class_sizes(labels: npt.NDArray[np.int32], class_names: Sequence[str], least: int = 2) -> None:
    """Rejects classes that cannot be in both the training and the validation part.

    Args:
        labels: int32 [n], the class of each training image.
        class_names: the name of each class.
        least: the fewest images of a class, see `limit`.

    Raises:
        TooFewImagesError: if a class has fewer.
    """
    sizes = np.bincount(labels, minlength=len(class_names))
    for name, size in zip(class_names, sizes, strict=True):
        if size < least:
            raise TooFewImagesError(
                f"Every class needs {_NEEDED[least][0]} training image{'s'[: least - 1]} or more{_NEEDED[least][1]}. "
                f"Received: {size} of class {name!r}. Add images of this class, or leave the class out."
            )


def _draw(
    labels: npt.NDArray[np.int32], shares: Int64Array, generator: np.random.Generator
) -> tuple[Int64Array, Int64Array]:
    drawn = np.zeros(len(labels), bool)
    for label, share in enumerate(shares):
        members = np.flatnonzero(labels == label)
        drawn[generator.permutation(members)[:share]] = True
    return np.flatnonzero(~drawn), np.flatnonzero(drawn)
