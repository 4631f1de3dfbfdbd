"""Memory and time of choosing K out of all candidates of deep macro levels, against the size of their encodings.

python -m benchmarks deep_levels --levels=12,16,20

Each level has a fresh process, in which a search whose level before is told is asked for the next candidate: that
scores all parents × extensions and samples K of them; the fit is done before. The extra memory is the peak of resident
memory (VmHWM, cleared by writing 5 to /proc/self/clear_refs) less what was resident just before, when a choice at a
level of some thousand candidates had made the libraries take what they keep. The seconds are those of a first call, the
compilation by XLA included. Beside them stands what the input of scoring each sequence whole would take, which no
process holds.
"""

from absl import flags

from benchmarks import checks
from benchmarks.interleaved import show_table
from benchmarks.worker import Worker
from epnas_tf.space import MacroSpace

_LEVELS = flags.DEFINE_list("levels", ["12", "16", "20"], "macro levels whose candidates are scored")
_PARENTS = flags.DEFINE_integer("parents", 25, "K, also the number of parents", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 1, "fresh processes for each level", lower_bound=1)

checks.numbers("levels", int, least=2)


def main() -> None:
    rows = []
    for level in [int(level) for level in _LEVELS.value] * _TURNS.value:
        space = MacroSpace(level)
        with Worker("benchmarks.competitors.scorers:LevelChoice", space, _PARENTS.value) as worker:
            seconds, extra, before = worker.call("choose")
        candidates = _PARENTS.value * space.num_extensions(level)
        encodings = 4 * candidates * level * space.num_features
        rows.append(
            [
                f"level {level}",
                f"{candidates:,}",
                f"{seconds:.2f} s",
                f"{candidates / seconds / 1e6:.2f} million",
                f"{extra / 1e6:.1f} MB",
                f"{before / 1e6:.0f} MB",
                f"{encodings / 1e6:,.0f} MB",
            ]
        )
    columns = ["", "candidates", "time", "a second", "extra memory", "resident before", "all sequences whole"]
    title = f"scoring all candidates and sampling K = {_PARENTS.value} of them, macro, each level in a fresh process"
    show_table(title, columns, rows, "aim: 100 MB at each level, level 20 within 60 s")
