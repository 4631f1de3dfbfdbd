"""A GPU in some minutes: losses against the CPU's, a step against `model.fit`'s, children an hour by several workers.

python -m benchmarks gpu --minutes=10

Each figure is printed as soon as it is measured; a part for which there is no time left is skipped. Without a GPU the
CPU is measured. One after the other, each in processes of its own with nothing beside them, these are

1. losses of children on the digits after some steps, from the same values on the GPU and on the CPU: the mean over the
   steps, and that on the validation images after them. Rounding grows from step to step, mostly in the latter, so
   beside them stands how far the CPU's own losses move if the values are first rounded to TF32, as a GPU does;
2. a step of `model.fit` and `model.evaluate`, and of ours with Grappler's passes off, as a search has it, and on; the
   same batch again and again;
3. children an hour in one process with rounds of one child, and by workers that share the GPU with `--round`. All of
   these searches draw the same architectures, uniformly; those of the deeper half of the levels count, when all
   workers are warm.
"""

import functools
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from benchmarks import checks
from benchmarks.budget import Budget
from benchmarks.cases import Case, define_flags
from benchmarks.competitors import searches
from benchmarks.competitors.searches import Pace
from benchmarks.interleaved import circumstances
from benchmarks.worker import Worker

_MINUTES = flags.DEFINE_float("minutes", 10, "in all; the last quarter of one is for ending", lower_bound=0)
_CASE = define_flags()
_ARCHITECTURES = flags.DEFINE_integer("architectures", 3, "architectures of the first two parts", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "images of a step there", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 40, "steps of a child or of a turn there", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 3, "turns of each architecture whose steps are timed", lower_bound=1)
_SEARCH = flags.DEFINE_string(
    "search",
    "--dataset=digits --image_size=32 --layers=4 --channels=24 --k=16 --iterations=1 --batch_size=128 --epochs=20",
    "flags of the search whose children are counted, of two levels or more",
)
_ROUND = flags.DEFINE_integer("round", 8, "children of a round, with workers", lower_bound=2)
_WORKERS = flags.DEFINE_list("workers", ["1", "2", "4", "8"], "numbers of workers that share the GPU")

checks.numbers("workers", int, 1)

CLOSING = 15.0
"""Seconds in which what runs when the time is over can end."""

AGREEMENT = 1.0
"""How far a training loss may be from the CPU's, in percent."""

KINDS = {"train": "a training step", "evaluate": "an evaluation step"}
KERAS = "Keras"
COMPETITORS: dict[str, tuple[str, tuple[bool, ...]]] = {
    KERAS: ("KerasSteps", ()),
    "ours, Grappler's passes off": ("OurSteps", (False,)),
    "ours, Grappler's passes on": ("OurSteps", (True,)),
}
"""Their classes in `benchmarks.competitors.steps`, and further arguments of these."""

ONE = "one process, rounds of 1"


def say(text: str) -> None:
    """Prints a line at once, also into a file."""
    print(text, flush=True)


def with_range(values: Sequence[float]) -> str:
    """Returns the text of a median and the range around it."""
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def losses(case: Case, device: str) -> None:
    """Prints the losses of each architecture on a device and on the CPU, and whether those in training agree."""
    arguments = ("benchmarks.competitors.losses:Losses", case, _BATCH_SIZE.value, _STEPS.value)
    apart: dict[str, list[float]] = {"training": [], "validation": []}
    own: dict[str, list[float]] = {"training": [], "validation": []}
    with Worker(*arguments, False) as ours, Worker(*arguments, True) as cpu:
        for number, architecture in enumerate(case.architectures(_ARCHITECTURES.value), start=1):
            values, rounded = cpu.call("initial", architecture)
            found = [*ours.call("losses", architecture, [values]), *cpu.call("losses", architecture, [values, rounded])]
            for kind, (one, other, moved) in zip(apart, zip(*found, strict=True), strict=True):
                apart[kind].append(100 * abs(one / other - 1))
                own[kind].append(100 * abs(moved / other - 1))
                say(
                    f"{kind} loss of architecture {number}: {one:.5f} on {device}, {other:.5f} on the CPU, "
                    f"{apart[kind][-1]:.2f} % apart; from rounded values the CPU's moves by {own[kind][-1]:.2f} %"
                )
    most, moves = max(apart["training"]), max(own["training"])
    told = "agree" if most <= AGREEMENT else "do not agree"
    say(
        f"the training losses {told} to {AGREEMENT:g} %: they are at most {most:.2f} % apart, "
        f"and from rounded values the CPU's move by up to {moves:.2f} %"
    )


def step(case: Case, name: str, measured: dict[str, dict[str, list[float]]]) -> None:
    """Prints the times of a competitor's steps, and their ratio to those of Keras if these are measured."""
    maker, more = COMPETITORS[name]
    with Worker(f"benchmarks.competitors.steps:{maker}", case, _BATCH_SIZE.value, _STEPS.value, *more) as worker:
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for architecture in case.architectures(_ARCHITECTURES.value):
            worker.call("prepare", architecture)
            for kind, medians in found.items():
                medians.append(statistics.median(worker.call(kind) for _ in range(_TURNS.value)))
    for kind, medians in found.items():
        line = f"{KINDS[kind]}, {name}: {with_range([1000 * seconds for seconds in medians])} ms"
        if KERAS in measured:
            ratios = [a / b for a, b in zip(medians, measured[KERAS][kind], strict=True)]
            line += f", {with_range(ratios)} of Keras's"
        say(line)
    measured[name] = found


def children(name: str, run: Path, more: Sequence[str], measured: dict[str, Pace]) -> None:
    """Prints the children an hour of a search, and the ratio to one process if this is measured."""
    times = searches.line_times(_SEARCH.value, run, "--sampling=uniform", "--noforecast", *more)
    found = searches.pace(times, searches.first_of_deeper_half(run), run)
    ratio = f", {measured[ONE].seconds / found.seconds:.2f} times as many as one process" if ONE in measured else ""
    measured[name] = found
    say(
        f"{name}: {3600 / found.seconds:,.0f} children an hour{ratio}; a child takes {found.own:.2f} s on its worker, "
        f"{found.seconds:.2f} s in all ({found.children} children)"
    )


def main() -> None:
    budget = Budget(60 * _MINUTES.value - CLOSING)
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # Keras alone would take all of the GPU's memory
    with Worker("benchmarks.competitors.losses:Devices") as worker:
        gpu = worker.call("gpu")
    say(f"{gpu or 'no GPU: measured on the CPU'}; {circumstances()}")
    case = _CASE()
    what = f"{case}, batch {_BATCH_SIZE.value}, {_STEPS.value} steps"
    say(f"losses and steps: {what}; children: epnas-search {_SEARCH.value}")
    device = "the GPU" if gpu else "the CPU (another process)"
    budget.run("losses against the CPU's", functools.partial(losses, case, device))
    steps: dict[str, dict[str, list[float]]] = {}
    for name in COMPETITORS:
        budget.run(f"a step, {name}", functools.partial(step, case, name, steps))
    arms: dict[str, list[str]] = {ONE: ["--round=1"]}
    for number in _WORKERS.value:
        name = f"{number} worker{'s' if int(number) > 1 else ''}, rounds of {_ROUND.value}"
        arms[name] = [f"--round={_ROUND.value}", f"--workers={number}", f"--workers_per_gpu={number}"]
    paces: dict[str, Pace] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a search that was ended may write still
        for number, (name, more) in enumerate(arms.items()):
            run = Path(folder) / str(number)
            budget.run(f"children an hour, {name}", functools.partial(children, name, run, more, paces))
