"""An object in a process of its own."""

import time

import pytest

from benchmarks import worker as workers
from benchmarks.worker import Worker, end_on_interrupt, side_by_side

COUNTER = "tests.benchmarks.counter:Counter"


def test_object_stays_between_calls_and_its_errors_are_raised_here():
    with Worker(COUNTER, 3) as worker:
        assert worker.call("add", 4) == 7
        assert 0 <= worker.seconds("add", 1) < 5
        with pytest.raises(RuntimeError, match="ValueError: broken"):
            worker.call("fail")
        assert worker.call("add", 0) == 8


def test_competitor_that_cannot_be_made_is_an_error_here():
    with Worker(COUNTER) as worker, pytest.raises(RuntimeError, match="exit code 1"):
        worker.call("add", 1)


def test_after_an_error_nothing_new_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_one_thread", end_on_interrupt)  # which imports no TensorFlow
    numbers = [(tmp_path, number) for number in range(20)]
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(begun, numbers, processes=1))
    # What the pool hands out before it hears of the error: two that wait, and one more when the first of them begins.
    assert sorted(int(file.name) for file in tmp_path.iterdir()) in ([0], [0, 1], [0, 1, 2], [0, 1, 2, 3])


def begun(folder, number):
    (folder / str(number)).touch()
    time.sleep(1 if number else 0)  # a busy machine may take long to hear of it
    return 1 / number
