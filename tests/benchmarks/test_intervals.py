import numpy as np
import pytest

from benchmarks.intervals import bootstrap, student


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
