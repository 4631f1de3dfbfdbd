"""The progressive search (paper, section 4) and what surrounds it.

- `progressive`: the algorithm, ask and tell; with `sampling`, `surrogate` (`lstm`: its arithmetic) and `table`.
- `child`: trains one architecture on the shared weights; `batches`: on a Keras user's arrays and data sets.
- `runner`: a whole run in its directory, with `timing`.
- `hyperparameters`, `hypermodel`, `oracle`, `tuner`: the same through KerasTuner.
"""
