"""Workers for the children of rounds. Ray has their processes, their transfers and restarts."""

import collections
import contextlib
import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError

from epnas_tf import plugins
from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildOutcome
from epnas_tf.config import RunConfig, WorkersConfig
from epnas_tf.cost.network_cost import cost
from epnas_tf.data import ImageData
from epnas_tf.data.checks.places import absolute
from epnas_tf.errors import SearchError
from epnas_tf.scale.cluster import MAX_LOST, connect, options_of, refuse_other_versions, room, told_in_one_line
from epnas_tf.scale.place import Events, Round, Task, WorkerStatus
from epnas_tf.scale.worker import ChildWorker, WorkerSetup
from epnas_tf.space import build_graph

PATIENCE = 60.0
"""Seconds without any worker after which the search says what it waits for."""

RETRY = 0.5
"""Seconds until a worker that Ray starts again is asked again."""


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
        configs: the settings of each search, the same but for the seed.
        data: the images; a worker must read the same.
        events: receives what happens to the workers.

    Raises:
        ConfigError: if no cluster answers, or it is of another version.
    """

    def __init__(self, workers: WorkersConfig, configs: Sequence[RunConfig], data: ImageData, events: Events) -> None:
        self._settings = workers
        self._events = events
        self._rounds: dict[int, Round] = {}  # by the position of the search, like what follows
        self._outcomes: dict[int, dict[int, ChildOutcome]] = {}
        self._waiting: collections.deque[Task] = collections.deque()
        self._lost: collections.Counter[Task | None] = collections.Counter()  # workers, by the child that they trained
        self._alone_since: float | None = time.monotonic()
        self._owns_cluster = not ray.is_initialized()
        if self._owns_cluster:
            connect(workers)
        settings = tuple(absolute(config) for config in configs)
        self._workers: list[_Worker] = []
        try:
            self._setup = WorkerSetup(settings, data.digest, plugins.loaded())
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

    def begin(self, round: Round) -> None:
        """See `Place.begin`; large children go first, so that none is waited for alone at the end."""
        search = round.tasks[0].search
        self._rounds[search], self._outcomes[search] = round, {}
        self._waiting.extend(sorted(round.tasks, key=lambda task: multiply_adds(task, round.trainer), reverse=True))
        with told_in_one_line():
            self._add_workers()
            self._give()

    def done(self) -> tuple[Round, list[ChildOutcome]]:
        """See `Place.done`."""
        with told_in_one_line():
            while not (whole := [n for n, one in self._rounds.items() if len(self._outcomes[n]) == len(one.tasks)]):
                for worker in self._answered():
                    if worker.starting is not None:
                        self._started(worker)
                    elif worker.task is not None:
                        task = worker.task
                        outcome = self._outcome(worker)
                        if outcome is None:
                            self._waiting.appendleft(task)
                        else:
                            self._outcomes[task.search][task.number] = outcome
                self._give()
        one, outcomes = self._rounds.pop(whole[0]), self._outcomes.pop(whole[0])
        return one, [outcomes[task.number] for task in one.tasks]

    def close(self) -> None:
        """Ends the workers, and the cluster if it is of this computer alone."""
        for worker in self._workers if ray.is_initialized() else []:  # or Ray would connect anew
            with contextlib.suppress(RayError):
                ray.kill(worker.actor)
        self._workers = []
        if self._owns_cluster:
            ray.shutdown()

    def _add_workers(self) -> None:
        """Starts the workers that are missing; a cluster may have got more room."""
        wanted = self._settings.workers or room(self._settings)
        while len(self._workers) < max(wanted, 1):
            actor = self._new_actor()
            self._workers.append(_Worker(len(self._workers) + 1, actor, actor.ready.remote()))

    def _new_actor(self) -> Any:
        # Ray starts a lost one again, on another computer if need be; its child is sent again by `run`.
        return ray.remote(ChildWorker).options(max_restarts=-1, **self._options).remote(self._setup)

    def _give(self) -> None:
        """Sends children to the workers that are free."""
        for worker in self._workers:
            if worker.awaited is None and (task := self._take(worker)) is not None:
                self._send(worker, task)

    def _take(self, worker: _Worker) -> Task | None:
        """The next child for a worker: the one that it has traced, the next one, or one that another has traced."""
        owner = worker if worker.next else None
        if owner is None and not self._waiting:
            owner = next((other for other in self._workers if other.next), None)
        if owner is None:
            return self._waiting.popleft() if self._waiting else None
        task, owner.next = owner.next, None
        return task

    def _send(self, worker: _Worker, task: Task) -> None:
        """Sends a child to a worker, and which one to trace meanwhile."""
        one = self._rounds[task.search]
        if len(self._waiting) >= len(self._workers):  # else another worker may be free first
            worker.next = self._waiting.popleft()
        following = one.following if len(self._workers) == 1 and not self._waiting else None
        keys = build_graph(task.architecture, one.trainer.shape).keys
        worker.task = task
        worker.answer = worker.actor.run.remote(task, one.trainer.shared(keys), worker.next or following)
        one.events.began(task)
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
            found = ray.get(worker.starting)
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
        refuse_other_versions(found)

    def _outcome(self, worker: _Worker) -> ChildOutcome | None:
        """The outcome of a worker's child; None if the worker was lost."""
        task, answer = worker.task, worker.answer
        worker.task = worker.answer = None
        try:
            outcome: ChildOutcome = ray.get(answer)
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
        self._lost[task] += 1
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        did = "started" if task is None else f"trained child {task.number + 1}"
        if self._lost[task] >= MAX_LOST:
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


def multiply_adds(task: Task, trainer: ChildTrainer) -> int:
    """The size of a child's network."""
    return cost(build_graph(task.architecture, trainer.shape), trainer.shape.image_shape).multiply_adds
