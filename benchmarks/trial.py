"""A whole trial (build, trace, train, validate, save) on shared weights, against a trial of keras_tuner.RandomSearch.

python -m benchmarks.trial --levels=6 --epochs=3 --turns=5

Both sides train the same architectures on the same digits, not augmented, in the same number of steps, validate after
it (KerasTuner's after every epoch, as it does) and write their files. Each has a process of its own, ours with the
settings of `epnas-search`. Ours also has L2 and a cosine, which the plain model lacks.
"""

import dataclasses

import numpy as np
from absl import app, flags

from benchmarks.networks import define_flags, without_augmentation
from benchmarks.trial_workers import NAMES, trial_workers
from benchmarks.turns import compare
from epnas_tf.config import ChildConfig, DataConfig
from epnas_tf.data import load

_CASE = define_flags(levels=6, image_shape=(8, 8, 1))
_EPOCHS = flags.DEFINE_integer("epochs", ChildConfig.epochs, "epochs of a trial", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", ChildConfig.batch_size, "images of a training step", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "trials of each side that are counted", lower_bound=1)


def main(_: list[str]) -> None:
    case, epochs, batch_size = _CASE(), _EPOCHS.value, _BATCH_SIZE.value
    data = without_augmentation(load(DataConfig(dataset="digits"), seed=0))
    used = len(data.train) // batch_size * batch_size  # whole batches only: Keras would make a step of the rest
    data = dataclasses.replace(data, train=data.train.take(np.arange(used)))
    architectures = case.architectures(_TURNS.value + 1)
    turns = [iter(architectures), iter(architectures)]
    with trial_workers(case, [data], epochs, batch_size) as (ours, theirs):
        compare(
            f"a trial on digits: {case}, {epochs} epochs of {used // batch_size} steps of {batch_size}",
            lambda: ours.seconds("run", next(turns[0])),
            lambda: theirs.seconds("run", next(turns[1])),
            _TURNS.value,
            NAMES,
            aim="10 or more",
        )


if __name__ == "__main__":
    app.run(main)
