"""An object in a process of its own."""

import pytest

from benchmarks.worker import Worker

COUNTER = "tests.benchmarks.counter:Counter"


def test_object_stays_between_calls():
    with Worker(COUNTER, 3) as worker:
        assert worker.call("add", 4) == 7
        assert 0 <= worker.seconds("add", 1) < 5
        assert worker.call("add", 0) == 8


def test_error_of_the_side_is_raised_here():
    with (
        Worker(COUNTER, 0) as worker,
        pytest.raises(RuntimeError, match="ValueError: broken"),
    ):
        worker.call("fail")


def test_side_that_cannot_be_made_is_an_error_here():
    with Worker(COUNTER) as worker, pytest.raises(RuntimeError, match="exit code 1"):
        worker.call("add", 1)
