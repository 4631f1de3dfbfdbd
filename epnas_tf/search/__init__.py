"""The progressive search (paper, section 4): the algorithm alone. It knows no host and trains nothing.

- `progressive`: ask for architectures, tell their scores; `ranking`: which architecture is the best.
- `level_choice`: chooses the next level's architectures, by `sampling`, within `limits`.
- `search_state`: what a search is saved as.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "Candidate": "candidate",
    "Limits": "limits",
    "ProgressiveSearch": "progressive",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
