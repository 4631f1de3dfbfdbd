"""A search's time around its trainings, and what takes it apart."""

import pytest

from benchmarks.commands.bookkeeping import PARTS, SEARCHES
from benchmarks.competitors.bookkeeping import TRAINING, Searches, Stopwatch
from tests.benchmarks.counter import Counter


@pytest.mark.parametrize("search", SEARCHES)
def test_what_surrounds_the_trainings_of_a_search_is_taken_apart(search):
    laps = Searches(layers=2, channels=4, trials=3).laps(search, "wall")
    assert len(laps) == 3
    for lap in laps:
        assert lap.keys() <= {*PARTS, TRAINING}
        assert lap["ask and tell"] > 0
        assert ("our state" in lap) == (search != "random_search")
        assert ("KerasTuner's files" in lap) == (search != "epnas_search")


class Clock:
    """Stands still, but for what a test adds."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_an_inner_part_counts_for_itself_only(clock):
    stopwatch = Stopwatch(clock)
    with stopwatch.part("outer"):
        clock.now += 1
        with stopwatch.part("inner"):
            clock.now += 2
        clock.now += 4
        stopwatch.lap()
    assert stopwatch.laps == [{"outer": 5, "inner": 2}]


def test_watched_methods_count_and_are_put_back(clock):
    original, stopwatch = Counter.add, Stopwatch(clock)
    with stopwatch.watching({"part": [(Counter, "add")]}):
        assert Counter(1).add(2) == 3
    stopwatch.lap()
    assert stopwatch.laps == [{"part": 0}]
    assert Counter.add is original


def test_laps_begin_at_zero(clock):
    stopwatch = Stopwatch(clock)
    with stopwatch.part("part"):
        clock.now += 1
        stopwatch.lap()
        stopwatch.lap()
        clock.now += 2
    stopwatch.lap()
    assert stopwatch.laps == [{"part": 1}, {"part": 0}, {"part": 2}]
