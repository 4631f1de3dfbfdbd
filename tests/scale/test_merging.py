"""The merge of a round, by hand."""

import numpy as np

from epnas_tf.children.outcome import ChildOutcome, ChildResult, SharedValues
from epnas_tf.scale.merging import merged

STEM, CONV = ("stem",), ("layer", 1, "conv_3x3")


def outcome(variables, momentum=None, steps=1, failure=None):
    """Returns the outcome of a child that left these values."""

    def arrays(values):
        return np.array(values, np.float32)

    left = SharedValues(
        {key: [arrays(values)] for key, values in variables.items()},
        {key: arrays(values) for key, values in (momentum or {}).items()},
    )
    return ChildOutcome(left, ChildResult(0.5, 1.0, 1.0, steps, 10, 0.1, 0.2, 0.3), failure)


def test_a_layer_gets_the_mean_of_those_that_used_it_weighted_by_their_steps():
    values, steps = merged(
        [
            outcome({STEM: [1, 2], CONV: [7]}, {STEM: [0, 4]}, steps=3),
            outcome({STEM: [5, 2]}, {STEM: [8, 0]}, steps=1),
        ]
    )
    np.testing.assert_array_equal(values.variables[STEM], [[2, 2]])
    np.testing.assert_array_equal(values.variables[CONV], [[7]])
    np.testing.assert_array_equal(values.momentum[STEM], [2, 3])
    assert values.momentum.keys() == {STEM}
    assert steps == {STEM: 4, CONV: 3}
    assert values.variables[STEM][0].dtype == values.momentum[STEM].dtype == np.float32


def test_a_single_child_leaves_its_values_bit_for_bit():
    numbers = [-0.0, 1e-45, 3.4e38, 0.1]  # the mean's arithmetic would lose the sign of the first
    values, steps = merged([outcome({STEM: numbers}, {STEM: numbers}, steps=7)])
    for found in (values.variables[STEM][0], values.momentum[STEM]):
        assert found.tobytes() == np.array(numbers, np.float32).tobytes()
    assert steps == {STEM: 7}


def test_children_that_diverged_take_no_part():
    well, badly = outcome({STEM: [2]}, steps=2), outcome({STEM: [np.nan], CONV: [np.inf]}, failure="It became NaN.")
    values, steps = merged([badly, well, badly])
    np.testing.assert_array_equal(values.variables[STEM], [[2]])
    assert steps == {STEM: 2}
    assert merged([badly]) == (SharedValues({}, {}), {})


def test_the_sum_of_many_is_that_of_float64():
    """100 children whose values cancel but for the last bits: float32's sums would be off by a thousandth."""
    rng = np.random.default_rng(0)
    each = rng.normal(0, 1000, [100, 5]).astype(np.float32)
    values, _ = merged([outcome({STEM: one}) for one in each])
    np.testing.assert_array_equal(values.variables[STEM][0], each.astype(np.float64).mean(axis=0).astype(np.float32))
