"""Children that learn nothing: a search whose scores say nothing goes on to its end unless somebody is told."""

import math

import numpy as np
import numpy.typing as npt

from epnas_tf.config import ChildConfig

PATIENCE = 10
"""Children in a row that are no accident."""

DEVIATIONS = 2.0
"""How far beyond chance a score must be to say something, in standard deviations of a guess's."""


class NoLearningMonitor:
    """Notices children that, one after the other, score no better than guesses.

    Networks that learned nothing do not all answer the same class, so a score of chance is one that a guess which is
    right as often as the most common class may have.

    Args:
        labels: int [n], the labels that the children are scored by.
        child: how the children are trained.

    Attributes:
        in_a_row: how many children of the last ones scored so; a search that goes on begins with it.
    """

    def __init__(self, labels: npt.NDArray[np.integer], child: ChildConfig) -> None:
        self.chance = float(np.bincount(labels).max() / len(labels))
        self.bound = self.chance + DEVIATIONS * math.sqrt(self.chance * (1 - self.chance) / len(labels))
        self._child = child
        self.in_a_row = 0

    def warning(self, score: float) -> str | None:
        """Takes a child's score, in [0, 1], and returns what there is to say of it: once for each row of them."""
        self.in_a_row = self.in_a_row + 1 if score <= self.bound else 0
        if self.in_a_row != PATIENCE:
            return None
        died = ", or the shared weights have died, which `l2_on` kernels hinders" if self._child.l2_on == "all" else ""
        return (
            f"The last {PATIENCE} children scored no better than guesses: always answering the most common class is "
            f"right for {100 * self.chance:.1f} % of the validation images. They learn too little (then more `epochs`, "
            f"more images or another `learning_rate` help){died}."
        )
