"""The costs of networks and searches, by arithmetic over graphs, and by a few measured layers.

- `network_cost`: parameters and multiply-adds; `latency`: milliseconds on this device.
- all candidates of a level at once: `epnas_tf.space.candidate_costs`.
- `workload`: a whole search's children and steps; `memory_need`: its memory.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "Cost": "network_cost",
    "Latencies": "latency",
    "cost": "network_cost",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
