"""Makes the place that the settings of the workers ask for."""

from epnas_tf.children.child import ChildTrainer
from epnas_tf.config import RunConfig, WorkersConfig
from epnas_tf.data import ImageData
from epnas_tf.scale.place import Events, Place, ThisProcess


def make_place(
    workers: WorkersConfig, config: RunConfig, trainer: ChildTrainer, data: ImageData, events: Events
) -> Place:
    """Makes the place where a run's children are trained.

    Args:
        workers: the workers.
        config: the settings of the run.
        trainer: has the shared weights.
        data: the images; a worker must read the same.
        events: receives what happens while the workers start.

    Raises:
        ConfigError: if no cluster answers, or it is of another version.
    """
    if workers.is_this_process:
        return ThisProcess(trainer)
    from epnas_tf.scale.ray_place import RayWorkers

    return RayWorkers(workers, config, trainer, data, events)
