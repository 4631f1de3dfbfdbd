"""What networks and searches cost, by arithmetic over graphs, and by a few measured layers.

- `network_cost`: parameters and multiply-adds; `latency`: milliseconds on this device.
- `candidate_costs`: all candidates of a level at once.
- `workload`: a whole search's children and steps; `memory_need`: its memory.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "CandidateCosts": "candidate_costs",
    "Cost": "network_cost",
    "Latencies": "latency",
    "cost": "network_cost",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
