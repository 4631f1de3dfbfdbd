import dataclasses
import random

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import ChildConfig
from epnas_tf.cost.workload import CostModel, Load
from epnas_tf.run.timed_steps import Timed, model_of, time_steps
from epnas_tf.space import MacroSpace, NetworkShape

pytestmark = pytest.mark.usefixtures("without_grappler")


def test_costs_that_networks_were_timed_by_are_found_again():
    true = CostModel(step_node=2e-3, step_multiply_add=3e-11, step_output=4e-9, graph=0.2, graph_node=0.015)
    config = ChildConfig(trace_ahead=False)
    timed = []
    for load in (Load(6, 2e6, 1e5), Load(80, 2e7, 7e5)):
        steps = [(images, true.step(load, images)) for images in (8, 100)]
        both = (true.graph + true.graph_node * load.nodes) / (4 / 3)  # validation takes a third more
        timed.append(Timed(load, 0.75 * both, 0.25 * both, steps))
    assert dataclasses.astuple(model_of(timed, config)) == pytest.approx(dataclasses.astuple(true))


def test_steps_are_timed_and_no_random_state_is_touched():
    shape = NetworkShape((8, 8, 1), 10, channels=4, num_levels=2)
    tf.random.set_seed(3)
    # Made here, since TensorFlow makes none by itself where another test has asked for deterministic operations.
    tf.random.set_global_generator(tf.random.Generator.from_seed(3))
    states = (random.getstate(), np.random.get_state()[1].tolist(), tf.random.get_global_generator().state.numpy())
    model = time_steps(MacroSpace(2), shape, ChildConfig(batch_size=16), 16)
    after = (random.getstate(), np.random.get_state()[1].tolist(), tf.random.get_global_generator().state.numpy())
    assert states[:2] == after[:2]
    np.testing.assert_array_equal(states[2], after[2])
    small, large = Load(6, 1e5, 1e4), Load(12, 2e5, 2e4)
    assert 0 < model.step(small, 16) < model.step(large, 16) < 10
    assert min(dataclasses.astuple(model)) >= 0
