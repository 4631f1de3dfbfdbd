"""Sharing is real: training one architecture trains exactly what another one has in common with it."""

import types

import pytest

from epnas_tf.network import Network, VariableStore
from tests.children.children import trainer
from tests.network.architectures import PAIRS
from tests.network.values import arrays, assert_same_values, changes, keys_of


@pytest.fixture(scope="module", params=PAIRS.values(), ids=PAIRS.keys())
def run(request, without_grappler):
    """Trains the first architecture on a store, then the second; before that, once more the second on a copy."""
    first, second, shape = request.param
    store, restored = VariableStore(3), VariableStore(0)
    for architecture in (first, second):
        Network(architecture, shape, store)
    keys = keys_of(shape, first, second)
    at_first = arrays(store, keys)
    trainer(store, shape).train(first, seed=0)
    after_first = arrays(store, keys)
    updates_after_first = dict(store.updates)
    restored.set_state(*store.get_state())
    for one in (store, restored):
        trainer(one, shape).train(second, seed=1)
    return types.SimpleNamespace(**locals())


def shared_keys(run):
    return keys_of(run.shape, run.first) & keys_of(run.shape, run.second)


def assert_only_these_changed(keys, found):
    """Weights and batch norm statistics: all change where the key was trained, not one bit elsewhere."""
    for key, changed in found.items():
        assert not changed or set(changed) == {key in keys}, key


def test_the_pair_shares_some_variables_and_not_others(run):
    with_variables = {key for key in run.keys if run.at_first[key]}
    assert shared_keys(run) & with_variables
    assert (keys_of(run.shape, run.first) - shared_keys(run)) & with_variables
    assert (keys_of(run.shape, run.second) - shared_keys(run)) & with_variables


def test_training_changes_every_variable_in_use_and_no_other(run):
    assert_only_these_changed(keys_of(run.shape, run.first), changes(run.at_first, run.after_first))


def test_another_architecture_changes_what_it_shares_and_no_more(run):
    after_second = arrays(run.store, run.keys)
    assert_only_these_changed(keys_of(run.shape, run.second), changes(run.after_first, after_second))


def test_updates_count_the_steps_of_each_key(run):
    steps = 3  # 24 images in batches of 8
    assert run.updates_after_first == dict.fromkeys(keys_of(run.shape, run.first), steps)
    expected = {key: 2 * steps if key in shared_keys(run) else steps for key in run.keys}
    assert run.store.updates == expected


def test_a_restored_store_goes_on_as_if_it_never_stopped(run):
    """Bit for bit, with layers restored only when they are asked for."""
    Network(run.first, run.shape, run.restored)
    assert_same_values(arrays(run.restored, run.keys), arrays(run.store, run.keys))
    assert run.restored.updates == run.store.updates
    assert run.restored.get_state()[0] == run.store.get_state()[0]
