"""Makes the place that the settings of the workers ask for."""

from collections.abc import Sequence

from epnas_tf.config import RunConfig, WorkersConfig
from epnas_tf.data import ImageData
from epnas_tf.scale.place import Events, Place, ThisProcess


def make_place(workers: WorkersConfig, configs: Sequence[RunConfig], data: ImageData, events: Events) -> Place:
    """Makes the place where the children of searches are trained.

    Args:
        workers: the workers.
        configs: the settings of each search, the same but for the seed.
        data: the images; a worker must read the same.
        events: receives what happens while the workers start.

    Raises:
        ConfigError: if no cluster answers, or it is of another version.
    """
    if workers.is_this_process:
        return ThisProcess()
    from epnas_tf.scale.ray_place import RayWorkers

    return RayWorkers(workers, configs, data, events)
