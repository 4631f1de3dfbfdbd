"""The versions of the packages, and checks of Keras's and TensorFlow's settings.

Both are imported inside the functions, as that may fail, too.
"""

import contextlib
import platform
from typing import Any

from epnas_tf.errors import ConfigError

PACKAGES = ("epnas-tf", "tensorflow", "keras", "numpy")


def versions() -> dict[str, str]:
    """The versions that results depend on, by package, and that of Python."""
    from importlib import metadata  # takes a moment to import

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def check_environment() -> None:
    """Rejects settings of Keras or TensorFlow in this process under which the package cannot work.

    Every function that trains, evaluates or exports calls it first. All other settings (Keras's `floatx`, data format
    and dtype policy, NumPy's `seterr`, …) do not affect the results.

    Raises:
        ConfigError: if Keras does not run on TensorFlow; TensorFlow runs functions or data pipelines eagerly to debug
            them, checks each operation's numbers, converts data types, sees no CPU, or does not run eagerly otherwise;
            or the call is within a scope of a strategy or another one in which nothing can be trained.
    """
    check_backend()
    import tensorflow as tf
    from keras.src.backend.common.stateless_scope import in_stateless_scope  # these four have no public function
    from tensorflow.python.data.ops import debug_mode
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    if not tf.config.get_visible_devices("CPU"):  # without one, even what follows would fail
        raise ConfigError(
            "epnas_tf must be called with the CPU visible to TensorFlow: data are prepared there. "
            'Received: tf.config.set_visible_devices([], "CPU").'
        )
    rules = (
        (
            not tf.executing_eagerly(),
            "outside any tf.Graph, and without tf.compat.v1.disable_eager_execution()",
            "TensorFlow builds a graph",
        ),
        (
            not isinstance(tf.TensorShape([1])[0], int),
            "without tf.compat.v1.disable_v2_tensorshape()",
            "TensorFlow has shapes of its version 1",
        ),
        (
            tf.config.functions_run_eagerly(),
            "after tf.config.run_functions_eagerly(False)",
            "TensorFlow runs functions eagerly",
        ),
        (debug_mode.DEBUG_MODE, "without tf.data.experimental.enable_debug_mode()", "tf.data is in its debug mode"),
        (
            bool(context.context().op_callbacks),
            "after tf.debugging.disable_check_numerics() and experimental.disable_dump_debug_info()",
            "TensorFlow looks into every operation",
        ),
        (
            ops.is_auto_dtype_conversion_enabled(),
            'with tf.experimental.numpy\'s dtype_conversion_mode at "legacy", its default',
            "TensorFlow converts data types by itself",
        ),
        (tf.distribute.has_strategy(), "outside the scope of a tf.distribute.Strategy", "the call is within one"),
        (in_stateless_scope(), "outside any keras.StatelessScope", "the call is within one"),
        (not _records_gradients(tf), "outside tf.init_scope() and stop_recording()", "no gradient is recorded"),
    )
    for broken, expected, received in rules:
        if broken:
            raise ConfigError(f"epnas_tf must be called {expected}. Received: {received}.")


def _records_gradients(tf: Any) -> bool:
    with tf.GradientTape() as tape:
        x = tf.constant(1.0)
        tape.watch(x)
        y = tf.square(x)
    return tape.gradient(y, x) is not None


def check_backend() -> None:
    """Rejects any Keras backend but TensorFlow; imports Keras.

    Raises:
        ConfigError: if Keras has another backend, or cannot be imported with it or with its keras.json.
    """
    try:
        import keras

        found = keras.config.backend()
    except Exception as error:  # differs by cause: a backend that is unknown or not installed, a broken keras.json
        found = f"Keras cannot be imported ({type(error).__name__}: {error})"
    if found != "tensorflow":
        remedy = "KERAS_NNX_ENABLED=false" if "NNX" in found else "KERAS_BACKEND=tensorflow"
        raise ConfigError(
            f"Keras must run on TensorFlow. Received: {found}. Start Python anew with the environment variable "
            f"{remedy}, which counts for more than the file keras.json, or mend that file."
        )
