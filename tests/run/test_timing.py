import pytest

from epnas_tf.run.timing import TimeLeft, format_seconds


def test_nothing_is_known_before_the_first_child():
    assert TimeLeft().estimate({1: 3}) is None


def test_levels_that_were_seen_take_their_mean():
    left = TimeLeft()
    for level, seconds in ((1, 1.0), (1, 3.0), (2, 10.0)):
        left.add(level, seconds)
    assert left.estimate({1: 2, 2: 3}) == pytest.approx(2 * 2.0 + 3 * 10.0)
    assert left.estimate({}) == 0.0


def test_deeper_levels_are_taken_in_proportion_to_the_depth():
    left = TimeLeft()
    left.add(2, 4.0)
    assert left.estimate({3: 5}) == pytest.approx(5 * 6.0)
    left.add(4, 20.0)
    assert left.estimate({3: 5}) == pytest.approx(5 * 3 * 24 / 6)


def test_children_that_one_process_trained_count_as_if_several_had_been_trained_at_a_time():
    left = TimeLeft()
    for _ in range(100):
        left.add(1, 8.0)
    left.expect({1: 2.0}, at_a_time=4)
    assert left.estimate({1: 3}) == pytest.approx(3 * 2.0)


def test_what_was_timed_before_is_told_at_once_and_corrected_by_the_children():
    left = TimeLeft()
    left.expect({1: 2.0, 2: 4.0, 3: 8.0})
    assert left.estimate({1: 1, 2: 2, 3: 3}) == pytest.approx(2 + 8 + 24)
    for _ in range(200):
        left.add(1, 6.0)  # three times as long as expected
    assert left.estimate({1: 1}) == pytest.approx(6.0, rel=0.01)
    assert left.estimate({3: 1}) == pytest.approx(24.0, rel=0.05)
    one = TimeLeft()
    one.expect({1: 2.0, 2: 4.0})
    one.add(1, 20.0)  # a first child takes longer than those after it, which is no news of the others
    assert 2 < one.estimate({1: 1}) < 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0.4, "0:00"),
        (59.6, "1:00"),
        (61, "1:01"),
        (3599.4, "59:59"),
        (3600, "1:00:00"),
        (90061, "25:01:01"),
    ],
)
def test_seconds_are_shown_as_a_clock(seconds, text):
    assert format_seconds(seconds) == text
