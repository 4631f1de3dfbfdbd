"""Searches timed by their lines."""

import json
import sys
import time

import pytest

from benchmarks.budget import Budget
from benchmarks.competitors import searches
from epnas_tf.errors import SearchError

LINES = "import time\nfor n in range(4): print('child', n, flush=True); time.sleep(0.1)\n"


@pytest.fixture
def run(tmp_path):
    """The directory of a search of two levels, whose last child but one diverged."""
    children = [(1, 1.0), (1, 2.0), (2, 4.0), (2, None), (2, 8.0)]
    records = [
        {"level": level} | ({"score": 0.5, **dict.fromkeys(searches.PARTS, seconds / 3)} if seconds else {})
        for level, seconds in children
    ]
    (tmp_path / "trials.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return tmp_path


def test_pace_is_that_of_the_children_that_count(run):
    first = searches.first_of_deeper_half(run)
    assert first == 2
    found = searches.pace([10.0, 11.0, 15.0, 16.0, 20.0], first, run)
    assert (found.children, found.seconds, found.own) == (3, pytest.approx(3.0), pytest.approx(6.0))
    with pytest.raises(SearchError, match="children before those that count"):
        searches.pace([10.0, 11.0], 0, run)


def test_each_line_has_its_time(monkeypatch, tmp_path):
    monkeypatch.setattr(searches, "COMMAND", (sys.executable, "-c", LINES))
    times = searches.line_times("--dataset=digits", tmp_path)
    assert len(times) == 4
    assert times[-1] - times[0] == pytest.approx(0.3, abs=0.25)


def test_a_search_ends_with_the_time_of_its_measurement(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(searches, "COMMAND", (sys.executable, "-c", LINES + "time.sleep(60)"))
    began = time.monotonic()
    Budget(1.0).run("a search", lambda: searches.line_times("", tmp_path))
    assert time.monotonic() - began < 30
    assert capsys.readouterr().out == "not finished, the time is over: a search\n"


def test_what_a_search_says_of_its_failure_is_told(tmp_path):
    with pytest.raises(SearchError, match=r"epnas-search: error: .*nowhere"):
        searches.line_times("--dataset=./nowhere", tmp_path / "run")
