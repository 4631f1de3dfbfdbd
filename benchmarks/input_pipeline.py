"""A training step with the search's input (shuffle, crop, mirror, cutout), against the same step on one batch.

python -m benchmarks.input_pipeline --space=macro --cutout=16

Both sides are one process and one graph, which differ in the data set that they are given: `TrainingPipeline`'s, or one
batch of random images that is used again and again. A pair is one turn.
"""

from absl import flags

from benchmarks import command
from benchmarks.networks import define_flags
from benchmarks.turns import alternate, show
from benchmarks.worker import Worker

_CASE = define_flags()
_ARCHITECTURES = flags.DEFINE_integer("architectures", 3, "sampled architectures", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "which architectures are sampled")
_STEPS = flags.DEFINE_integer("steps", 20, "steps of a turn", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "images of a step", lower_bound=1)
_CUTOUT = flags.DEFINE_integer("cutout", 16, "side of the blanked square in pixels; 0 for none", lower_bound=0)
_TURNS = flags.DEFINE_integer("turns", 3, "turns of each architecture", lower_bound=1)


def main() -> None:
    case, steps, batch_size, cutout = _CASE(), _STEPS.value, _BATCH_SIZE.value, _CUTOUT.value
    figures: list[list[float]] = [[], []]
    with Worker("benchmarks.sides.steps:OurSteps", case, batch_size, steps, cutout) as worker:
        sides = [lambda: worker.call("train_from_pipeline"), lambda: worker.call("train")]
        for architecture in case.architectures(_ARCHITECTURES.value, _SEED.value):
            worker.call("prepare", architecture)
            alternate(sides, 1)  # not counted
            for values, turns in zip(figures, alternate(sides, _TURNS.value), strict=True):
                values += turns
    title = f"a training step with its input: {case}, batch {batch_size}, cutout {cutout}, {steps} steps a turn"
    names = ("pipeline with augmentation", "one batch again and again")
    show(title, figures, names, "1.05 or less", inverse=True)


if __name__ == "__main__":
    command.run(main)
