"""The progressive search (paper, section 4) and what surrounds it.

- `progressive`: the algorithm, ask and tell; `table`: what was measured; `ranking`: which architecture is the best.
- `surrogate`: predicts scores, by `additive`, `ensemble` (`lstm`: its arithmetic) and `trust`.
- `level_choice`: the next level's architectures, by `sampling`, within `limits`.
- `child`: trains one architecture on the shared weights; `batches`: on a Keras user's arrays and data sets.
- `runner`: a whole run in its directory, with `timing`.
- `forecast`: what a search will take, by `workload` (arithmetic), `timed_steps` and `memory_need`; `shortening`: flags
  for a shorter one.
- `hyperparameters`, `hypermodel`, `oracle`, `tuner`: the same through KerasTuner.
"""
