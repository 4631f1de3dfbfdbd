"""What a trial costs beside its training (ask, tell, files), at trial 10 and at trial 1,000, against RandomSearch.

python -m benchmarks bookkeeping --trials=10,1000

Three searches over macro networks, each in a process of its own, with a fixed score in place of each training: the
loop of `epnas-search`, `EPNASTuner`, and `keras_tuner.RandomSearch` on the same space. The time between each two
trainings is taken apart. Medians over the trials around those named leave out the fit at a level's end.

- ask and tell: the search's own code; of RandomSearch, drawing values until they are new.
- our state: the search's values and arrays, the shared weights, and writing the file of both.
- KerasTuner's files: oracle.json, trial.json, tuner0.json; of EPNASTuner with our values in them.
- the rest: KerasTuner's own code, or TensorBoard's file and the loop.
"""

import statistics

from absl import flags

from benchmarks import checks
from benchmarks.interleaved import CLOCK, show_table
from benchmarks.worker import Worker

_TRIALS = flags.DEFINE_list("trials", ["10", "1000"], "trials around which to look")
_AROUND = flags.DEFINE_integer("around", 5, "trials before and after each one that count too", lower_bound=0)
_LAYERS = flags.DEFINE_integer("layers", 12, "layers of the deepest networks", lower_bound=1)
_CHANNELS = flags.DEFINE_integer("channels", 24, "channels of the networks", lower_bound=2)

checks.numbers("trials", int, least=1)

SEARCHES = {"epnas_search": "epnas-search", "epnas_tuner": "EPNASTuner", "random_search": "keras_tuner.RandomSearch"}
PARTS = ("ask and tell", "our state", "KerasTuner's files", "the rest")


def medians(laps: list[dict[str, float]], trial: int, around: int) -> list[float]:
    """Returns the median seconds of each part over the trials around one, and that of their sum."""
    near = laps[max(trial - around - 1, 0) : trial + around]
    parts = [[lap.get(part, 0.0) for part in PARTS] for lap in near]
    return [*(statistics.median(values) for values in zip(*parts, strict=True)), statistics.median(map(sum, parts))]


def main() -> None:
    trials, around = [int(trial) for trial in _TRIALS.value], _AROUND.value
    rows = []
    for search, name in SEARCHES.items():
        arguments = (_LAYERS.value, _CHANNELS.value, max(trials) + around)
        with Worker("benchmarks.competitors.bookkeeping:Searches", *arguments) as worker:
            laps = worker.call("laps", search, CLOCK.value)
        for trial in trials:
            rows.append([f"{name}, trial {trial:,}", *(f"{1000 * s:.1f} ms" for s in medians(laps, trial, around))])
    title = f"a trial without its training, macro {_LAYERS.value} layers, C = {_CHANNELS.value}, K = 25"
    note = f"medians of {2 * around + 1} trials; aim: less than 50 ms, and no more growth than KerasTuner's own"
    show_table(title, ["", *PARTS, "together"], rows, note)
