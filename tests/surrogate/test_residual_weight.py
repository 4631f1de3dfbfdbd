import numpy as np
import pytest

from epnas_tf.surrogate.residual_weight import ResidualWeight


def results(factor, noise, count=400, offset=0.0):
    """What was foreseen, and what was left: a part of that, and noise."""
    rng = np.random.default_rng(0)
    foreseen = rng.normal(size=count)
    return offset + factor * foreseen + noise * rng.normal(size=count), foreseen


def test_half_before_there_are_results():
    assert ResidualWeight.none().factor == 0.5


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.8, 1.0])
def test_is_the_part_that_came_true(factor):
    """The factor's standard error is noise / sqrt(400) = 0.01: five of them, and 10 of 410 results for the prior."""
    assert ResidualWeight.none().updated(*results(factor, 0.2)).factor == pytest.approx(
        factor, abs=0.05 + 0.5 * 10 / 410
    )


def test_stays_in_its_range():
    assert ResidualWeight.none().updated(*results(3.0, 0.1)).factor == 1
    assert ResidualWeight.none().updated(*results(-2.0, 0.1)).factor == 0


def test_the_mean_of_a_level_says_nothing():
    one, other = (ResidualWeight.none().updated(*results(0.4, 0.2, offset=offset)) for offset in (0.0, 100.0))
    assert one.factor == pytest.approx(other.factor)


def test_levels_add_up_each_in_units_of_its_spread():
    left, foreseen = results(0.4, 0.2, 20)
    once = ResidualWeight.none().updated(left, foreseen)
    twice = once.updated(1000 * left, 1000 * foreseen)
    assert twice.results == 40
    assert twice.products == pytest.approx(once.products * (1 + 1))
    assert abs(twice.factor - 0.4) < abs(once.factor - 0.4)


def test_a_level_of_nearly_equal_results_does_not_decide_for_all():
    weight = ResidualWeight.none()
    rng = np.random.default_rng(0)
    for _ in range(10):
        foreseen = rng.normal(size=8)
        weight = weight.updated(0.8 * foreseen, foreseen)
    equal = weight.updated(1e-4 * rng.normal(size=8), rng.normal(size=8))
    assert 0.3 < equal.factor < weight.factor  # without a bound the factor would be 0.00
    assert equal.squares < 2 * weight.squares


@pytest.mark.parametrize("left", [np.array([0.1, 0.2, 0.3]), np.full(10, 0.5)])
def test_too_few_or_equal_results_change_nothing(left):
    assert ResidualWeight.none().updated(left, np.arange(left.size, dtype=float)) == ResidualWeight.none()
