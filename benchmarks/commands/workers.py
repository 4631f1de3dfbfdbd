"""Children a minute in one process and by workers, what a child costs beside its training, and more by simulation.

python -m benchmarks workers --search='--dataset=digits --layers=6 --k=8 --iterations=1' --directory=runs/workers

Runs the search in one process with all cores and rounds of one child, then with 1 and 2 workers of one thread. A rate
counts from the first child's line to the last one's, so without the start of workers. With one worker nothing waits, so
what its children take beyond their training is sending, merging, choosing and saving. The simulation gives each worker
the largest child that is left, with the times that children took on that worker.
"""

import heapq
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import checks
from benchmarks.competitors.searches import Pace, line_times, own_seconds, pace
from benchmarks.interleaved import show_table
from epnas_tf.arrays import FloatArray

_SEARCH = flags.DEFINE_string(
    "search", "--dataset=digits --layers=6 --k=8 --iterations=1 --batch_size=64", "flags of the search"
)
_ROUND = flags.DEFINE_integer("round", 8, "children of a round, with workers", lower_bound=2)
_WORKERS = flags.DEFINE_list("workers", ["1", "2"], "numbers of workers to measure; 1 among them")
_DIRECTORY = flags.DEFINE_string("directory", "runs/workers", "where the runs are kept")

checks.numbers("workers", int, 1)


def measured(run: Path, *more: str) -> Pace:
    """Runs the search and returns its pace from the second round on; the first round's lines come together."""
    times = line_times(_SEARCH.value, run, *more)
    return pace(times, next(n for n, at in enumerate(times) if at - times[0] > 0.5), run)


def simulated(seconds: FloatArray, level: int, size: int, workers: int, beside: float) -> float:
    """Returns the seconds of a level.

    Args:
        seconds: of each child of the level.
        level: children of the level.
        size: children of a round.
        workers: workers.
        beside: seconds that each child costs the search itself, one after the other.
    """
    total = 0.0
    for start in range(0, level, size):
        free = [0.0] * workers
        for child in sorted(seconds[start : start + size], reverse=True):
            heapq.heappush(free, heapq.heappop(free) + child)
        total += max(free) + beside * len(seconds[start : start + size])
    return total


def main() -> None:
    folder = Path(_DIRECTORY.value)
    rows, found = [], {"one process": measured(folder / "one")}
    for number in _WORKERS.value:
        name = f"{number} worker{'s' if number != '1' else ''}"
        flag = (f"--round={_ROUND.value}", f"--workers={number}")
        found[name] = measured(folder / f"workers{number}", *flag)
    for name, one in found.items():
        ratio = found["one process"].seconds / one.seconds
        rows.append([name, f"{60 / one.seconds:.1f}", f"{ratio:.2f}", f"{one.own:.2f}", f"{one.seconds:.2f}"])
    columns = ["", "children a minute", "ratio", "a child's seconds on its worker", "in all"]
    show_table(_SEARCH.value, columns, rows, f"rounds of {_ROUND.value} with workers; of 1 in one process")
    beside = max(found["1 worker"].seconds - found["1 worker"].own, 0.0)
    print(f"A child costs {1000 * beside:.0f} ms beside its training on a worker.")
    times, rng = own_seconds(folder / "workers1"), np.random.default_rng(0)
    rows = []
    for k in (25, 105):
        seconds = rng.choice(times, k)
        one = seconds.sum() + beside * k
        for size in (1, 5, 25):
            speed_ups = (one / simulated(seconds, k, size, workers, beside) for workers in (1, 2, 4, 8, 16, 32, 64))
            rows.append([f"K = {k}, R = {size}", *(f"{speed_up:.1f}" for speed_up in speed_ups)])
    numbers = [f"{workers} workers" for workers in (1, 2, 4, 8, 16, 32, 64)]
    show_table("speed-up of a level, by simulation", ["", *numbers], rows, "children's times as measured with 1 worker")
