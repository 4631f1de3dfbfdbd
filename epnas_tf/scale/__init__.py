"""Where children are trained: in this process, or by Ray's workers; and how a round becomes one set of shared weights.

- `place`: the interface, and this process; `merging`: the merge of a round.
- `workers`: makes the place that the settings ask for.
- `ray_place`: workers on a Ray `cluster`; `worker`: what runs in each of them.
- `pool`: workers for trainings that do not depend on each other.
"""

import os

# Ray reads them when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about a person's search is sent anywhere
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # half a minute each, where what listens is no cluster
