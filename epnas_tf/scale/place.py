"""Where the children of a round are trained: an interface, and this process as the simplest place."""

import dataclasses
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
    """

    number: int
    architecture: Any
    seed: int


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


class Place(Protocol):
    """Trains the children of a round, all from the same shared weights."""

    @property
    def num_workers(self) -> int:
        """The number of children that it trains at a time."""

    @property
    def workers(self) -> list[WorkerStatus]:
        """What each worker does; none if this process trains the children."""

    def run(self, tasks: Sequence[Task], following: Any, events: Events) -> list[ChildOutcome]:
        """Trains children and returns their outcomes in the same order; the shared weights stay as they are.

        Args:
            tasks: the children.
            following: the architecture of the child after them, to be traced ahead; None if it is not known.
            events: receives what happens meanwhile.
        """

    def close(self) -> None:
        """Ends what the place has started."""


class ThisProcess:
    """Trains the children of a round one after the other in this process.

    Args:
        trainer: has the shared weights.
    """

    num_workers = 1

    @property
    def workers(self) -> list[WorkerStatus]:
        """There are none."""
        return []

    def __init__(self, trainer: "ChildTrainer") -> None:
        self._trainer = trainer

    def run(self, tasks: Sequence[Task], following: Any, events: Events) -> list[ChildOutcome]:
        """See `Place.run`."""
        after = [*(task.architecture for task in tasks[1:]), following]
        outcomes = []
        for task, next_one in zip(tasks, after, strict=True):
            events.began(task)
            outcomes.append(self._trainer.outcome(task.architecture, task.seed, next_one))
        return outcomes

    def close(self) -> None:
        """Nothing was started."""
