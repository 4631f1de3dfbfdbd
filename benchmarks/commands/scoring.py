"""Scores all candidates of a macro level from the parents' LSTM states, against encoding each and `model.predict`.

python -m benchmarks scoring --level=12 --parents=25

Both competitors have the same weights, and their scores are compared before. Each has a process of its own; the call
that is not counted takes the tracing, and of ours the compilation by XLA.
"""

import numpy as np
from absl import flags

from benchmarks.interleaved import SPREAD, interleave, show, show_table, spread
from benchmarks.worker import Worker
from epnas_tf.space import MacroSpace

_LEVEL = flags.DEFINE_integer("level", 12, "macro level whose candidates are scored", lower_bound=2)
_PARENTS = flags.DEFINE_integer("parents", 25, "architectures of the level before, K", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 1024, "candidates that model.predict takes at a time", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "how often each competitor runs", lower_bound=1)

COMPARED = 1000


def main() -> None:
    level, parents = _LEVEL.value, _PARENTS.value
    candidates = parents * MacroSpace(level).num_extensions(level)
    names = ("from the parents' states", "each sequence whole, model.predict")
    with (
        Worker("benchmarks.competitors.scorers:FactoredScorer", level, parents) as ours,
        Worker("benchmarks.competitors.scorers:WholeScorer", level, parents, _BATCH_SIZE.value) as theirs,
    ):
        difference = np.abs(ours.call("first", COMPARED) - theirs.call("first", COMPARED)).max()
        figures = interleave([lambda: ours.seconds("score"), lambda: theirs.seconds("score")], _TURNS.value)
    show(f"{candidates:,} candidates of macro level {level}, K = {parents}", figures, names, "40 or more")
    rates = [[candidates / seconds / 1e6 for seconds in taken] for taken in figures]
    rows = [[name, *spread(rate, "{:.3f} million")] for name, rate in zip(names, rates, strict=True)]
    note = f"aim: 2 million; largest difference of scores {difference:.1e}"
    show_table("candidates a second", ["", *SPREAD], rows, note)
