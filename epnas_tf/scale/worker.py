"""What runs in each worker: the images, and a trainer whose own shared weights never change."""

import dataclasses
import functools
import os
import socket
from typing import Any

from epnas_tf.config import RunConfig
from epnas_tf.environment import versions
from epnas_tf.errors import DataError
from epnas_tf.scale.place import Task


@dataclasses.dataclass(frozen=True)
class WorkerSetup:
    """What a worker is made from.

    Attributes:
        config: the settings of the run, with absolute paths of its data.
        digest: identifies the images, see `ImageData.digest`.
    """

    config: RunConfig
    digest: str


class ChildWorker:
    """Trains children in a process of its own. It is sent the shared values of a child's layers, and sends them back.

    Args:
        setup: what it is made from.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup

    @functools.cached_property
    def _trainer(self) -> Any:
        """The trainer, which is made when the first child needs it, also in a process that was started again.

        Raises:
            DataError: if the images are not those of the run.
        """
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ["KERAS_BACKEND"] = "tensorflow"
        from epnas_tf import data as data_module
        from epnas_tf.children.setup import child_trainer, network_shape
        from epnas_tf.devices import prepare_tensorflow
        from epnas_tf.space import make_space

        config = self._setup.config
        prepare_tensorflow(config.child.xla, one_thread=True)
        space = make_space(config.space)
        data = data_module.load(config.data, config.seed)
        if data.digest != self._setup.digest:
            raise DataError(
                f"A worker on {socket.gethostname()} must read the same images as the search: put the same files "
                f"there. Received: other images in {config.data.dataset}"
            )
        return child_trainer(config, network_shape(config, space, data), data)

    def ready(self) -> dict[str, Any]:
        """Where the worker is, and the versions of its packages; answered once it can train."""
        _ = self._trainer
        return {"host": socket.gethostname(), "pid": os.getpid(), "versions": versions()}

    def run(self, task: Task, shared: Any, following: Any) -> Any:
        """Trains a child; see `ChildTrainer.outcome`."""
        return self._trainer.outcome(task.architecture, task.seed, following, shared)
