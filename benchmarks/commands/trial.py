"""A whole trial (build, trace, train, validate, save) on shared weights, against a trial of keras_tuner.RandomSearch.

python -m benchmarks trial --levels=6 --epochs=3 --turns=5

Both competitors train the same architectures on the same digits, not augmented, in the same number of steps, validate
after it (KerasTuner's after every epoch, as it does) and write their files. Each has a process of its own, ours with
the settings of `epnas-search`: as in a search within a level the next trial's network is traced while one trains, so
that a trial has the tracing of the next one, to its end, in place of its own; `--notrace_ahead` leaves each its own.
Ours also has L2 and a cosine, which the plain model lacks. Below stands what our trials take their time for.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from benchmarks.cases import define_flags, without_augmentation
from benchmarks.interleaved import SPREAD, compare, show_table, spread
from benchmarks.worker import Worker
from epnas_tf.config import ChildConfig, DataConfig
from epnas_tf.data import load

_CASE = define_flags(levels=6, image_shape=(8, 8, 1))
_EPOCHS = flags.DEFINE_integer("epochs", ChildConfig.epochs, "epochs of a trial", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", ChildConfig.batch_size, "images of a training step", lower_bound=1)
_TRACE_AHEAD = flags.DEFINE_bool("trace_ahead", ChildConfig.trace_ahead, "trace the next network while one trains")
_TURNS = flags.DEFINE_integer("turns", 5, "trials of each competitor that are counted", lower_bound=1)


def main() -> None:
    case, epochs, batch_size = _CASE(), _EPOCHS.value, _BATCH_SIZE.value
    data = without_augmentation(load(DataConfig(dataset="digits"), seed=0))
    used = len(data.train) // batch_size * batch_size  # whole batches only: Keras would make a step of the rest
    data = dataclasses.replace(data, train=data.train.take(np.arange(used)))
    architectures = case.architectures(_TURNS.value + 2)  # the first turn is not counted, the last one is traced only
    pairs, single = itertools.pairwise(architectures), iter(architectures)
    with (
        Worker("benchmarks.competitors.trials:SharedWeightTrials", case, [data], epochs, batch_size) as ours,
        Worker("benchmarks.competitors.trials:KerasTunerTrials", case, [data], epochs, batch_size) as theirs,
    ):

        def ours_run(architecture: Any, following: Any) -> float:
            return ours.seconds("run", architecture, 0, following if _TRACE_AHEAD.value else None)

        compare(
            f"a trial on digits: {case}, {epochs} epochs of {used // batch_size} steps of {batch_size}",
            lambda: ours_run(*next(pairs)),
            lambda: theirs.seconds("run", next(single)),
            _TURNS.value,
            ("shared weights", "keras_tuner.RandomSearch"),
            aim="10 or more",
        )
        show_parts([ours.call("parts", architecture) for architecture in architectures[1:-1]])


def show_parts(trials: Sequence[Mapping[str, float]]) -> None:
    """Prints what the time of our trials goes into, where each network is traced in its own trial."""
    names = list(trials[0])
    rows = [[name, *spread([parts[name] for parts in trials], "{:.4g} s")] for name in names]
    show_table(
        "\nwhat trials on shared weights take, nothing traced ahead", ["", *SPREAD], rows, f"{len(trials)} trials"
    )
