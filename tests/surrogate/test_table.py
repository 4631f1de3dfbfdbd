import numpy as np

from epnas_tf.surrogate.table import Measurement, ScoreTable, to_rows
from tests.space.chain_space import ChainSpace

SPACE = ChainSpace(layers=2)


def rows(*measured):
    """Of (architecture, iteration) in the order of their trials."""
    measurements = [Measurement(indices, number, by, 0.5) for number, (indices, by) in enumerate(measured)]
    return to_rows(SPACE, measurements)


def test_positions_are_counted_within_a_level_of_a_pass():
    found = rows(((0,), 0), ((1,), 0), ((2,), 0), ((0, 1), 0), ((0,), 1), ((1,), 1))
    np.testing.assert_allclose(found.positions, [-0.5, 0, 0.5, 0, -0.5, 0.5])
    assert found.levels.tolist() == [1, 1, 1, 2, 1, 1]
    assert found.iterations.tolist() == [0, 0, 0, 0, 1, 1]


def test_no_rows():
    assert [len(column) for column in rows()] == [0] * 5


def test_repeated_scores_are_kept_or_only_the_newest():
    table = ScoreTable()
    first, other, second = (Measurement((index,), number, number // 2, 0.1) for number, index in enumerate((1, 2, 1)))
    for measurement in (first, other, second):
        table.record(measurement)
    assert len(table) == 2
    assert table.measurements("all") == [first, other, second]
    assert table.measurements("newest") == [other, second]
    assert table.at_level(1) == [[other], [first, second]]
    assert table.at_level(2) == []
