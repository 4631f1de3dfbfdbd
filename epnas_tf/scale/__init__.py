"""Where children are trained: in this process, or by Ray's workers; and how a round becomes one set of shared weights.

- `place`: the interface, and this process; `merging`: the merge of a round.
- `workers`: makes the place that the settings ask for.
- `ray_place`: workers on a Ray cluster; `worker`: what runs in each of them.
"""
