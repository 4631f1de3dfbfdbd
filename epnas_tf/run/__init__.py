"""Whole jobs in a run directory.

- `runner`: a search, with `timing`; `forecast`: what it will take, by `timed_steps`, and `shortening`: flags for less.
- `comparison`: the scores on shared weights beside those of own trainings, by `correlation`.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "Listener": "runner",
    "SearchResult": "runner",
    "run_search": "runner",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
