"""Where the children of a round are trained: an interface, and this process as the simplest place."""

import collections
import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from epnas_tf.children.outcome import ChildOutcome

if TYPE_CHECKING:  # a worker imports this before it prepares TensorFlow
    from epnas_tf.children.child import ChildTrainer


@dataclasses.dataclass(frozen=True)
class Task:
    """A child to train.

    Attributes:
        number: its number in the search, from 0.
        architecture: its architecture.
        seed: decides the order of the images and their augmentation.
        search: the position of its search among those of the place, from 0.
    """

    number: int
    architecture: Any
    seed: int
    search: int = 0


@dataclasses.dataclass(frozen=True)
class WorkerStatus:
    """What a worker does, and what it has done since it was started.

    Attributes:
        number: its number, from 1.
        place: the computer and the process that it is; "" while it starts.
        child: the number, from 0, of the child that it trains; None if it waits.
        children: the children that it has trained.
        busy: the fraction of its time that it was busy with children; 0 while it starts.
        lost: how often it was lost.
    """

    number: int
    place: str
    child: int | None
    children: int
    busy: float
    lost: int

    def __str__(self) -> str:
        return f"{self.children} children, busy {100 * self.busy:.0f} %" + (f", lost {self.lost}×" if self.lost else "")


class Events:
    """Receives what happens while a round is trained. This base class ignores it."""

    def began(self, task: Task) -> None:
        """The training of a child begins, also where it begins again elsewhere."""

    def workers_changed(self, workers: Sequence[WorkerStatus]) -> None:
        """A worker began a child, ended one, was started or lost."""

    def said(self, text: str) -> None:
        """Something happened that does not stop the search: a worker was lost, say."""


@dataclasses.dataclass(frozen=True, eq=False)
class Round:
    """The children of a search that start from the same shared weights.

    Attributes:
        tasks: the children.
        following: the child after them, to be traced ahead; None if it is not known.
        trainer: has the shared weights, which stay as they are.
        events: receives what happens meanwhile.
    """

    tasks: Sequence[Task]
    following: Task | None
    trainer: "ChildTrainer"
    events: Events


class Place(Protocol):
    """Trains the children of rounds, of one search or several."""

    @property
    def num_workers(self) -> int:
        """The number of children that it trains at a time."""

    @property
    def workers(self) -> list[WorkerStatus]:
        """What each worker does; none if this process trains the children."""

    def begin(self, round: Round) -> None:
        """Takes a round; a search has one at a time."""

    def done(self) -> tuple[Round, list[ChildOutcome]]:
        """Waits until one of the rounds is trained, and returns it with its outcomes in the order of its children."""

    def close(self) -> None:
        """Ends what the place has started."""


class ThisProcess:
    """Trains children one after the other in this process."""

    num_workers = 1

    def __init__(self) -> None:
        self._rounds: collections.deque[Round] = collections.deque()

    @property
    def workers(self) -> list[WorkerStatus]:
        """There are none."""
        return []

    def begin(self, round: Round) -> None:
        """See `Place.begin`."""
        self._rounds.append(round)

    def done(self) -> tuple[Round, list[ChildOutcome]]:
        """See `Place.done`."""
        one = self._rounds.popleft()
        outcomes = []
        for task, following in zip(one.tasks, [*one.tasks[1:], one.following], strict=True):
            one.events.began(task)
            ahead = None if following is None else functools.partial(one.trainer.prepare_ahead, following.architecture)
            outcomes.append(one.trainer.outcome(task.architecture, task.seed, ahead))
        one.trainer.wait()  # the next round may be another search's, and two threads should not trace at a time
        return one, outcomes

    def close(self) -> None:
        """Nothing was started."""
