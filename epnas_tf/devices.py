"""How TensorFlow is started, and what a step runs on: compiled by XLA, or on devices that share each batch."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from epnas_tf.errors import ConfigError

Step = Callable[..., Any]


def compiled(step: Step) -> Step:
    """Returns a step that XLA compiles."""
    return tf.function(step, autograph=False, jit_compile=True)


@functools.cache  # two in one process would give the same keys to different collective operations
def mirrored_strategy() -> tf.distribute.MirroredStrategy:
    """Returns the strategy for all GPUs of this computer; where there is none, for its logical CPU devices.

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
    """Returns a step that runs on every device of a strategy, and gives what the first one gives: all the same."""

    def everywhere(*arguments: Any) -> Any:
        results = strategy.run(step, arguments)
        return tf.nest.map_structure(lambda result: strategy.experimental_local_results(result)[0], results)

    return everywhere


def num_replicas() -> int:
    """Returns how many devices take the present step together; 1 outside `on_all_devices`."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def part_of_replica(batch: tf.Tensor) -> tf.Tensor:
    """Returns the part of a batch that is this device's: all of it where there is but one.

    Raises:
        ConfigError: if the devices do not share it evenly.
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
    """Returns the mean of a tensor, or of each of a list, over the devices of a step; differentiable."""
    if num_replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


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
