"""A warning about children that learn nothing; otherwise a search with meaningless scores would run to its end."""

import math

import numpy as np
import numpy.typing as npt

from epnas_tf.config import ChildConfig

PATIENCE = 10
"""Children in a row that are taken for more than chance."""

DEVIATIONS = 2.0
"""Standard deviations of a guess's score by which a score must exceed chance."""


class NoLearningMonitor:
    """Detects runs of children that score no better than guesses.

    Untrained networks do not all predict the same class, so the score of chance is that of guesses that are right as
    often as the most common class occurs.

    Args:
        labels: int [n], the labels that the children are scored on.
        child: the settings of the children's training.

    Attributes:
        in_a_row: the number of latest children in a row that scored so; a resumed search restores it.
    """

    def __init__(self, labels: npt.NDArray[np.integer], child: ChildConfig) -> None:
        self.chance = float(np.bincount(labels).max() / len(labels))
        self.bound = self.chance + DEVIATIONS * math.sqrt(self.chance * (1 - self.chance) / len(labels))
        self._child = child
        self.in_a_row = 0

    def warning(self, score: float) -> str | None:
        """Records a child's score, in [0, 1]; returns a warning, once for each run of such children."""
        self.in_a_row = self.in_a_row + 1 if score <= self.bound else 0
        if self.in_a_row != PATIENCE:
            return None
        died = ", or the shared weights have died, which `l2_on` kernels hinders" if self._child.l2_on == "all" else ""
        return (
            f"The last {PATIENCE} children scored no better than guesses: always answering the most common class is "
            f"right for {100 * self.chance:.1f} % of the validation images. They learn too little (then more `epochs`, "
            f"more images or another `learning_rate` help){died}."
        )
