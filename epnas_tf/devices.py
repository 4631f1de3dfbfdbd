"""The start of TensorFlow, and the execution of steps: compiled by XLA, or on devices that share each batch."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from epnas_tf.errors import ConfigError

Step = Callable[..., Any]


def compiled(step: Step) -> Step:
    """Makes a step that XLA compiles."""
    return tf.function(step, autograph=False, jit_compile=True)


@functools.cache  # two in one process would give the same keys to different collective operations
def mirrored_strategy() -> tf.distribute.MirroredStrategy:
    """The strategy for all GPUs of this computer; without any, for its logical CPU devices.

    Raises:
        ConfigError: if there are fewer than two devices.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise ConfigError(
            f"`mirrored` needs two GPUs at least. Received: {', '.join(d.name for d in devices)}. Leave it out."
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def on_all_devices(step: Step, strategy: tf.distribute.Strategy) -> Step:
    """Makes a step that runs on every device of a strategy and returns the first result: all are the same."""

    def everywhere(*arguments: Any) -> Any:
        results = strategy.run(step, arguments)
        return tf.nest.map_structure(lambda result: strategy.experimental_local_results(result)[0], results)

    return everywhere


def num_replicas() -> int:
    """The number of devices that share the current step; 1 outside `on_all_devices`."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def part_of_replica(batch: tf.Tensor) -> tf.Tensor:
    """This device's part of a batch: all of it if there is only one device.

    Raises:
        ConfigError: if the batch does not divide evenly.
    """
    if num_replicas() == 1:
        return batch
    if batch.shape[0] is None or batch.shape[0] % num_replicas():
        raise ConfigError(
            f"With `mirrored`, every batch must have a multiple of {num_replicas()} images, an equal part for each "
            f"device. Received: {'a number that is not fixed' if batch.shape[0] is None else batch.shape[0]}. "
            "Choose --batch_size so."
        )
    size = batch.shape[0] // num_replicas()
    start = tf.distribute.get_replica_context().replica_id_in_sync_group * size
    return tf.ensure_shape(batch[start : start + size], [size, *batch.shape[1:]])


def mean_over_replicas(values: Any) -> Any:
    """The mean of a tensor, or of each tensor of a list, over the devices of a step; differentiable."""
    if num_replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


def prepare_tensorflow(xla: bool = False, long_runs: bool = False, one_thread: bool = False) -> None:
    """Starts TensorFlow: GPU memory grows on demand, and results on a CPU are reproducible.

    Deterministic operations slow a GPU down considerably, and some do not exist there, so they are enabled only on
    computers without a GPU.

    Args:
        xla: whether XLA compiles the steps. It has no deterministic gradient of max pooling, so deterministic
            operations are then not enabled.
        long_runs: whether a graph runs for many thousand steps, so that Grappler's passes are worth their time.
        one_thread: whether a CPU computes each operation with one thread, so that results do not depend on the number
            of its cores; for rounds of several children.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.prepare_tensorflow()  # once, before run_search
    """
    num_gpus = grow_gpu_memory()
    if not num_gpus and not xla:
        tf.config.experimental.enable_op_determinism()
    if one_thread and not num_gpus:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    # A child's graph runs for a few hundred steps, too few to make up for the time of Grappler's passes.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not long_runs})
    tf.config.list_logical_devices()


def grow_gpu_memory() -> int:
    """Lets GPU memory grow on demand, so that other trainings can run beside; returns the number of GPUs."""
    devices = tf.config.list_physical_devices("GPU")
    for device in devices:
        with contextlib.suppress(RuntimeError):  # the calling program has already started TensorFlow
            tf.config.experimental.set_memory_growth(device, True)
    return len(devices)
