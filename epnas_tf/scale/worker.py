"""What runs in each worker: the images, and a trainer whose own shared weights never change."""

import dataclasses
import functools
import os
import socket
from typing import Any

from epnas_tf import plugins
from epnas_tf.config import RunConfig
from epnas_tf.environment import versions
from epnas_tf.errors import ConfigError
from epnas_tf.scale.place import Task


@dataclasses.dataclass(frozen=True)
class WorkerSetup:
    """What a worker is made from.

    Attributes:
        configs: the settings of each search, the same but for the seed, with absolute paths of the data.
        digest: identifies the images, see `ImageData.digest`.
        plugins: modules to import, as named by a setting.
    """

    configs: tuple[RunConfig, ...]
    digest: str
    plugins: tuple[str, ...] = ()


class Worker:
    """A process of Ray's, which has a search's plugins before it is sent anything that is made of them.

    Args:
        modules: the plugins.
    """

    def __init__(self, modules: tuple[str, ...]) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ["KERAS_BACKEND"] = "tensorflow"
        self._refusal: ConfigError | None = None
        try:
            plugins.load(modules)
        except ConfigError as error:  # told by `ready`: an error here would be a worker that dies again and again
            self._refusal = error

    def ready(self) -> dict[str, Any]:
        """Where the worker is, and the versions of its packages; answered once it can train.

        Raises:
            ConfigError: if it cannot import a plugin.
        """
        if self._refusal is not None:
            raise ConfigError(f"A worker on {socket.gethostname()}: {self._refusal}")
        return {"host": socket.gethostname(), "pid": os.getpid(), "versions": versions()}


class ChildWorker(Worker):
    """Trains children in a process of its own. It is sent the shared values of a child's layers, and sends them back.

    Args:
        setup: what it is made from.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        super().__init__(setup.plugins)
        self._setup = setup

    @functools.cached_property
    def _trainers(self) -> list[Any]:
        """A trainer for each search, made when the first child needs them, also in a process that was started again.

        Raises:
            DataError: if the images are not those of the run.
        """
        from epnas_tf.children.setup import child_trainer, network_shape
        from epnas_tf.data.loading import load_same
        from epnas_tf.devices import prepare_tensorflow
        from epnas_tf.space import make_space

        config = self._setup.configs[0]
        prepare_tensorflow(config.child.xla, one_thread=True)
        space = make_space(config.space)
        data = load_same(config.data, config.seed, self._setup.digest)
        shape = network_shape(config, space, data)
        return [child_trainer(one, shape, data) for one in self._setup.configs]

    def ready(self) -> dict[str, Any]:
        """See `Worker.ready`."""
        found = super().ready()
        _ = self._trainers
        return found

    def run(self, task: Task, shared: Any, following: Task | None) -> Any:
        """Trains a child; see `ChildTrainer.outcome`."""
        trainer = self._trainers[task.search]
        for each in self._trainers:
            each.wait()  # two threads should not trace at a time
        ahead = None
        if following is not None:
            ahead = functools.partial(self._trainers[following.search].prepare_ahead, following.architecture)
        return trainer.outcome(task.architecture, task.seed, ahead, shared)
