"""The one check of labels: every form that they may have becomes class numbers, and nothing is rounded or guessed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.errors import DataError

FORMS = "class numbers [n] or [n, 1], or one-hot rows [n, classes]"
"""What labels may be."""

END = 2**31
"""What every class number is below: they are kept in 32 bits."""


def class_numbers(labels: Any, num_classes: int | None, name: str = "Labels", count: int | None = None) -> Int64Array:
    """Returns the class number of each image.

    >>> class_numbers([[0, 1, 0], [0, 0, 1]], num_classes=3)
    array([1, 2])

    Args:
        labels: whole numbers [n] or [n, 1] of any numeric type, or one-hot rows [n, classes] of exactly 0 and 1.
        num_classes: the number of classes; None where it is not known yet. Then class numbers may have gaps, and
            one-hot rows any width.
        name: what the labels are called in a refusal, at the beginning of the sentence.
        count: the number of images; None to compare with nothing.

    Returns:
        int64 [n], n at least 1, each at least 0 and below `num_classes`.

    Raises:
        DataError: if they have another type or shape, are not as many as the images, or are fractions, NaN, out of
            range, or rows with several ones or none.
    """
    refuse_masked(name, labels)
    try:
        values = np.asarray(labels)
    except ValueError as error:  # rows of different lengths
        raise DataError(wrong_type(name, str(error))) from error
    if values.dtype.kind not in "biuf":
        example = f", for example {values.flat[0]!r}" if values.size and values.dtype.kind in "OUS" else ""
        raise DataError(wrong_type(name, f"{values.dtype}{example}"))
    if values.ndim not in (1, 2) or not values.size:
        raise DataError(
            f"{name} must be {FORMS}, n at least 1. Received: shape {list(values.shape)}. "
            "Give one label for each image."
        )
    if count is not None and len(values) != count:
        raise DataError(
            f"{name} must have one label for each image, {count}. Received: {len(values)} labels. "
            "Give images and labels of the same rows."
        )
    if values.ndim == 2 and values.shape[1] != 1:
        return _from_rows(values, num_classes, name)
    return _from_numbers(values.reshape(-1), num_classes, name)


def _from_numbers(values: npt.NDArray[Any], num_classes: int | None, name: str) -> Int64Array:
    if values.dtype.kind == "f":
        fractions = values[~np.isfinite(values) | (values != np.floor(values))]
        if fractions.size:
            raise DataError(
                f"{name} must be whole numbers, the classes. Received: {fractions[0]:g}. "
                "Number the classes from 0; an image without a class must be left out."
            )
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= (num_classes or END):
        bounds = "from 0, below 2^31" if num_classes is None else f"in 0 … {num_classes - 1}"
        raise DataError(
            f"{name} must be {bounds}. Received: labels from {low} to {high}. "
            "Number the classes from 0, and leave out images without a class."
        )
    return values.astype(np.int64)


def _from_rows(rows: npt.NDArray[Any], num_classes: int | None, name: str) -> Int64Array:
    check_width(rows.shape[1], num_classes, name)
    ones = rows == 1
    wrong = np.flatnonzero((ones.sum(axis=1) != 1) | ~(ones | (rows == 0)).all(axis=1))  # also NaN
    if wrong.size:
        row = wrong[0]
        raise DataError(
            f"{name} as one-hot rows must be 0 but for a single 1 in each row. Received: {ones[row].sum()} ones and a "
            f"sum of {rows[row].sum():g} in row {row}. Smoothed or soft labels are not understood, since accuracy "
            "needs one class for each image. Give the class numbers; `epnas-train --label_smoothing` smooths them."
        )
    return ones.argmax(axis=1).astype(np.int64)


def check_width(width: int | None, num_classes: int | None, name: str = "Labels") -> None:
    """Refuses one-hot rows that have not one column a class, or a number of columns that is not known (None).

    Raises:
        DataError: if the width is another one.
    """
    if num_classes is not None and width != num_classes:
        raise DataError(
            f"{name} as one-hot rows must have {num_classes} columns, one a class. Received: "
            f"{width or 'an unknown number'}. Give the class numbers in place of rows, or rows of that width."
        )


def refuse_masked(name: str, values: Any) -> None:
    """Refuses a masked array with masked values, which would count as if they were not.

    Raises:
        DataError: if there are any.
    """
    if np.ma.is_masked(values):
        raise DataError(
            f"{name} must not be masked. Received: {int(np.ma.getmaskarray(values).sum()):,} masked values. "
            "Fill them in, or leave out those images."
        )


def wrong_type(name: str, received: str) -> str:
    """Returns the refusal of what are no numbers."""
    return f"{name} must be {FORMS}. Received: {received}. Number the classes from 0 and give these numbers."
