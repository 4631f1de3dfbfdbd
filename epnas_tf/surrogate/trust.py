"""How far corrections of a prediction are to be trusted, learned from results that came after them."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

FIRST_FACTOR = 0.5
PRIOR_RESULTS = 10
"""The factor before there are results, and how many results it weighs as much as."""

FEWEST = 4
"""Results of a level that say something: they are compared around their mean."""

MOST = 10
"""Each result counts as if what was foreseen had at most so many times the variance of what came."""

FloatArray = npt.NDArray[np.floating[Any]]


@dataclasses.dataclass(frozen=True)
class Trust:
    """The factor of a correction by least squares, over all levels so far.

    Levels differ in their mean, as shared weights get better, and in their spread; neither says how good a correction
    was, so each level is centred and counts in units of its own variance. Where the results hardly differ, the level
    would count as much as a thousand others: hence `MOST`.

    Attributes:
        products: Σ left · foreseen.
        squares: Σ foreseen².
        results: how many results are in the sums.
    """

    products: float
    squares: float
    results: float

    @classmethod
    def none(cls) -> "Trust":
        """Returns the trust before any result."""
        return cls(0.0, 0.0, 0.0)

    @property
    def factor(self) -> float:
        """The factor, in [0, 1]."""
        if not self.squares:
            return FIRST_FACTOR
        prior = PRIOR_RESULTS * self.squares / self.results
        return float(np.clip((self.products + FIRST_FACTOR * prior) / (self.squares + prior), 0, 1))

    def after(self, left: FloatArray, foreseen: FloatArray) -> "Trust":
        """Returns the trust after the results of a level.

        Args:
            left: [n], what the results differed by from the prediction without the correction.
            foreseen: [n], the corrections.
        """
        if left.size < FEWEST or not np.ptp(left):
            return self
        left, foreseen = left - left.mean(), foreseen - foreseen.mean()
        variance = max(float(left @ left), float(foreseen @ foreseen) / MOST) / left.size
        return Trust(
            self.products + float(left @ foreseen) / variance,
            self.squares + float(foreseen @ foreseen) / variance,
            self.results + left.size,
        )

    def sums(self) -> npt.NDArray[np.float64]:
        """Returns the attributes as float64 [3]."""
        return np.array(dataclasses.astuple(self))
