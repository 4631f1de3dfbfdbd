"""The values that a search gives out: architectures to train, and places in its ranking."""

import dataclasses
from typing import Any, Generic, TypeVar

from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.table import Indices

A = TypeVar("A")


@dataclasses.dataclass(frozen=True)
class Candidate(Generic[A]):
    """An architecture to train and score.

    Attributes:
        number: the trial's number, from 0.
        architecture: the architecture.
        iteration: the iteration over all levels, from 0.
        level: the architecture's depth, from 1.
        temperature: the sampling temperature τ of the iteration.
        predicted: the surrogate's score when the architecture was chosen, about in [0, 1]; None before the first fit.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.SearchConfig(k=3, shuffle=False)
        >>> search = epnas_tf.ProgressiveSearch(epnas_tf.MacroSpace(layers=2), config)
        >>> (candidate,) = search.ask(1)
        >>> candidate.number, candidate.level, str(candidate.architecture)
        (0, 1, '1 max_pool_3x3')
    """

    number: int
    architecture: A
    iteration: int
    level: int
    temperature: float
    predicted: float | None


@dataclasses.dataclass(frozen=True)
class Ranked(Generic[A]):
    """A whole architecture in the ranking of all that were scored.

    Attributes:
        space: its search space.
        indices: the architecture, as one extension index a level.
        number: the number of its newest scored trial.
        score: its newest score in [0, 1].
        estimate: the value it is ranked by: the score, or an estimate of the score without noise.
    """

    space: SearchSpace[A, Any] = dataclasses.field(repr=False, compare=False)
    indices: Indices
    number: int
    score: float
    estimate: float

    @property
    def architecture(self) -> A:
        """The architecture, made on request: most of a ranking is never looked at."""
        return self.space.architecture(self.indices)
