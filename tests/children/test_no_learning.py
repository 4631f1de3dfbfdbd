import numpy as np
import pytest

from epnas_tf.children.no_learning import PATIENCE, NoLearningMonitor
from epnas_tf.config import ChildConfig

LABELS = np.repeat([0, 1, 2, 3], [10, 20, 50, 20])
BOUND = 0.5 + 2 * 0.05  # the deviation of 100 guesses that are right every second time is 5 of them


def warned(scores):
    """Returns after which of the children there was a warning."""
    watch = NoLearningMonitor(LABELS, ChildConfig())
    return [number for number, score in enumerate(scores) if watch.warning(score)]


def text(**settings):
    watch = NoLearningMonitor(LABELS, ChildConfig(**settings))
    return [watch.warning(0.1) for _ in range(PATIENCE)][-1]


def test_chance_is_the_share_of_the_most_common_class():
    watch = NoLearningMonitor(LABELS, ChildConfig())
    assert watch.chance == 0.5
    assert watch.bound == pytest.approx(BOUND)


def test_the_warning_says_what_chance_is_and_advises_what_is_not_so_already():
    assert "50.0 % of the validation images" in text()
    assert "l2_on" not in text()
    assert "`l2_on` kernels" in text(l2_on="all")


def test_a_row_of_children_at_chance_is_one_warning():
    assert warned([0.5, BOUND - 0.01] * PATIENCE) == [PATIENCE - 1]


def test_each_row_has_its_own():
    row = [0.5, 0.1] * (PATIENCE // 2)
    assert warned([*row, 0.7, *row]) == [PATIENCE - 1, 2 * PATIENCE]


def test_a_child_that_learns_breaks_the_row():
    assert warned(([0.5] * (PATIENCE - 1) + [BOUND + 0.01]) * 3) == []
