"""Fixtures that tests of several packages share."""

import contextlib
import functools
import gc
import os
import signal
from pathlib import Path

import pytest

from tests.bin.runs import THREADS

TESTS = Path(__file__).parent

if "PYTEST_XDIST_WORKER" in os.environ:  # set before TensorFlow is imported: the workers share out the cores
    os.environ.update(dict.fromkeys(THREADS, "1"))

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # as there, Ray keeps to the loopback interface

os.environ["EPNAS_CACHE"] = "off"  # tests leave nothing in a person's folders; those of the cache have their own

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # `nohup make test &`: what a test starts would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The files that take longest. They begin first, so that no worker is left with one of them at the end.
LONG = (
    "scale/test_ray_place.py",
    "export/test_exporter.py",
    "test_docs.py",
    "bin/test_resume.py",
    "children/test_child.py",
    "bin/test_bad_input.py",
    "bin/test_export.py",
    "run/test_runner.py",
    "bin/test_console.py",
    "test_environment.py",
    "bin/test_plugin.py",
    "bin/test_train.py",
    "nn/test_conformance.py",
    "run/test_compare.py",
    "run/test_comparison.py",
    "run/test_searches.py",
    "scale/test_pool.py",  # waits for the end of `test_ray_place.py`
    "training/test_trainer.py",
    "benchmarks/test_tabular.py",
    "tuner/test_tuner.py",
    "tuner/test_distributed.py",
    "test_readme.py",
    "test_notebooks.py",
    "training/test_steps.py",
    "tuner/test_hypermodel.py",
    "training/test_optimizer.py",
    "tuner/test_oracle.py",
    "test_docstrings.py",
)


def pytest_collection_modifyitems(items):
    order = {TESTS / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="module", autouse=True)
def _only_new_garbage():
    """Limits garbage collection to what tests make, not all of TensorFlow again and again; a search ends that."""
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="module")
def without_jit():
    """Keras's `fit` without XLA, which compiles for seconds what a test trains for an instant."""
    import keras

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", functools.partialmethod(keras.Model.compile, jit_compile=False))
        yield


@contextlib.contextmanager
def disabled_grappler():
    """TensorFlow as `prepare_tensorflow` starts it for a search.

    Grappler would rewrite one graph so, another so, and take its time with each.
    """
    import tensorflow as tf  # not where pytest's workers are only looked after

    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})


@pytest.fixture(scope="module")
def without_grappler():
    """See `disabled_grappler`; for the rest of a module."""
    with disabled_grappler():
        yield
