import numpy as np
import pytest

from epnas_tf.search.ranking import choose_adjusted_or_raw, estimates, noise_variance


def arrays(*scores):
    return [np.array(each) for each in scores]


def test_noise_is_that_of_repeated_scores():
    assert noise_variance(arrays([0.1, 0.3], [0.9], [0.5, 0.5, 0.8])) == pytest.approx((0.02 + 0.06) / 3)
    assert noise_variance(arrays([0.1], [0.9])) is None


@pytest.mark.parametrize(("repeated", "factor"), [(1, 12.7), (2, 4.36), (10, 1.73)])
def test_scores_that_surely_agree_less_once_they_are_brought_up_stay_as_they_were(repeated, factor):
    """The factors are the roots of the 95 % quantiles of F(1, 1), F(2, 2) and F(10, 10) in a statistics table."""
    measured = arrays(*[[0.5, 0.51]] * repeated, [0.7])
    for wrong in (False, True):
        times = factor * (1.02 if wrong else 0.98)
        adjusted = arrays(*[[0.5, 0.5 + 0.01 * times]] * repeated, [0.8])
        assert choose_adjusted_or_raw(measured, adjusted) is (measured if wrong else adjusted)


def test_scores_that_do_not_differ_stay_as_they_were():
    measured, adjusted = arrays([0.5, 0.5], [0.7]), arrays([0.5, 0.5001], [0.9])
    assert choose_adjusted_or_raw(measured, adjusted) is measured


def test_scores_are_brought_up_where_none_is_repeated():
    assert choose_adjusted_or_raw(arrays([0.5], [0.7]), arrays([0.6], [0.7]))[0] == [0.6]


def test_without_repeated_scores_it_is_the_score():
    np.testing.assert_array_equal(estimates(arrays([0.1], [0.9]), np.array([0.5, 0.5])), [0.1, 0.9])


def test_without_noise_it_is_the_score():
    np.testing.assert_allclose(estimates(arrays([0.1, 0.1], [0.9]), np.array([0.5, 0.5])), [0.1, 0.9])


def test_a_perfect_prediction_takes_all():
    predicted = np.array([0.5, 0.6])
    np.testing.assert_allclose(estimates(arrays([0.3, 0.7], [0.55]), predicted), predicted, atol=1e-6)


def test_is_nearer_to_the_truth_than_scores_and_predictions():
    """Both errors have a standard deviation of 0.1, the mean of both 0.07; over 2,000 architectures the two are more
    than 10 of their standard errors apart."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=2000)
    predicted = truth + rng.normal(0, 0.1, 2000)
    scores = [value + rng.normal(0, 0.1, 1 + number % 2) for number, value in enumerate(truth)]

    def error(found):
        return np.sqrt(np.mean((found - truth) ** 2))

    found = error(estimates(scores, predicted))
    assert found < 0.075
    assert found < error(predicted) - 0.01
    assert found < error(np.array([each.mean() for each in scores])) - 0.01


def test_more_scores_count_more():
    scores = arrays([0.9, 0.7], [0.8], [0.3, 0.5])
    found = estimates(scores, np.array([0.5, 0.5, 0.5]))
    assert 0.5 < found[1] < found[0] < 0.8
