"""How TensorFlow is started by the commands."""

import contextlib

import tensorflow as tf


def prepare_tensorflow(xla: bool = False, long_runs: bool = False) -> None:
    """Starts TensorFlow: GPU memory as it is needed, and on the CPU the same numbers for the same seed.

    Deterministic operations cost a GPU much of its speed, and some do not exist there, so they are asked for on
    computers without one.

    Args:
        xla: whether XLA compiles the steps: it has no deterministic form of max pooling's gradient, so deterministic
            operations are then not asked for.
        long_runs: whether a graph runs for many thousand steps, so that Grappler's passes are worth their time.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.prepare_tensorflow()  # once, before run_search
    """
    if not grow_gpu_memory() and not xla:
        tf.config.experimental.enable_op_determinism()
    # A child's graph runs for a few hundred steps: what Grappler's passes cost before the first is not won back.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not long_runs})
    tf.config.list_logical_devices()


def grow_gpu_memory() -> int:
    """Takes GPU memory as it is needed, so that a training beside this can go on; returns the number of GPUs."""
    devices = tf.config.list_physical_devices("GPU")
    for device in devices:
        with contextlib.suppress(RuntimeError):  # a program that uses us has started TensorFlow its own way
            tf.config.experimental.set_memory_growth(device, True)
    return len(devices)
