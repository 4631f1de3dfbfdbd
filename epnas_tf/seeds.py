"""Seeds derived from a run's seed: one stream for each purpose, so that random choices are independent."""

import numpy as np

CHILD, EPOCH, DROPOUT, EXAMPLES, OWN, COMPARED = 3, 4, 5, 6, 7, 8
"""The streams; lower numbers are those of the search itself."""


def derived_seed(seed: int, stream: int, *numbers: int) -> int:
    """A seed in [0, 2^31), derived from a run's seed, a stream and any numbers."""
    return int(np.random.SeedSequence((seed, stream, *numbers)).generate_state(1)[0] >> 1)
