import numpy as np

from epnas_tf.search.chance import PATIENCE, ChanceWatch

LABELS = np.array([0, 1, 1, 2, 2, 2, 2, 2, 3, 3])


def warned(scores):
    """Returns after which of the children there was a warning."""
    watch = ChanceWatch(LABELS)
    return [number for number, score in enumerate(scores) if watch.warning(score)]


def test_chance_is_the_share_of_the_most_common_class():
    assert ChanceWatch(LABELS).chance == 0.5


def test_the_warning_says_what_chance_is():
    watch = ChanceWatch(LABELS)
    texts = [watch.warning(0.1) for _ in range(PATIENCE)]
    assert "(50.0 % of the validation images)" in texts[-1]


def test_a_row_of_children_at_chance_is_one_warning():
    assert warned([0.5] * 3 * PATIENCE) == [PATIENCE - 1]


def test_each_row_has_its_own():
    row = [0.5, 0.1] * (PATIENCE // 2)
    assert warned([*row, 0.6, *row]) == [PATIENCE - 1, 2 * PATIENCE]


def test_a_child_that_learns_breaks_the_row():
    assert warned(([0.5] * (PATIENCE - 1) + [0.6]) * 3) == []


def test_a_score_of_float32_is_compared_as_one():
    share = np.float32(7) / np.float32(9)
    watch = ChanceWatch(np.array([0] * 7 + [1] * 2))
    assert [watch.warning(float(share)) is not None for _ in range(PATIENCE)] == [False] * (PATIENCE - 1) + [True]
