"""Where a step's time goes: TensorFlow's operations in our steps, and in those of `model.fit` and `model.evaluate`.

python -m benchmarks.operations --space=micro

One architecture, on one random batch that is used again and again, on the CPU. An operation's time is from its start to
its end on the thread that runs it; on two cores two run at a time, and share both.
"""

from collections.abc import Mapping, Sequence

from absl import flags

from benchmarks import command
from benchmarks.networks import Case, define_flags
from benchmarks.turns import show_table
from benchmarks.worker import Worker

_CASE = define_flags()
_SEED = flags.DEFINE_integer("seed", 0, "which architecture is sampled")
_STEPS = flags.DEFINE_integer("steps", 5, "steps that are profiled", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "images of a step", lower_bound=1)
_OPERATIONS = flags.DEFINE_integer("operations", 12, "types of operations that are shown", lower_bound=1)

SIDES = {"epnas_tf": ("benchmarks.sides.steps:OurSteps", 0), "Keras": ("benchmarks.sides.steps:KerasSteps", 1)}
"""What makes each side, and how many steps more a call takes than it is asked for."""

KINDS = {"train": "training", "evaluate": "evaluation"}

Costs = Mapping[str, tuple[float, float]]
"""Milliseconds and operations a step, by type of operation."""


def measured(case: Case, architecture: object, maker: str, further: int) -> list[Costs]:
    """Returns what a step of each kind costs a side."""
    taken = _STEPS.value + further
    with Worker("benchmarks.sides.operations:Profiled", maker, case, _BATCH_SIZE.value, _STEPS.value) as worker:
        worker.call("prepare", architecture)
        profiles = [worker.call("costs", kind) for kind in KINDS]
    return [
        {name: (cost.milliseconds / taken, cost.count / taken) for name, cost in costs.items()} for costs in profiles
    ]


def rows(sides: Sequence[Costs], count: int) -> list[list[str]]:
    """Returns a row for each of the types that take longest, one for all others together, and one for all."""
    names = sorted({name for side in sides for name in side}, key=lambda n: -max(s.get(n, (0, 0))[0] for s in sides))
    groups = [*((name, [name]) for name in names[:count]), ("others", names[count:]), ("all", names)]
    groups = [(title, group) for title, group in groups if group]
    table = []
    for title, group in groups:
        totals = [[sum(side.get(name, (0, 0))[part] for name in group) for part in (0, 1)] for side in sides]
        table.append([title, *(text for time, number in totals for text in (f"{time:.1f}", f"{number:.0f}"))])
    return table


def main() -> None:
    case = _CASE()
    (architecture,) = case.architectures(1, _SEED.value)
    columns = ["operation", *(text for side in SIDES for text in (f"{side}, ms", "number"))]
    sides = [measured(case, architecture, *side) for side in SIDES.values()]
    for step, costs in zip(KINDS.values(), zip(*sides, strict=True), strict=True):
        show_table(f"a step of {step}: {case}, batch {_BATCH_SIZE.value}", columns, rows(costs, _OPERATIONS.value))


if __name__ == "__main__":
    command.run(main)
