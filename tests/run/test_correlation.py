import itertools

import numpy as np
import pytest

from epnas_tf.run import correlation
from epnas_tf.run.correlation import kendall, spearman


def pairs(noise, count=40, seed=0):
    rng = np.random.default_rng(seed)
    own = rng.normal(size=count)
    return list(own + noise * rng.normal(size=count)), list(own)


def test_kendall_counts_pairs_in_the_same_order():
    shared, own = pairs(0.5)
    signs = [np.sign((a - b) * (c - d)) for (a, c), (b, d) in itertools.combinations(zip(shared, own, strict=True), 2)]
    assert kendall(shared, own).value == pytest.approx(np.mean(signs))


@pytest.mark.parametrize("measure", [kendall, spearman])
def test_same_and_opposite_order(measure):
    scores = [0.1, 0.4, 0.2, 0.9]
    assert measure(scores, scores).value == pytest.approx(1)
    assert (measure(scores, scores).low, measure(scores, scores).high) == (None, None)  # of four nothing is sure
    assert measure(scores, [-score for score in scores]).value == pytest.approx(-1)


@pytest.fixture
def few_resamples(monkeypatch):
    """Enough where it matters little how sure an interval's ends are."""
    monkeypatch.setattr(correlation, "RESAMPLES", 200)


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("measure", [kendall, spearman])
def test_interval_holds_the_value_and_narrows_with_more(measure):
    few, many = measure(*pairs(0.5, 15)), measure(*pairs(0.5, 200))
    for found in (few, many):
        assert -1 <= found.low < found.value < found.high <= 1
    assert many.high - many.low < (few.high - few.low) / 2
    assert measure(*pairs(0.5, 15)) == few


def test_the_interval_is_one_of_95_percent():
    """Without a connection ρ has a deviation of 1 / √(n - 1); the bootstrap says it to some percent."""
    found = spearman(*(list(values) for values in np.random.default_rng(1).normal(size=(2, 200))))
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(199), rel=0.15)


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("measure", [kendall, spearman])
def test_the_difference_of_two_has_an_interval_of_its_own(measure):
    close, own = pairs(0.3, 60)
    far, _ = pairs(2.0, 60)
    better = measure(close, own, far)
    assert better.value == pytest.approx(measure(close, own).value - measure(far, own).value)
    assert 0 < better.low < better.value < better.high
    same = measure(close, own, close)
    assert (same.value, same.low, same.high) == (0, 0, 0)  # resampled together, not each for itself


@pytest.mark.parametrize("measure", [kendall, spearman])
def test_equal_scores_have_none(measure):
    found = measure([0.5, 0.5, 0.5], [0.1, 0.2, 0.3])
    assert (found.value, found.low, found.high) == (None, None, None)
