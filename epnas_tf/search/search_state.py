"""The saved state of a progressive search, besides the surrogate, as values for JSON and back."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from epnas_tf.errors import StateError
from epnas_tf.space.base import SearchSpace
from epnas_tf.surrogate.table import Indices

FORMAT = 3
"""Version of the saved state."""


@dataclasses.dataclass(frozen=True)
class SearchState:
    """The state of a search within its current level. The scores of earlier levels are arrays, see `ScoreTable`.

    Attributes:
        iteration: the current iteration, from 0.
        level: the current level, from 1.
        first_number: the trial number of the level's first architecture.
        chosen: the architectures of the level.
        predicted: their predicted scores.
        scores: the scores told so far, by position in `chosen`; None is a failure.
        rank_correlation: the rank correlation of the last completed level.
    """

    iteration: int
    level: int
    first_number: int
    chosen: list[Indices]
    predicted: list[float | None]
    scores: dict[int, float | None]
    rank_correlation: float | None

    def to_values(self, space: SearchSpace[Any, Any]) -> dict[str, Any]:
        """The state as values for JSON, with its format and its space."""
        return {
            "format": FORMAT,
            "space": describe_space(space),
            "iteration": self.iteration,
            "level": self.level,
            "first_number": self.first_number,
            "chosen": [list(indices) for indices in self.chosen],
            "predicted": list(self.predicted),
            "scores": [[position, score] for position, score in sorted(self.scores.items())],
            "rank_correlation": self.rank_correlation,
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any], space: SearchSpace[Any, Any], iterations: int) -> "SearchState":
        """Restores a state of `to_values`.

        Args:
            values: the values, as read from JSON.
            space: the space of the search to restore.
            iterations: the number of iterations of that search.

        Raises:
            StateError: if the state is of another format or of another space, incomplete, or contradicts itself.
        """
        if values.get("format") != FORMAT:
            raise StateError(f"A search state must have format {FORMAT}. Received: format={values.get('format')!r}")
        expected = describe_space(space)
        if values.get("space") != expected:
            raise StateError(
                f"The state must be of the space {expected}. Give the same levels and operations to go on with it, or "
                f"start anew elsewhere. Received: space={values.get('space')}"
            )
        try:
            correlation = values["rank_correlation"]
            state = cls(
                **{key: int(values[key]) for key in ("iteration", "level", "first_number")},
                chosen=[_indices(indices) for indices in values["chosen"]],
                predicted=[_optional(score) for score in values["predicted"]],
                scores={int(position): _optional(score) for position, score in values["scores"]},
                rank_correlation=_optional(correlation),
            )
            for indices in state.chosen:
                space.architecture(indices)
        except (KeyError, TypeError, ValueError) as error:  # an ArchitectureError is a ValueError
            raise StateError(f"The search state is incomplete or broken. Received: {error!r}") from error
        state._check(space, iterations)
        return state

    def _check(self, space: SearchSpace[Any, Any], iterations: int) -> None:
        """Raises StateError unless the parts agree with each other and with the search."""
        if not (0 <= self.iteration < iterations and 1 <= self.level <= space.num_levels):
            raise StateError(
                f"The state must be of a search of {iterations} iterations and {space.num_levels} levels. "
                f"Received: iteration {self.iteration + 1}, level {self.level}"
            )
        # An iteration of whole networks has as many rounds as there are levels.
        levels_agree = {len(indices) for indices in self.chosen} in ({self.level}, {space.num_levels})
        scores_agree = all(0 <= position < len(self.chosen) for position in self.scores)
        if not (self.chosen and levels_agree and len(self.chosen) == len(self.predicted) and scores_agree):
            raise StateError(
                f"The search state contradicts itself. Received: {len(self.chosen)} architectures of level {self.level}"
                f", {len(self.predicted)} predictions, scores of {sorted(self.scores)}"
            )


def describe_space(space: SearchSpace[Any, Any]) -> dict[str, Any]:
    """A description of a space for JSON that tells it from others: indices are valid in one table of extensions only.

    The extensions of level 1 stand for the operations and their order, in which spaces of one shape may differ.
    """
    extensions = [space.num_extensions(level) for level in range(1, space.num_levels + 1)]
    first = "\n".join(repr(space.extension(1, index)) for index in range(extensions[0]))
    return {
        "name": space.name,
        "num_features": space.num_features,
        "num_extensions": extensions,
        "first_level": hashlib.sha256(first.encode()).hexdigest(),
    }


def _indices(values: Any) -> Indices:
    return tuple(int(index) for index in values)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
