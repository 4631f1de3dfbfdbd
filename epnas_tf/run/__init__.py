"""Complete jobs in a run directory.

- `runner`: searches, each a `one_search`, with `timing`.
- `forecast`: their time and memory, by `timed_steps`; `shortening`: flags for less.
- `compare`: the found network against its `opponents`, with the `conclusions`.
- `comparison`: scores on shared weights against those of own trainings, by `correlation`.
"""

from epnas_tf.lazy import importer

_HOMES = {
    **dict.fromkeys(("Listener", "SearchResult"), "one_search"),
    **dict.fromkeys(("run_search", "run_searches"), "runner"),
    **dict.fromkeys(("CompareListener", "CompareResult", "compare_config", "run_compare"), "compare"),
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
