"""Drawing some images of every class: pure functions of the labels and a random generator."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import DataError


def quotas(
    sizes: npt.NDArray[np.int64], total: int, lower: npt.NDArray[np.int64], upper: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Shares `total` out over classes in proportion to their sizes, by largest remainder, within bounds.

    Args:
        sizes: int64 [classes], images of each class.
        total: images to share out. Brought into what the bounds allow: a bound outranks the total.
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
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Draws images at random, the same part of every class.

    Every class with more than `leave` images gives at least one and keeps at least `leave`. This outranks `total`,
    which is met exactly whenever both can be had.

    Args:
        labels: int32 [n], the class of each image.
        total: how many images to draw.
        generator: source of the random choice.
        leave: images of each class that must not be drawn.

    Returns:
        The indices that were left and those that were drawn, both int64, ascending, together 0 … n − 1.
    """
    sizes = np.bincount(labels).astype(np.int64)
    upper = np.maximum(sizes - leave, 0)
    return _draw(labels, quotas(sizes, total, np.minimum(upper, 1), upper), generator)


def limit(
    labels: npt.NDArray[np.int32], total: int, generator: np.random.Generator, class_names: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Draws `total` images, as near to the same part of every class as leaves two images to each.

    Args:
        labels: int32 [n], the class of each image; each class has two images or more.
        total: how many images to draw; all are, where there are fewer.
        generator: source of the random choice.
        class_names: the name of each class.

    Returns:
        int64 [total], or as many as there are, the indices drawn, ascending.

    Raises:
        DataError: if `total` is less than two a class.
    """
    if total < 2 * len(class_names):
        raise DataError(
            f"`train_images` must be at least two a class, {2 * len(class_names)} for {len(class_names)} classes, one "
            f"to train on and one to validate on. Received: train_images={total}. Use more images, or 0 for all."
        )
    sizes = np.bincount(labels).astype(np.int64)
    return _draw(labels, quotas(sizes, total, np.minimum(sizes, 2), sizes), generator)[1]


def check_class_sizes(labels: npt.NDArray[np.int32], class_names: Sequence[str]) -> None:
    """Refuses a class that cannot be in both the training and the validation part.

    Args:
        labels: int32 [n], the class of each training image.
        class_names: the name of each class.

    Raises:
        DataError: if a class has fewer than two training images.
    """
    sizes = np.bincount(labels, minlength=len(class_names))
    for name, size in zip(class_names, sizes, strict=True):
        if size < 2:
            raise DataError(
                "Every class needs two training images or more, one to train on and one to validate on. "
                f"Received: {size} of class {name!r}. Add images of this class, or leave the class out."
            )


def _draw(
    labels: npt.NDArray[np.int32], shares: npt.NDArray[np.int64], generator: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    drawn = np.zeros(len(labels), bool)
    for label, share in enumerate(shares):
        members = np.flatnonzero(labels == label)
        drawn[generator.permutation(members)[:share]] = True
    return np.flatnonzero(~drawn), np.flatnonzero(drawn)
