"""The store: one layer for each key, initial values that follow from seed and key, and a state that goes to disk."""

import dataclasses
import json
import re

import numpy as np
import pytest

from epnas_tf.errors import StateError, StoreError
from epnas_tf.network import Network, VariableStore
from epnas_tf.network.store import layer_name, layer_seed
from epnas_tf.space import NetworkShape, Node
from tests.network.architectures import MACRO, MACRO_SHAPE, MICRO, MICRO_SHAPE, OTHER_MACRO, OTHER_MICRO, PAIRS, macro
from tests.network.values import arrays, assert_same_values, changes, keys_of

BOTH_SPACES = pytest.mark.parametrize(("first", "second", "shape"), PAIRS.values(), ids=PAIRS.keys())

STEM = ("stem",)


def scramble(store, keys, seed=0):
    """Gives every variable a value of its own, as training would."""
    rng = np.random.default_rng(seed)
    values = store.snapshot(keys)
    store.restore(
        {key: [rng.uniform(0.5, 1.5, array.shape).astype(np.float32) for array in kept] for key, kept in values.items()}
    )
    store.count_updates(dict.fromkeys(sorted(keys, key=str), 7))


def to_disk_and_back(state, folder):
    """Writes a state as a run does, JSON and arrays, and reads it again."""
    index, flat = state
    np.savez(folder / "state.npz", **flat)
    with np.load(folder / "state.npz") as file:
        return json.loads(json.dumps(index)), dict(file)


@BOTH_SPACES
def test_the_same_position_and_operation_is_the_very_same_layer(first, second, shape):
    store = VariableStore()
    networks = [Network(architecture, shape, store) for architecture in (first, second, first)]
    for key in keys_of(shape, first) & keys_of(shape, second):
        assert networks[0].layers[key] is networks[1].layers[key]
    assert all(networks[0].layers[key] is networks[2].layers[key] for key in networks[0].layers)
    every_layer = {id(layer) for network in networks for layer in network.layers.values()}
    assert len(every_layer) == len(keys_of(shape, first, second)) == len(store)


@BOTH_SPACES
def test_initial_values_do_not_depend_on_which_architecture_came_first(first, second, shape):
    forth, back = VariableStore(5), VariableStore(5)
    for store, order in ((forth, (first, second)), (back, (second, first))):
        for architecture in order:
            Network(architecture, shape, store)
    keys = keys_of(shape, first, second)
    assert_same_values(arrays(back, keys), arrays(forth, keys))


@BOTH_SPACES
def test_a_private_store_of_the_same_seed_starts_the_same_network(first, second, shape):
    shared = VariableStore(5)
    Network(second, shape, shared)
    images = np.random.default_rng(0).normal(size=(3, *shape.image_shape)).astype(np.float32)
    private = Network(first, shape, VariableStore(5))
    np.testing.assert_array_equal(private(images), Network(first, shape, shared)(images))


@BOTH_SPACES
def test_another_seed_gives_every_kernel_other_values(first, second, shape):
    stores = VariableStore(0), VariableStore(1)
    networks = [Network(first, shape, store) for store in stores]
    pairs = zip(networks[0].trainable_variables, networks[1].trainable_variables, strict=True)
    for one, other in pairs:
        assert np.array_equal(one.numpy(), other.numpy()) == ("kernel" not in one.name), one.path


def test_no_two_kernels_of_a_network_start_with_the_same_values():
    network = Network(MICRO, MICRO_SHAPE, VariableStore())
    kernels = [variable.numpy() for variable in network.trainable_variables if "kernel" in variable.name]
    # Divided by its spread, a kernel is the row of normal numbers that its seed gives.
    starts = {tuple(np.round(kernel.ravel()[:4] / np.std(kernel), 3)) for kernel in kernels}
    assert len(starts) == len(kernels)


def test_seeds_and_names_of_the_keys_of_a_space_differ():
    keys = keys_of(MACRO_SHAPE, MACRO, OTHER_MACRO) | keys_of(MICRO_SHAPE, MICRO, OTHER_MICRO)
    assert len({layer_seed(0, key) for key in keys}) == len(keys)
    assert len({layer_name(key) for key in keys}) == len(keys)
    assert not any("/" in layer_name(key) for key in keys)
    # Written down, so that an old state and a new release agree.
    assert layer_seed(0, ("layer", 3, "conv_5x5")) == 1958698974
    assert layer_name(("cell", 2, "input", -1, "block", 1)) == "cell_2_input_minus_1_block_1"


@pytest.mark.parametrize(
    "change",
    [{"channels": 6}, {"image_shape": (8, 8, 3)}, {"num_classes": 3}],
    ids=["channels", "image_channels", "classes"],
)
def test_a_store_refuses_another_shape_of_network(change):
    store = VariableStore()
    Network(MACRO, MACRO_SHAPE, store)
    shape = dataclasses.replace(MACRO_SHAPE, **change)
    with pytest.raises(StoreError, match=r"The layer of \('.*\) was made with .*\. Received: \("):
        Network(MACRO, shape, store)


def test_a_store_error_names_key_and_shapes():
    store = VariableStore()
    store.layer(Node(STEM, "stem", (), channels=4), [(None, 8, 8, 1)])
    with pytest.raises(StoreError) as info:
        store.layer(Node(STEM, "stem", (), channels=6), [(None, 8, 8, 3)])
    for part in ("('stem',)", "(4, 1, (1,))", "Received: (6, 1, (3,))"):
        assert part in str(info.value)


def test_a_store_refuses_another_stride():
    store = VariableStore()
    shapes = [(None, 8, 8, 4)]
    store.layer(Node(("a",), "conv_3x3", (), channels=4, stride=1), shapes)
    with pytest.raises(StoreError):
        store.layer(Node(("a",), "conv_3x3", (), channels=4, stride=2), shapes)


@BOTH_SPACES
def test_state_round_trip_is_exact_also_for_layers_not_asked_for_again(first, second, shape, tmp_path):
    store = VariableStore(9)
    for architecture in (first, second):
        Network(architecture, shape, store)
    keys = keys_of(shape, first, second)
    scramble(store, keys)
    state = to_disk_and_back(store.get_state(), tmp_path)

    restored = VariableStore(0)
    restored.set_state(*state)
    assert restored.seed == 9
    assert len(restored) == len(keys)
    assert all(key in restored for key in keys)
    Network(second, shape, restored)  # takes its layers over; the others of `first` still wait
    assert restored.updates == store.updates == dict.fromkeys(keys, 7)
    again = restored.get_state()
    assert again[0] == state[0]
    np.testing.assert_array_equal(again[1]["weights"], state[1]["weights"])

    Network(first, shape, restored)
    assert_same_values(arrays(restored, keys), arrays(store, keys))


def test_layers_that_a_state_does_not_know_start_from_its_seed():
    store, restored = VariableStore(9), VariableStore(0)
    Network(MACRO, MACRO_SHAPE, store)
    restored.set_state(*store.get_state())
    for one in (store, restored):
        Network(OTHER_MACRO, MACRO_SHAPE, one)
    keys = keys_of(MACRO_SHAPE, OTHER_MACRO)
    assert_same_values(arrays(restored, keys), arrays(store, keys))


def test_a_state_goes_into_layers_that_exist():
    store, other = VariableStore(9), VariableStore(0)
    for one in (store, other):
        network = Network(MACRO, MACRO_SHAPE, one)
    keys = keys_of(MACRO_SHAPE, MACRO)
    scramble(store, keys)
    other.set_state(*store.get_state())
    assert_same_values(arrays(other, keys), arrays(store, keys))
    assert Network(MACRO, MACRO_SHAPE, other).layers[STEM] is network.layers[STEM]


def test_an_empty_store_has_a_state():
    restored = VariableStore(0)
    restored.set_state(*VariableStore(4).get_state())
    assert (restored.seed, len(restored)) == (4, 0)


def test_the_order_of_a_state_does_not_depend_on_which_architecture_came_first():
    """By key, so it does not depend on the hashes of strings either, which differ from process to process."""
    forth, back = VariableStore(5), VariableStore(5)
    for store, order in ((forth, (MACRO, OTHER_MACRO)), (back, (OTHER_MACRO, MACRO))):
        for architecture in order:
            Network(architecture, MACRO_SHAPE, store)
    index, flat = forth.get_state()
    names = [str(tuple(entry["key"])) for entry in index["layers"]]
    assert names == sorted(names)
    assert len(names) == len(keys_of(MACRO_SHAPE, MACRO, OTHER_MACRO))
    assert back.get_state()[0] == index
    np.testing.assert_array_equal(back.get_state()[1]["weights"], flat["weights"])


def other_channels_state():
    store = VariableStore()
    Network(MACRO, dataclasses.replace(MACRO_SHAPE, channels=6), store)
    return store.get_state()


MISMATCH = (
    re.escape("The layer of ('stem',) has variables of the shapes [(3, 3, 1, 4), (4,)")
    + ".*"
    + re.escape("Received: [(3, 3, 1, 6), (6,)")
)


def test_a_state_of_other_shapes_is_refused_when_its_layer_is_asked_for_and_stays_refused():
    store = VariableStore()
    store.set_state(*other_channels_state())
    for _ in range(2):  # a second try must not find a layer with initial values
        with pytest.raises(StateError, match=MISMATCH):
            Network(MACRO, MACRO_SHAPE, store)


def test_a_state_of_other_shapes_is_refused_by_layers_that_exist():
    store = VariableStore()
    store.layer(Node(STEM, "stem", (), channels=4), [(None, 8, 8, 1)])
    with pytest.raises(StateError, match=MISMATCH):
        store.set_state(*other_channels_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda flat: flat[:-1], "arrays end before its index"), (lambda flat: np.append(flat, flat[:1]), "index names")],
    ids=["cut_short", "too_long"],
)
def test_a_state_whose_arrays_do_not_fit_its_index_is_refused_and_changes_nothing(change, message):
    store = VariableStore(1)
    Network(MACRO, MACRO_SHAPE, store)
    keys = keys_of(MACRO_SHAPE, MACRO)
    before = arrays(store, keys)
    index, flat = other_channels_state()
    with pytest.raises(StateError, match=message):
        store.set_state(index, {"weights": change(flat["weights"])})
    assert_same_values(arrays(store, keys), before)
    assert store.seed == 1


def test_snapshots_are_copies_and_restore_is_exact():
    store = VariableStore()
    Network(MACRO, MACRO_SHAPE, store)
    keys = keys_of(MACRO_SHAPE, MACRO)
    before, snapshot = arrays(store, keys), store.snapshot(keys)
    scramble(store, keys)
    assert all(all(changed) for changed in changes(before, arrays(store, keys)).values())
    store.restore(snapshot)
    assert_same_values(arrays(store, keys), before)


def test_depths_share_their_layers():
    """The progressive search extends: the first layers of a deeper network are those of the shallower one."""
    store = VariableStore()
    shape = NetworkShape((8, 8, 1), 10, channels=4, num_levels=6)
    short = Network(macro("conv_3x3", "max_pool_3x3"), shape, store)
    long = Network(macro("conv_3x3", "max_pool_3x3", "conv_3x3"), shape, store)
    assert short.layers.keys() <= long.layers.keys()
    assert all(long.layers[key] is layer for key, layer in short.layers.items())
