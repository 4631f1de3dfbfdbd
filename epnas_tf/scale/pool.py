"""Workers for trainings that do not depend on each other, such as those of a comparison."""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
from ray.util import ActorPool

from epnas_tf.config import WorkersConfig
from epnas_tf.errors import ConfigError
from epnas_tf.plugins import loaded
from epnas_tf.scale.cluster import MAX_LOST, connect, options_of, refuse_other_versions, room, told_in_one_line
from epnas_tf.scale.worker import Worker

START = 300.0
"""Seconds that all workers may take to start."""


class PoolWorker(Worker):
    """Applies a function to one task after the other in a process of its own.

    Args:
        modules: the plugins.
        place: the module and the name of what makes the function from a setup; imported when first needed.
    """

    def __init__(self, modules: tuple[str, ...], place: tuple[str, str]) -> None:
        super().__init__(modules)
        self._place = place
        self._function: Callable[[Any], Any] | None = None

    def _made(self, setup: Any) -> Callable[[Any], Any]:
        from epnas_tf.devices import prepare_tensorflow

        prepare_tensorflow(long_runs=True, one_thread=True)
        module, name = self._place
        function: Callable[[Any], Any] = getattr(importlib.import_module(module), name)(setup)
        return function

    def run(self, setup: Any, number: int, task: Any) -> tuple[int, Any]:
        """Returns the task's number, and what the function makes of it.

        Args:
            setup: what the function is made from; the same for all tasks.
            number: the task's number.
            task: the task.
        """
        self._function = self._function or self._made(setup)
        return number, self._function(task)


def side_by_side(workers: WorkersConfig, place: tuple[str, str], setup: Any, tasks: Sequence[Any]) -> Iterator[Any]:
    """Yields what a function makes of each task, in their order; workers train them side by side.

    The task of a worker that is lost is sent again.

    Args:
        workers: how many, and on which cluster.
        place: see `PoolWorker`.
        setup: sent to each worker.
        tasks: sent one by one.

    Raises:
        EPNASError: whatever the function raises, and if no cluster answers or workers end again and again.
    """
    owns_cluster = not ray.is_initialized()
    if owns_cluster:
        connect(workers)
    actors: list[Any] = []
    try:
        with told_in_one_line():
            count = min(workers.workers or max(room(workers), 1), len(tasks))
            options = {"max_restarts": -1, "max_task_retries": MAX_LOST, **options_of(workers)}
            kept = ray.put(setup)
            actors = [ray.remote(PoolWorker).options(**options).remote(loaded(), place) for _ in range(count)]
            answers, missing = ray.wait([actor.ready.remote() for actor in actors], num_returns=count, timeout=START)
            for found in ray.get(answers):
                refuse_other_versions(found)
            if missing:
                raise ConfigError(
                    f"Of {count} workers {len(missing)} have not started within {START:.0f} s; fewer --workers may "
                    f"fit. Received: a cluster with {room(workers)} places"
                )
            pool = ActorPool(actors)
            for number, task in enumerate(tasks):
                pool.submit(lambda actor, each: actor.run.remote(*each), (kept, number, task))
            done: dict[int, Any] = {}
            for number in range(len(tasks)):
                while number not in done:
                    found, result = pool.get_next_unordered()
                    done[found] = result
                yield done.pop(number)
    finally:
        for actor in actors if ray.is_initialized() else []:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(actor)
        if owns_cluster:
            ray.shutdown()
