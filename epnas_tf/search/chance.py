"""Children that learn nothing: a search whose scores say nothing goes on to its end unless somebody is told."""

import numpy as np
import numpy.typing as npt

PATIENCE = 10
"""Children in a row that are no accident."""

ROUNDING = 1e-6
"""A score is a float32 quotient; one image more is a larger difference up to a million of them."""


class ChanceWatch:
    """Notices children that, one after the other, score no better than always answering the most common class.

    Args:
        labels: int [n], the labels that the children are scored by.
    """

    def __init__(self, labels: npt.NDArray[np.integer]) -> None:
        self.chance = float(np.bincount(labels).max() / len(labels))
        self._in_a_row = 0

    def warning(self, score: float) -> str | None:
        """Takes a child's score, in [0, 1], and returns what there is to say of it: once for each row of them."""
        self._in_a_row = self._in_a_row + 1 if score <= self.chance + ROUNDING else 0
        if self._in_a_row != PATIENCE:
            return None
        return (
            f"The last {PATIENCE} children scored no better than always answering the most common class "
            f"({100 * self.chance:.1f} % of the validation images). They learn too little (then more --epochs or "
            "another --learning_rate helps), or the shared weights have died (--l2_on=kernels keeps them alive)."
        )
