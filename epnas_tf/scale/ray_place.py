"""Workers on a Ray cluster: of this computer, or of several. Ray has their processes, their transfers and restarts."""

import collections
import contextlib
import dataclasses
import logging
import math
import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildOutcome
from epnas_tf.config import RunConfig, WorkersConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.data import ImageData
from epnas_tf.data.checks.places import absolute_places, resolved
from epnas_tf.environment import versions
from epnas_tf.errors import ConfigError, EPNASError, SearchError
from epnas_tf.options import from_values, values_of
from epnas_tf.scale.place import Events, Task, WorkerStatus
from epnas_tf.scale.worker import ChildWorker, WorkerSetup
from epnas_tf.space import build_graph

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about a person's search is sent anywhere
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # half a minute each, where what listens is no cluster

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError, RayTaskError

MAX_LOST = 5
"""Workers that may end while they train the same child, or before they can train, until the search stops."""

PATIENCE = 60.0
"""Seconds without any worker after which the search says what it waits for."""

RETRY = 0.5
"""Seconds until a worker that Ray starts again is asked again."""

LOCAL = "127.0.0.1"


@dataclasses.dataclass
class _Worker:
    """A worker, from the side of the search.

    Attributes:
        number: its number, from 1.
        actor: Ray's handle of it.
        starting: the answer that comes once it can train; None once it came.
        place: the computer and the process that it is.
        task: the child that it trains; None if it is free.
        answer: the answer that comes once that child is trained.
        next: the child that it was told to trace ahead.
        ready_since: the time, of `time.monotonic`, when it could train for the first time.
        children: the children that it has trained since.
        busy_seconds: the time that it was busy with them.
        lost: how often it was lost.
    """

    number: int
    actor: Any
    starting: Any
    place: str = ""
    task: Task | None = None
    answer: Any = None
    next: Task | None = None
    ready_since: float = math.inf
    children: int = 0
    busy_seconds: float = 0.0
    lost: int = 0

    @property
    def status(self) -> WorkerStatus:
        """What is told of it."""
        ready_seconds = max(time.monotonic() - self.ready_since, 1e-9)
        child = None if self.task is None else self.task.number
        busy = min(self.busy_seconds / ready_seconds, 1.0) if self.place else 0.0
        return WorkerStatus(self.number, self.place, child, self.children, busy, self.lost)

    @property
    def awaited(self) -> Any:
        """The answer that it owes; None if it owes none."""
        return self.starting if self.starting is not None else self.answer


class RayWorkers:
    """Trains the children of a round on Ray's workers; see `Place`.

    The result does not depend on the workers: each child is sent the shared values of its layers as they were at the
    start of the round, and its seed. A child whose worker is lost is trained again, from the same values.

    Args:
        workers: how many, and on which cluster.
        config: the settings of the run.
        trainer: has the shared weights.
        data: the images; a worker must read the same.
        events: receives what happens.

    Raises:
        ConfigError: if no cluster answers, or it is of another version.
    """

    def __init__(
        self, workers: WorkersConfig, config: RunConfig, trainer: ChildTrainer, data: ImageData, events: Events
    ) -> None:
        self._settings = workers
        self._trainer = trainer
        self._events = events
        self._lost: collections.Counter[int | None] = collections.Counter()  # workers, by the child that they trained
        self._alone_since: float | None = time.monotonic()
        self._owns_cluster = not ray.is_initialized()
        if self._owns_cluster:
            connect(workers)
        values = values_of(config)
        config = from_values(RunConfig, resolved(values, absolute_places(values)))
        self._workers: list[_Worker] = []
        try:
            self._setup = WorkerSetup(config, data.digest)
            with told_in_one_line():
                self._options = options_of(workers)
                self._add_workers()
        except BaseException:
            self.close()
            raise

    @property
    def num_workers(self) -> int:
        """The number of workers, those that are still starting included."""
        return len(self._workers)

    @property
    def workers(self) -> list[WorkerStatus]:
        """What each worker does."""
        return [worker.status for worker in self._workers]

    def run(self, tasks: Sequence[Task], following: Any, events: Events) -> list[ChildOutcome]:
        """See `Place.run`; large children go first, so that none is waited for alone at the end."""
        self._events = events
        outcomes: dict[int, ChildOutcome] = {}
        waiting = collections.deque(sorted(tasks, key=self._size, reverse=True))
        with told_in_one_line():
            self._add_workers()
            while len(outcomes) < len(tasks):
                for worker in self._workers:
                    if worker.awaited is None and (task := self._take(worker, waiting)) is not None:
                        self._begin(worker, task, waiting, following)
                for worker in self._answered():
                    if worker.starting is not None:
                        self._started(worker)
                    elif worker.task is not None:
                        task = worker.task
                        outcome = self._outcome(worker)
                        if outcome is None:
                            waiting.appendleft(task)
                        else:
                            outcomes[task.number] = outcome
        return [outcomes[task.number] for task in tasks]

    def close(self) -> None:
        """Ends the workers, and the cluster if it is of this computer alone."""
        for worker in self._workers if ray.is_initialized() else []:  # or Ray would connect anew
            with contextlib.suppress(RayError):
                ray.kill(worker.actor)
        self._workers = []
        if self._owns_cluster:
            ray.shutdown()

    def _size(self, task: Task) -> int:
        shape = self._trainer.shape
        return cost(build_graph(task.architecture, shape), shape.image_shape).multiply_adds

    def _add_workers(self) -> None:
        """Starts the workers that are missing; a cluster may have got more room."""
        wanted = self._settings.workers or room(self._settings)
        while len(self._workers) < max(wanted, 1):
            actor = self._new_actor()
            self._workers.append(_Worker(len(self._workers) + 1, actor, actor.ready.remote()))

    def _new_actor(self) -> Any:
        # Ray starts a lost one again, on another computer if need be; its child is sent again by `run`.
        return ray.remote(ChildWorker).options(max_restarts=-1, **self._options).remote(self._setup)

    def _take(self, worker: _Worker, waiting: "collections.deque[Task]") -> Task | None:
        """The next child for a worker: the one that it has traced, the next one, or one that another has traced."""
        owner = worker if worker.next else None
        if owner is None and not waiting:
            owner = next((other for other in self._workers if other.next), None)
        if owner is None:
            return waiting.popleft() if waiting else None
        task, owner.next = owner.next, None
        return task

    def _begin(self, worker: _Worker, task: Task, waiting: "collections.deque[Task]", following: Any) -> None:
        """Sends a child to a worker."""
        if len(waiting) >= len(self._workers):  # else another worker may be free first
            worker.next = waiting.popleft()
        ahead = following if len(self._workers) == 1 and not waiting else None
        ahead = worker.next.architecture if worker.next else ahead
        keys = build_graph(task.architecture, self._trainer.shape).keys
        worker.task = task
        worker.answer = worker.actor.run.remote(task, self._trainer.shared(keys), ahead)
        self._events.began(task)
        self._events.workers_changed(self.workers)

    def _answered(self) -> list[_Worker]:
        """Waits for answers, and returns the workers that gave one."""
        by_answer = {worker.awaited: worker for worker in self._workers if worker.awaited is not None}
        answers, _ = ray.wait(list(by_answer), timeout=1.0)
        if any(worker.starting is None for worker in self._workers):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > PATIENCE:
            self._alone_since = math.inf  # told once
            free = ray.available_resources()
            self._events.said(
                f"No worker has answered for {PATIENCE:.0f} s. Waiting until Ray has started one; the search can also "
                f"be stopped, and goes on later. Received: {free.get('CPU', 0):g} CPUs and {free.get('GPU', 0):g} GPUs "
                "free in the cluster"
            )
        return [by_answer[answer] for answer in answers]

    def _started(self, worker: _Worker) -> None:
        """Notes that a worker can train.

        Raises:
            ConfigError: if its packages are others than here.
        """
        try:
            found = answer_of(worker.starting)
        except ActorUnavailableError:  # Ray is still about to start it again
            time.sleep(RETRY)
            worker.starting = worker.actor.ready.remote()
            return
        except RayActorError as error:
            self._lose(worker, None, error)
            return
        worker.starting, worker.place = None, f"{found['host']}, process {found['pid']}"
        worker.ready_since = min(worker.ready_since, time.monotonic())
        self._lost[None] = 0
        if found["versions"] != versions():
            raise ConfigError(
                "A worker must have the same versions as this process, or results would differ. Install them there. "
                f"Received: on {found['host']} {found['versions']}, here {versions()}"
            )

    def _outcome(self, worker: _Worker) -> ChildOutcome | None:
        """The outcome of a worker's child; None if the worker was lost."""
        task, answer = worker.task, worker.answer
        worker.task = worker.answer = None
        try:
            outcome: ChildOutcome = answer_of(answer)
        except RayActorError as error:
            self._lose(worker, task, error)
            return None
        worker.children += 1
        worker.busy_seconds += sum(outcome.result.seconds)
        self._events.workers_changed(self.workers)
        return outcome

    def _lose(self, worker: _Worker, task: Task | None, error: RayActorError) -> None:
        """Goes on without a worker until Ray has started it again.

        Raises:
            SearchError: if workers are lost again and again.
        """
        number = None if task is None else task.number
        self._lost[number] += 1
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        did = "started" if task is None else f"trained child {task.number + 1}"
        if self._lost[number] >= MAX_LOST:
            raise SearchError(
                f"{MAX_LOST} workers have ended while they {did}. Too little memory is the usual "
                f"reason: fewer workers need less. The same command goes on. Received: {reason}"
            )
        again = "" if task is None else " The child is trained again, from the same weights."
        self._events.said(f"Worker {worker.number} ({worker.place or 'new'}) was lost while it {did}.{again}")
        worker.place, worker.lost = "", worker.lost + 1
        self._events.workers_changed(self.workers)
        if not isinstance(error, ActorUnavailableError):  # Ray has given it up
            with contextlib.suppress(RayError):
                ray.kill(worker.actor)
            worker.actor = self._new_actor()
        worker.starting = worker.actor.ready.remote()


def answer_of(future: Any) -> Any:
    """The answer of a worker.

    Raises:
        EPNASError: if it raised one.
        RayActorError: if it was lost.
    """
    try:
        return ray.get(future)
    except RayTaskError as error:
        if isinstance(error.cause, EPNASError):
            raise error.cause from None
        raise


@contextlib.contextmanager
def told_in_one_line() -> Iterator[None]:
    """Translates Ray's own failures, such as a full object store or a cluster that went away, into a clear error."""
    try:
        yield
    except RayTaskError:
        raise  # a bug of ours, which ran on a worker
    except RayError as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise SearchError(
            "Ray cannot go on. The same command does, from the last round, once the reason is mended. "
            f"Received: {type(error).__name__}: {first}"
        ) from error


def connect(workers: WorkersConfig) -> None:
    """Connects this process to a cluster, or starts one on this computer that ends with it.

    Raises:
        ConfigError: if no cluster answers, or it is of another version.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    # It prints pages of Ray's own log where a worker is lost, which no option turns off; `Events.said` tells of it.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    if workers.cluster:
        refuse_silent(workers.cluster)
    try:
        if workers.cluster:
            join(workers.cluster, quiet)
        else:
            ray.init(
                address="local",
                num_cpus=workers.workers,
                include_dashboard=False,
                _node_ip_address=LOCAL,
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError, RayError, OSError) as error:
        lines = str(error).strip().splitlines() or [""]
        raise ConfigError(
            "Workers need a Ray cluster that answers, of the same versions of Ray and Python as this process, and with "
            "the same token in ~/.ray/auth_token if it has one. "
            f"Received: {workers.cluster or 'this computer'}: {' '.join(line.strip() for line in lines[:4])}"
        ) from error


def join(address: str, options: dict[str, Any]) -> None:
    """Connects this process to a running cluster, with Ray's token if it cannot do without."""
    from ray._private.authentication import authentication_token_setup  # Ray does so by itself for "auto" alone

    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, RayError):
        if not authentication_token_setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False):
            raise
        ray.init(address=address, **options)


def refuse_silent(address: str) -> None:
    """Refuses an address at which nothing listens, at once; Ray would try for minutes.

    Raises:
        ConfigError: if nothing does.
    """
    host, colon, port = address.rpartition(":")
    if address == "auto" or "://" in address:
        return  # Ray looks for one on this computer, or knows the form
    if not (colon and port.isdecimal()):
        raise ConfigError(
            f"`cluster` must be HOST:PORT, as `ray start --head` prints it, or auto. Received: --cluster={address}"
        )
    if host in ("localhost", LOCAL):
        host = ray.util.get_node_ip_address()  # as Ray takes it
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            "`cluster` must be the address of a running Ray cluster, as `ray start --head` prints it. "
            f"Received: --cluster={address}, and nothing answers at {host}:{port} ({error})"
        ) from None


def options_of(workers: WorkersConfig) -> dict[str, Any]:
    """What of the cluster a worker takes: a CPU, and a part of a GPU where there are any.

    Raises:
        ConfigError: if this computer's GPUs have no room for the workers.
    """
    gpus = ray.cluster_resources().get("GPU", 0.0)
    if not gpus:
        return {"num_cpus": 1}
    if not workers.cluster and workers.workers > gpus * workers.workers_per_gpu:
        raise ConfigError(
            f"{workers.workers} workers need as many GPUs, or to share them: give "
            f"--workers_per_gpu={math.ceil(workers.workers / gpus)}. Received: {gpus:g} GPUs"
        )
    return {"num_cpus": 1, "num_gpus": 1 / workers.workers_per_gpu}


def room(workers: WorkersConfig) -> int:
    """The number of workers that the cluster has room for now."""
    has = ray.cluster_resources()
    by_gpu = has.get("GPU", 0.0) * workers.workers_per_gpu
    return int(by_gpu or has.get("CPU", 0.0))
