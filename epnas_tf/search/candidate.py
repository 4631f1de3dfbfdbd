"""What a search hands out, an architecture to be trained, and what it gives in the end, a place in a ranking."""

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
    """A whole architecture in its place among all that were scored.

    Attributes:
        space: its search space.
        indices: the architecture, as one extension index a level.
        number: the number of its newest trial that was scored.
        score: its newest score in [0, 1].
        estimate: what it is ranked by: the score, or an estimate of what it would be without noise.
    """

    space: SearchSpace[A, Any] = dataclasses.field(repr=False, compare=False)
    indices: Indices
    number: int
    score: float
    estimate: float

    @property
    def architecture(self) -> A:
        """The architecture; made when it is asked for, as most of a ranking never is."""
        return self.space.architecture(self.indices)
