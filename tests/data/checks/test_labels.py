import numpy as np
import pytest

from epnas_tf.data.checks.labels import class_numbers
from epnas_tf.errors import DataError

NUMBERS = [2, 0, 1, 2]
ROWS = np.eye(3)[NUMBERS]


@pytest.mark.parametrize("num_classes", [3, None])
@pytest.mark.parametrize(
    "labels",
    [
        NUMBERS,
        np.array(NUMBERS, np.uint8),
        np.array(NUMBERS, np.float32),
        np.array(NUMBERS)[:, None],
        [[2.0], [0.0], [1.0], [2.0]],
        ROWS,
        ROWS.astype(np.int64),
        ROWS.astype(bool),
        ROWS.tolist(),
    ],
    ids=["list", "bytes", "floats", "column", "column of floats", "rows", "rows of integers", "rows of bools", "lists"],
)
def test_every_form_gives_the_same_numbers(labels, num_classes):
    numbers = class_numbers(labels, num_classes, count=4)
    assert numbers.dtype == np.int64
    assert numbers.tolist() == NUMBERS


def test_two_classes():
    assert class_numbers(np.array([True, False]), 2).tolist() == [1, 0]
    assert class_numbers([[0, 1], [1, 0]], 2).tolist() == [1, 0]


def test_without_a_number_of_classes_there_may_be_gaps():
    assert class_numbers(np.array([7, 3], np.uint64), None).tolist() == [7, 3]


def with_value(value, row=1):
    rows = ROWS.copy()
    rows[row] = value
    return rows


@pytest.mark.parametrize("num_classes", [3, None])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat", "dog"], r"class numbers \[n\] or \[n, 1\], or one-hot rows.*Received: <U3.*'cat'"),
        (np.array([1, None]), "class numbers .*Received: object"),
        ([[0, 1], [1]], "class numbers .*Received"),
        (np.zeros((2, 2), complex), "class numbers .*Received: complex128"),
        (np.zeros((2, 2, 2)), r"n at least 1. Received: shape \[2, 2, 2\]"),
        ([], r"n at least 1. Received: shape \[0\]"),
        (3, r"Received: shape \[\]"),
        ([0, 1, 0.5], r"whole numbers, the classes. Received: 0\.5\."),
        ([0, np.nan], "whole numbers, the classes. Received: nan"),
        ([[np.inf]], "whole numbers, the classes. Received: inf"),
        ([0, -1], "Received: labels from -1 to 0"),
        (np.array([2**32], np.uint64), "Received: labels from 4294967296 to 4294967296"),
        (with_value([0, 1, 1]), "a single 1 in each row. Received: 2 ones and a sum of 2 in row 1"),
        (with_value(0, row=3), "a single 1 in each row. Received: 0 ones and a sum of 0 in row 3"),
        (
            with_value([0.1, 0.8, 0.1]),
            "a single 1 in each row. Received: 0 ones and a sum of 1 in row 1.*oothed or soft",
        ),
        (with_value([0, np.nan, 1]), "Received: 1 ones and a sum of nan in row 1"),
        (with_value([0, 2, -1]), "Received: 0 ones and a sum of 1 in row 1"),
        (with_value([1, 0.5, 0]), "Received: 1 ones and a sum of 1.5 in row 1"),
    ],
    ids=str,
)
def test_refusals(labels, message, num_classes):
    with pytest.raises(DataError, match=f"^`y` .*{message}"):
        class_numbers(labels, num_classes, "`y`")


def test_refusals_that_need_the_number_of_classes():
    with pytest.raises(DataError, match=r"^Labels must be in 0 … 2. Received: labels from 1 to 3"):
        class_numbers([1, 3], 3)
    with pytest.raises(DataError, match=r"must have 3 columns, one a class. Received: 4"):
        class_numbers(np.eye(4), 3)
    with pytest.raises(DataError, match=r"one label for each image, 5. Received: 4 labels"):
        class_numbers(NUMBERS, 3, count=5)
