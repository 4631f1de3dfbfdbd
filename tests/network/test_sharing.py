"""Sharing is real: training one architecture trains exactly what another one has in common with it."""

import numpy as np
import pytest

from epnas_tf.network import Network, VariableStore
from tests.network.architectures import PAIRS
from tests.network.values import arrays, assert_same_values, changes, keys_of
from tests.search.children import trainer

BOTH_SPACES = pytest.mark.parametrize(("first", "second", "shape"), PAIRS.values(), ids=PAIRS.keys())


@BOTH_SPACES
def test_training_changes_every_shared_variable_and_no_other(first, second, shape):
    """Weights, batch norm statistics and momentum of each key: all change where it is shared, not one bit elsewhere."""
    store = VariableStore(0)
    Network(second, shape, store)
    Network(first, shape, store)
    keys = keys_of(shape, first, second)
    shared = keys_of(shape, first) & keys_of(shape, second)
    before = arrays(store, keys)
    trainer(store, shape).train(first, seed=0)
    found = changes(before, arrays(store, keys))
    with_variables = {key for key in keys if before[key]}
    assert shared & with_variables
    assert keys_of(shape, second) - shared
    for key in with_variables:
        assert set(found[key]) == {key in keys_of(shape, first)}, key


@BOTH_SPACES
def test_a_child_goes_on_from_the_shared_weights(first, second, shape):
    """The second architecture's scores change where the first was trained, and are those of a fresh one elsewhere."""
    images = np.random.default_rng(0).normal(size=(4, *shape.image_shape)).astype(np.float32)
    shared, fresh = VariableStore(0), VariableStore(0)
    trainer(shared, shape).train(first, seed=0)
    assert not np.array_equal(Network(second, shape, shared)(images), Network(second, shape, fresh)(images))


@BOTH_SPACES
def test_updates_count_the_steps_of_each_key(first, second, shape):
    store = VariableStore(0)
    one_epoch = trainer(store, shape)
    assert one_epoch.training.steps == 3
    one_epoch.train(first, seed=0)
    assert store.updates == dict.fromkeys(keys_of(shape, first), 3)
    one_epoch.train(second, seed=1)
    shared = keys_of(shape, first) & keys_of(shape, second)
    assert store.updates == {key: 6 if key in shared else 3 for key in keys_of(shape, first, second)}


@BOTH_SPACES
def test_a_restored_store_goes_on_as_if_it_never_stopped(first, second, shape):
    """Bit for bit, with the layers of the second architecture restored only when they are asked for."""
    store = VariableStore(3)
    trainer(store, shape).train(first, seed=0)
    index, flat = store.get_state()
    restored = VariableStore(3)
    restored.set_state(index, flat)
    for one in (store, restored):
        trainer(one, shape).train(second, seed=1)
    keys = keys_of(shape, first, second)
    assert_same_values(arrays(restored, keys), arrays(store, keys))
    assert restored.updates == store.updates
    assert restored.get_state()[0] == store.get_state()[0]
