"""What a trial costs beside its steps (build, trace, the first step's extra, save), against keras_tuner.RandomSearch.

python -m benchmarks overhead --space=macro
python -m benchmarks overhead --space=micro

Each architecture is tried twice: with the images of one step, for training and as many for validation, and with those
of several. All else is the same, so what the second trial takes longer, divided by its further steps, is what a step
takes; the first trial less one step is what the steps do not account for. The batches are small so that steps, whose
times vary, weigh little.
"""

from typing import Any

from absl import flags

from benchmarks.cases import beside_the_steps, define_flags, random_data
from benchmarks.interleaved import compare
from benchmarks.worker import Worker

_CASE = define_flags()
_STEPS = flags.DEFINE_integer("steps", 9, "training steps of the longer trial", lower_bound=2)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "images of a training step", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "architectures that each competitor tries", lower_bound=1)


def trial_without_steps(worker: Worker, architecture: Any) -> float:
    """Returns the seconds of a trial that do not grow with its steps."""
    short, long = (worker.seconds("run", architecture, part) for part in (0, 1))
    return beside_the_steps(short, long, _STEPS.value)


def main() -> None:
    case, steps, batch_size = _CASE(), _STEPS.value, _BATCH_SIZE.value
    counts = (batch_size, steps * batch_size)
    parts = [random_data(case, count, count) for count in counts]
    architectures = case.architectures(_TURNS.value + 1)
    turns = [iter(architectures), iter(architectures)]
    with (
        Worker("benchmarks.competitors.trials:SharedWeightTrials", case, parts, 1, batch_size) as ours,
        Worker("benchmarks.competitors.trials:KerasTunerTrials", case, parts, 1, batch_size) as theirs,
    ):
        compare(
            f"a trial without its steps: {case}, from trials of 1 and {steps} steps of {batch_size}",
            lambda: trial_without_steps(ours, next(turns[0])),
            lambda: trial_without_steps(theirs, next(turns[1])),
            _TURNS.value,
            ("shared weights", "keras_tuner.RandomSearch"),
            aim="6 or more",
        )
