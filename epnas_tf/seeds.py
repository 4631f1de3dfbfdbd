"""Seeds that follow from the one seed of a run: a stream for each purpose, so that one choice does not move another."""

import numpy as np

CHILD, EPOCH, DROPOUT, EXAMPLES, OWN = 3, 4, 5, 6, 7
"""The streams; the search itself draws from those before."""


def derived_seed(seed: int, stream: int, *numbers: int) -> int:
    """Returns a seed in [0, 2^31) that follows from a run's seed, a stream and any numbers alone."""
    return int(np.random.SeedSequence((seed, stream, *numbers)).generate_state(1)[0] >> 1)
