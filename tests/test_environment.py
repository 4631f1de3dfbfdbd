"""What a person may have set for a whole process: it is refused by name, or no number depends on it."""

import contextlib
import json
import locale
import os
import platform
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.ops import debug_mode
from tensorflow.python.framework import ops
from tensorflow.python.util import _pywrap_util_port

import epnas_tf
from epnas_tf.environment import check_environment
from epnas_tf.errors import ConfigError
from epnas_tf.options import from_values
from epnas_tf.run.comparison import run_rank
from tests.bin import runs

FUNCTIONS = {
    "run_search": epnas_tf.run_search,
    "EPNASTuner": epnas_tf.EPNASTuner,
    "train_final": lambda *_: epnas_tf.train_final("nowhere"),
    "load_trained": lambda *_: epnas_tf.load_trained("nowhere"),
    "evaluate": lambda *_: epnas_tf.evaluate("nowhere"),
    "load_classifier": lambda *_: epnas_tf.load_classifier("nowhere"),
    "export_network": lambda *_: epnas_tf.export_network("nowhere"),
    "run_rank": run_rank,
}


@contextlib.contextmanager
def switched(on, off):
    on()
    try:
        yield
    finally:
        off()


def debugged_pipelines():
    return switched(tf.data.experimental.enable_debug_mode, lambda: debug_mode.toggle_debug_mode(False))


def without_cpu():
    """What `set_visible_devices([], "CPU")` leaves; TensorFlow takes that only before it is started."""
    patch = pytest.MonkeyPatch()
    return switched(lambda: patch.setattr(tf.config, "get_visible_devices", lambda *_: []), patch.undo)


REFUSED = {
    "no CPU": (without_cpu, "with the CPU visible to TensorFlow"),
    "in a graph": (lambda: tf.Graph().as_default(), "outside any tf.Graph.* Received: TensorFlow builds a graph"),
    "shapes of version 1": (
        lambda: switched(tf.compat.v1.disable_v2_tensorshape, tf.compat.v1.enable_v2_tensorshape),
        "without tf.compat.v1.disable_v2_tensorshape",
    ),
    "functions run eagerly": (
        lambda: switched(lambda: tf.config.run_functions_eagerly(True), lambda: tf.config.run_functions_eagerly(False)),
        r"after tf.config.run_functions_eagerly\(False\)",
    ),
    "tf.data in debug mode": (debugged_pipelines, "without tf.data.experimental.enable_debug_mode"),
    "numbers are checked": (
        lambda: switched(tf.debugging.enable_check_numerics, tf.debugging.disable_check_numerics),
        "after tf.debugging.disable_check_numerics",
    ),
    "types are converted": (
        # What `tf.experimental.numpy.experimental_enable_numpy_behavior` does, and nothing public undoes.
        lambda: switched(lambda: ops.set_dtype_conversion_mode("all"), lambda: ops.set_dtype_conversion_mode("off")),
        "with tf.experimental.numpy's dtype_conversion_mode",
    ),
    "in a stateless scope": (keras.StatelessScope, "outside any keras.StatelessScope"),
    "no gradients": (tf.init_scope, r"outside tf.init_scope\(\)"),
    "in a strategy's scope": (
        lambda: tf.distribute.OneDeviceStrategy("CPU:0").scope(),
        "outside the scope of a tf.distribute.Strategy",
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
@pytest.mark.parametrize(("setting", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_setting_that_would_break_the_work_is_refused_before_it(setting, message, function, tmp_path):
    with setting(), pytest.raises(ConfigError, match=f"epnas_tf must be called {message}"):
        function(None, tmp_path / "run")
    assert not list(tmp_path.iterdir())
    check_environment()


def test_another_backend_of_keras_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match=r"on TensorFlow. Received: jax. Start .* KERAS_BACKEND=tensorflow"):
        check_environment()


# The one function imports Keras with its module, the other when it is called.
@pytest.mark.parametrize("call", ["run_search(None, None)", "evaluate('nowhere')"])
def test_a_backend_that_is_not_there_is_told_as_such(call):
    code = f"import epnas_tf\ntry:\n    epnas_tf.{call}\nexcept epnas_tf.EPNASError as error:\n    print(error)"
    result = runs.call((*runs.SEARCH[:1], "-c", code), KERAS_BACKEND="theano")
    assert "Keras must run on TensorFlow. Received: Keras cannot be imported (ValueError: Unable to" in result.stdout
    assert "Traceback" not in result.stderr


def test_nnx_is_told_as_such_where_flax_is_not_there(monkeypatch):
    def backend():  # Keras raises it while it is imported
        raise ImportError("To use NNX with the JAX backend, you must install `flax`.")

    monkeypatch.setattr(keras.config, "backend", backend)
    with pytest.raises(ConfigError, match=r"To use NNX .* variable KERAS_NNX_ENABLED=false, which counts"):
        check_environment()


TUNED = """
from pathlib import Path
from tests.tuner.kt_helpers import SearchConfig, make_tuner, split_digits
x, y, validation_data = split_digits(60)
tuner = make_tuner(Path(".").absolute(), search=SearchConfig(k=1, iterations=1))
tuner.search(x, y, validation_data=validation_data, verbose=0)
print([trial.status for trial in tuner.oracle.get_best_trials(9)])
"""


def test_a_tuner_searches_where_every_warning_is_an_error(tmp_path):
    result = runs.call((*runs.SEARCH[:1], "-W", "error", "-c", TUNED), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(["COMPLETED"] * 3)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="TensorFlow has oneDNN for x86")
def test_onednn_is_on_unless_it_is_turned_off():
    assert _pywrap_util_port.IsMklEnabled()  # TensorFlow was imported after this package
    command = [sys.executable, "-c", "import os, epnas_tf; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"]
    variables = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    for given, expected in (({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")):
        printed = subprocess.run(command, env=variables | given, capture_output=True, text=True, check=True).stdout
        assert printed.strip() == expected


@contextlib.contextmanager
def everything_set():
    """Sets what Keras, TensorFlow and NumPy let a person set for a whole process, to other than its default."""
    floatx, epsilon, policy = keras.config.floatx(), keras.config.epsilon(), keras.config.dtype_policy()
    placement, generator = tf.config.get_soft_device_placement(), tf.random.get_global_generator()
    language = locale.setlocale(locale.LC_ALL)
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(1e-2)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("int8_from_mixed_bfloat16")
    keras.config.set_max_epochs(1)
    keras.config.set_max_steps_per_epoch(1)
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    tf.config.set_soft_device_placement(False)
    tf.random.set_global_generator(tf.random.Generator.from_seed(9))
    with contextlib.suppress(locale.Error):  # not on every computer
        locale.setlocale(locale.LC_ALL, "tr_TR.UTF-8")
    try:
        with np.errstate(all="raise"), np.printoptions(threshold=1, precision=1), warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_epsilon(epsilon)
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy(policy)
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)
        keras.distribution.set_distribution(None)
        tf.config.set_soft_device_placement(placement)
        tf.random.set_global_generator(generator)
        locale.setlocale(locale.LC_ALL, language)


def numbers(run_dir):
    """Returns the numbers of a search, a final training and its exports, each a tiny one."""
    values = {"layers": 2, "k": 1, "iterations": 1, "channels": 4, "epochs": 1, "train_images": 100}
    config = from_values(epnas_tf.RunConfig, {**values, "operations": ("conv_3x3", "max_pool_3x3")})
    epnas_tf.run_search(config, run_dir)
    settings = {"epochs": 1, "restart_epochs": 0, "channels": 4, "normal_cells": 1}
    epnas_tf.train_final(run_dir, epnas_tf.training_config(run_dir, train_images=100, **settings))
    export = epnas_tf.export_network(run_dir, ("saved_model", "keras"))
    exported = [epnas_tf.evaluate(file.path, config.data).metrics.to_dict() for file in export.files]
    written = json.loads((run_dir / "export" / "export.json").read_text(encoding="utf-8"))
    differences = [(entry["max_difference"], entry["equal_predictions"]) for entry in written["files"]]
    return runs.trials(run_dir), epnas_tf.evaluate(run_dir).metrics.to_dict(), exported, differences


@pytest.mark.usefixtures("without_grappler")
def test_no_number_from_search_to_export_depends_on_what_is_set_for_the_process(tmp_path):
    expected = numbers(tmp_path / "default")
    with everything_set():
        assert numbers(tmp_path / "set") == expected
