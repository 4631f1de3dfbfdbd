"""Competitors interleaved, and the tables of their figures."""

import numpy as np
import pytest

from benchmarks.interleaved import bootstrap, interleave, show, show_table, student


def test_competitors_take_turns_in_opposite_orders():
    calls = []
    figures = interleave([lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 2.0], 3)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert figures == [[1.0] * 3, [2.0] * 3]


def test_ratio_is_pair_by_pair(capsys):
    show("a title", [[1.0, 2.0, 4.0], [10.0, 10.0, 10.0]], ("ours", "theirs"), "5 or more")
    output = capsys.readouterr().out
    assert "a title" in output
    assert "theirs / ours" in output
    assert output.splitlines()[4].split()[-3:] == ["5", "2.5", "10"]
    assert "TensorFlow" in output
    assert "3 pairs; aim: 5 or more" in output


def test_inverse_ratio(capsys):
    show("a title", [[1.0], [4.0]], ("ours", "theirs"), inverse=True)
    assert capsys.readouterr().out.splitlines()[4].split() == ["ours", "/", "theirs", "0.25", "0.25", "0.25"]


def test_table_has_its_rows(capsys):
    show_table("a title", ["", "size"], [["level 3", "7 MB"]], "a note")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["level", "3", "7", "MB"]
    assert lines[-1].endswith("a note")


@pytest.mark.parametrize("interval", [student, bootstrap])
def test_an_interval_holds_the_mean(interval):
    values = np.random.default_rng(0).normal(5, 1, 100)
    low, high = interval(values)
    assert low < values.mean() < high
    # 95 % of a mean of 100 values of deviation one: twice 1.96 / 10.
    assert high - low == pytest.approx(0.392, rel=0.2)
    assert interval(np.full(3, 0.25)) == (0.25, 0.25)


@pytest.mark.parametrize("count", [3, 5, 8])
def test_an_interval_of_few_values_holds_the_true_mean_as_often_as_it_says(count):
    """Of 2,000 it is 95 % with a standard error of 0.5 %: four of them, wrong once in 16,000."""
    values = np.random.default_rng(count).normal(5, 1, (2000, count))
    held = np.mean([low < 5 < high for low, high in map(student, values)])
    assert held == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_regrets_does_not_reach_below_zero():
    regrets = np.array([0.0] * 18 + [0.02, 0.3])
    assert student(regrets)[0] < 0
    assert bootstrap(regrets)[0] >= 0
