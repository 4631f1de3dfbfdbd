"""A training step and an evaluation step of one architecture, against `model.fit` and `model.evaluate` of plain Keras.

python -m benchmarks.step --space=macro
python -m benchmarks.step --space=micro

Several architectures, each once on either side in a process of its own, on one random batch that is used again and
again. What happens once is left out: each side warms up, and of Keras only the time from the end of one step to the end
of another counts, while ours has the start of its loop in it. A pair is the medians of one architecture's turns.
"""

import statistics
from collections.abc import Sequence

from benchmarks import command
from benchmarks.networks import define_step_flags
from benchmarks.turns import alternate, show
from benchmarks.worker import Worker

_STEPS = define_step_flags(architectures=5, steps=5, turns=3)

AIMS = {"macro": "0.75 or less", "micro": "0.85 or less"}
KINDS = {"train": ("training", "model.fit"), "evaluate": ("evaluation", "model.evaluate")}


def median_seconds(kind: str, sides: Sequence[Worker], turns: int) -> tuple[float, ...]:
    """Returns the median seconds of a step of each side, which take turns."""
    figures = alternate([lambda side=side: side.call(kind) for side in sides], turns)  # type: ignore[misc]
    return tuple(statistics.median(values) for values in figures)


def main() -> None:
    timed = _STEPS()
    figures: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in KINDS}
    with (
        Worker("benchmarks.sides.steps:OurSteps", timed.case, timed.batch_size, timed.steps) as ours,
        Worker("benchmarks.sides.steps:KerasSteps", timed.case, timed.batch_size, timed.steps) as theirs,
    ):
        for architecture in timed.sampled():
            for side in (ours, theirs):
                side.call("prepare", architecture)
            for kind, medians in figures.items():
                medians.append(median_seconds(kind, (ours, theirs), timed.turns))
    for kind, (step, method) in KINDS.items():
        title = f"a step of {step}: {timed}, {timed.turns} turns of {timed.steps} steps an architecture"
        show(title, list(zip(*figures[kind], strict=True)), ("epnas_tf", method), AIMS[timed.case.space], inverse=True)


if __name__ == "__main__":
    command.run(main)
