"""Fixtures that tests of several packages share."""

import os
import signal

import pytest

from tests.bin.runs import THREADS

if "PYTEST_XDIST_WORKER" in os.environ:  # set before TensorFlow is imported: the workers share out the cores
    os.environ.update(dict.fromkeys(THREADS, "1"))

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # `nohup make test &`: what a test starts would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
