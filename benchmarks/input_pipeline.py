"""A training step with the search's input (shuffle, crop, mirror, cutout), against the same step on one batch.

python -m benchmarks.input_pipeline --space=macro --cutout=16

Both sides are one process and one graph, which differ in the data set that they are given: `TrainingPipeline`'s, or one
batch of random images that is used again and again. A pair is one turn.
"""

from absl import flags

from benchmarks import command
from benchmarks.networks import define_step_flags
from benchmarks.turns import alternate, show
from benchmarks.worker import Worker

_STEPS = define_step_flags(architectures=3, steps=20, turns=3)
_CUTOUT = flags.DEFINE_integer("cutout", 16, "side of the blanked square in pixels; 0 for none", lower_bound=0)


def main() -> None:
    timed, cutout = _STEPS(), _CUTOUT.value
    figures: list[list[float]] = [[], []]
    with Worker("benchmarks.sides.steps:OurSteps", timed.case, timed.batch_size, timed.steps, cutout) as worker:
        sides = [lambda: worker.call("train_from_pipeline"), lambda: worker.call("train")]
        for architecture in timed.sampled():
            worker.call("prepare", architecture)
            alternate(sides, 1)  # not counted
            for values, turns in zip(figures, alternate(sides, timed.turns), strict=True):
                values += turns
    title = f"a training step with its input: {timed}, cutout {cutout}, {timed.steps} steps a turn"
    names = ("pipeline with augmentation", "one batch again and again")
    show(title, figures, names, "1.05 or less", inverse=True)


if __name__ == "__main__":
    command.run(main)
