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


def test_slots_begin_at_zero_and_are_kept_by_layer():
    optimizer = NesterovSGD(ChildConfig())
    assert optimizer.read(SIZES).tolist() == [0.0] * 5
    optimizer.write(SIZES, np.arange(5, dtype=np.float32))
    assert optimizer.read({SECOND: 2, ("new",): 1, FIRST: 3}).tolist() == [3, 4, 0, 0, 1, 2]
    optimizer.write({SECOND: 2}, np.full(2, 9, np.float32))
    assert optimizer.read(SIZES).tolist() == [0, 1, 2, 9, 9]


def test_state_round_trip_and_what_is_refused():
    optimizer, other = NesterovSGD(ChildConfig()), NesterovSGD(ChildConfig())
    optimizer.write(SIZES, np.arange(5, dtype=np.float32))
    index, arrays = optimizer.get_state()
    other.set_state(index, arrays)
    assert other.read(SIZES).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(StateError, match="end before"):
        other.set_state(index, {"momentum": arrays["momentum"][:-1]})
    with pytest.raises(StateError, match=r"momentum of \('head', 'dense'\) must be 4 numbers. Received: 2"):
        other.read({SECOND: 4})
