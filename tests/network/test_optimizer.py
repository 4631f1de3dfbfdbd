"""The children's optimizer: its step by hand, and its slots."""

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import ChildConfig
from epnas_tf.errors import StateError
from epnas_tf.network.optimizer import NesterovSGD

FIRST, SECOND = ("layer", 1, "conv_3x3"), ("head", "dense")
SIZES = {FIRST: 3, SECOND: 2}


def test_step_by_hand():
    optimizer = NesterovSGD(ChildConfig(momentum=0.5, l2=0.1, clip_norm=0.0))
    weights, momentum = optimizer.step(
        tf.constant([1.0]), tf.constant([2.0]), tf.constant([3.0]), tf.constant(0.1), tf.constant([0.2])
    )
    # The gradient is 3 + 0.2·1, its momentum 0.5·2 + 3.2, the step 0.1·(3.2 + 0.5·4.2).
    np.testing.assert_allclose([weights[0], momentum[0]], [1 - 0.1 * 5.3, 4.2], rtol=1e-6)


def slots(*values):
    """Returns a flat array in the slots of the two layers."""
    first, second = np.split(np.array(values, np.float32), [SIZES[FIRST]])
    return {FIRST: first, SECOND: second}


def values_in(optimizer):
    return {key: slot.tolist() for key, slot in optimizer.read([FIRST, SECOND, ("new",)]).items()}


def test_slots_are_kept_by_layer_and_are_copies():
    optimizer, given = NesterovSGD(ChildConfig()), slots(0, 1, 2, 3, 4)
    assert values_in(optimizer) == {}
    optimizer.write(given)
    given[FIRST][:] = 7
    assert values_in(optimizer) == {FIRST: [0, 1, 2], SECOND: [3, 4]}
    optimizer.write({SECOND: np.full(2, 9, np.float32)})
    assert values_in(optimizer) == {FIRST: [0, 1, 2], SECOND: [9, 9]}


def test_state_round_trip_and_what_is_refused():
    optimizer, other = NesterovSGD(ChildConfig()), NesterovSGD(ChildConfig())
    optimizer.write(slots(0, 1, 2, 3, 4))
    index, arrays = optimizer.get_state()
    other.set_state(index, arrays)
    assert values_in(other) == values_in(optimizer)
    with pytest.raises(StateError, match="end before"):
        other.set_state(index, {"momentum": arrays["momentum"][:-1]})
