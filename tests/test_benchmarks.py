import time

import pytest
from absl import flags

from benchmarks.stopwatch import Stopwatch
from benchmarks.turns import alternate, show, show_table
from benchmarks.worker import Worker


class Counter:
    def __init__(self, start):
        self.number = start

    def add(self, number):
        self.number += number
        return self.number

    def fail(self):
        raise ValueError("broken")


@pytest.fixture(autouse=True)
def _parsed_flags():
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["benchmark"])


class TestAlternate:
    def test_sides_take_turns_in_opposite_orders(self):
        calls = []
        figures = alternate([lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 2.0], 3)
        assert calls == ["a", "b", "b", "a", "a", "b"]
        assert figures == [[1.0] * 3, [2.0] * 3]


class TestShow:
    def test_ratio_is_pair_by_pair(self, capsys):
        show("a title", [[1.0, 2.0, 4.0], [10.0, 10.0, 10.0]], ("ours", "theirs"), "5 or more")
        output = capsys.readouterr().out
        assert "a title" in output
        assert "theirs / ours" in output
        assert output.splitlines()[4].split()[-3:] == ["5", "2.5", "10"]
        assert "TensorFlow" in output
        assert "3 pairs; aim: 5 or more" in output

    def test_inverse_ratio(self, capsys):
        show("a title", [[1.0], [4.0]], ("ours", "theirs"), inverse=True)
        assert capsys.readouterr().out.splitlines()[4].split() == ["ours", "/", "theirs", "0.25", "0.25", "0.25"]

    def test_table_has_its_rows(self, capsys):
        show_table("a title", ["", "size"], [["level 3", "7 MB"]], "a note")
        lines = capsys.readouterr().out.splitlines()
        assert lines[2].split() == ["level", "3", "7", "MB"]
        assert lines[-1].endswith("a note")


class TestWorker:
    def test_object_stays_between_calls(self):
        with Worker("tests.test_benchmarks:Counter", 3) as worker:
            assert worker.call("add", 4) == 7
            assert 0 <= worker.seconds("add", 1) < 5
            assert worker.call("add", 0) == 8

    def test_error_of_the_side_is_raised_here(self):
        with (
            Worker("tests.test_benchmarks:Counter", 0) as worker,
            pytest.raises(RuntimeError, match="ValueError: broken"),
        ):
            worker.call("fail")

    def test_side_that_cannot_be_made_is_an_error_here(self):
        with Worker("tests.test_benchmarks:Counter") as worker, pytest.raises(RuntimeError, match="exit code 1"):
            worker.call("add", 1)


class TestStopwatch:
    def test_inner_part_counts_for_itself_only(self):
        stopwatch = Stopwatch()
        with stopwatch.part("outer"):
            with stopwatch.part("inner"):
                time.sleep(0.05)
            stopwatch.lap()
        assert stopwatch.laps[0]["inner"] >= 0.05
        assert stopwatch.laps[0]["outer"] < 0.05

    def test_watched_methods_count_and_are_put_back(self):
        original, stopwatch = Counter.add, Stopwatch()
        with stopwatch.watching({"part": [(Counter, "add")]}):
            assert Counter(1).add(2) == 3
        stopwatch.lap()
        assert set(stopwatch.laps[0]) == {"part"}
        assert Counter.add is original

    def test_laps_begin_at_zero(self):
        stopwatch = Stopwatch()
        with stopwatch.part("part"):
            time.sleep(0.05)
            stopwatch.lap()
            stopwatch.lap()
        assert stopwatch.laps[1]["part"] < 0.05
