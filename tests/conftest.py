"""Fixtures that tests of several packages share."""

import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def without_grappler():
    """TensorFlow as `prepare_tensorflow` starts it for a search, for the rest of a module.

    Grappler would rewrite one graph so, another so, and take its time with each.
    """
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})
