"""Trains children on the shared weights and scores them (paper, sections 4 and 5).

- `child`: trains and scores one architecture; `prefetch`: traces the next one meanwhile.
- `outcome`: what comes of it, as plain values.
- `no_learning`: detects children that score no better than chance.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "ChildDiverged": "outcome",
    "ChildResult": "outcome",
    "ChildTrainer": "child",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
