"""Looks into a store: copies of what it holds, and what differs between two copies."""

import numpy as np
import tensorflow as tf

from epnas_tf.network.layout import Layout
from epnas_tf.space import build_graph


def keys_of(shape, *architectures):
    """Returns the keys of the networks of some architectures."""
    return {key for architecture in architectures for key in build_graph(architecture, shape).keys}


def arrays(store, keys):
    """Returns copies of all weights and batch norm statistics of some layers: key → list of arrays."""
    return store.snapshot(keys)


def split_values(store, network):
    """Returns a network's trainable variables and its other ones, each layer's flat, as tensors: two dictionaries."""
    layout = Layout(store, network.layers)
    values = layout.read()
    return layout.weights.split(tf.constant(values.weights)), layout.statistics.split(tf.constant(values.statistics))


def changes(before, after):
    """Returns for each key whether each of its arrays changed in any bit."""
    assert before.keys() == after.keys()
    return {
        key: [old.tobytes() != new.tobytes() for old, new in zip(before[key], after[key], strict=True)]
        for key in before
    }


def assert_same_values(found, expected):
    """Fails unless two copies have the same keys and are equal bit for bit."""
    assert found.keys() == expected.keys()
    for key in expected:
        for one, other in zip(found[key], expected[key], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=str(key))
