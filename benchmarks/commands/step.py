"""A training step and an evaluation step of one architecture, against `model.fit` and `model.evaluate` of plain Keras.

python -m benchmarks step --space=macro
python -m benchmarks step --space=micro

Several architectures, each once by either competitor in its own process, on one random batch that is used again and
again. What happens once is left out: each warms up, and of Keras only the time from the end of one step to the end
of another counts, while ours has the start of its loop in it. A pair is the medians of one architecture's turns.
"""

import statistics

from absl import flags

from benchmarks.cases import define_flags
from benchmarks.interleaved import interleave, show
from benchmarks.worker import Worker

_CASE = define_flags()
_ARCHITECTURES = flags.DEFINE_integer("architectures", 5, "sampled architectures", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "which architectures are sampled")
_STEPS = flags.DEFINE_integer("steps", 5, "steps of a turn", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "images of a step", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 3, "turns of each architecture", lower_bound=1)

AIMS = {"macro": "0.75 or less", "micro": "0.85 or less"}
KINDS = {"train": ("training", "model.fit"), "evaluate": ("evaluation", "model.evaluate")}


def main() -> None:
    case, batch_size, steps, turns = _CASE(), _BATCH_SIZE.value, _STEPS.value, _TURNS.value
    figures: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    with (
        Worker("benchmarks.competitors.steps:OurSteps", case, batch_size, steps) as ours,
        Worker("benchmarks.competitors.steps:KerasSteps", case, batch_size, steps) as theirs,
    ):
        for architecture in case.architectures(_ARCHITECTURES.value, _SEED.value):
            for competitor in (ours, theirs):
                competitor.call("prepare", architecture)
            for kind, medians in figures.items():
                measured = interleave([lambda: ours.call(kind), lambda: theirs.call(kind)], turns)  # noqa: B023
                medians.append([statistics.median(values) for values in measured])
    for kind, (step, method) in KINDS.items():
        title = f"a step of {step}: {case}, batch {batch_size}, {turns} turns of {steps} steps an architecture"
        show(title, list(zip(*figures[kind], strict=True)), ("epnas_tf", method), AIMS[case.space], inverse=True)
