"""A child's steps in each form of arithmetic that there is a flag for, on this computer's GPU, or CPU without one.

python -m benchmarks.arithmetic --space=macro
python -m benchmarks.arithmetic --space=micro --batch_size=160

The same architectures everywhere, from the same first weights, on one batch that is used again and again; every form
has a process of its own. "before" is what comes once a child: making layers, tracing, compiling, and what the first
step takes longer than others. "loss differs by" is about the loss after a turn of steps, against the CPU's in float32.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.progress import track

from benchmarks import command
from benchmarks.networks import Steps, define_step_flags
from benchmarks.turns import show_table
from benchmarks.worker import Worker

_STEPS = define_step_flags(architectures=2, steps=5, turns=2)

FORMS: Mapping[str, Mapping[str, Any]] = {
    "float32": {},
    "--mixed_precision": {"mixed_precision": True},
    "--xla": {"xla": True},
    "--mixed_precision --xla": {"mixed_precision": True, "xla": True},
}


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one architecture costs in one form.

    Attributes:
        before: seconds that come once a child.
        train: seconds of a training step.
        evaluate: seconds of an evaluation step.
        loss: after a turn of steps from the first weights on, in nats.
    """

    before: float
    train: float
    evaluate: float
    loss: float


def measured(worker: Worker, architecture: Any, timed: Steps) -> Figures:
    """Returns the figures of an architecture, medians of the turns."""
    prepared = worker.call("prepare", architecture)
    train, evaluate = (
        statistics.median(worker.call(kind) for _ in range(timed.turns)) for kind in ("train", "evaluate")
    )
    before = prepared - timed.steps * (train + evaluate)
    return Figures(before, train, evaluate, worker.call("loss"))


def figures_of(timed: Steps, settings: Mapping[str, Any], on_cpu: bool = False) -> tuple[str, list[Figures]]:
    """Returns the name of the GPU, "" for none, and the figures of every architecture but one, which warms up."""
    first, *architectures = timed.sampled(further=1)
    side = "benchmarks.sides.steps:OurSteps"
    with Worker(side, timed.case, timed.batch_size, timed.steps, 0, settings, on_cpu) as worker:
        worker.call("prepare", first)
        return worker.call("gpu"), [measured(worker, architecture, timed) for architecture in architectures]


def row(gpu: str, form: str, figures: Sequence[Figures], reference: Sequence[Figures]) -> list[str]:
    """Returns a row of the table: medians over the architectures, and the largest difference of a loss."""
    medians = (statistics.median(getattr(f, name) for f in figures) for name in ("before", "train", "evaluate"))
    before, train, evaluate = medians
    differences = [abs(f.loss / r.loss - 1) for f, r in zip(figures, reference, strict=True)]
    times = [f"{before:.2f} s", f"{1000 * train:.2f} ms", f"{1000 * evaluate:.2f} ms"]
    return [gpu or "CPU", form, *times, f"{max(differences):.1e}"]


def main() -> None:
    timed = _STEPS()
    outcomes = [
        (form, *figures_of(timed, settings)) for form, settings in track(FORMS.items(), "forms", transient=True)
    ]
    if any(gpu for _, gpu, _ in outcomes):
        outcomes.insert(0, ("float32", *figures_of(timed, {}, on_cpu=True)))
    reference = outcomes[0][2]
    rows = [row(gpu, form, figures, reference) for form, gpu, figures in outcomes]
    title = f"steps of {timed}, {timed.turns} turns of {timed.steps} steps an architecture"
    columns = ["", "form", "before", "training step", "evaluation step", "loss differs by"]
    show_table(title, columns, rows, f"medians of {timed.architectures} architectures")


if __name__ == "__main__":
    command.run(main)
