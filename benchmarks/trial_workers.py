"""The processes of two sides that make whole trials of the same networks."""

import contextlib
from collections.abc import Iterator, Sequence

from absl import flags

from benchmarks.networks import Case
from benchmarks.worker import Worker
from epnas_tf.data import ImageData

NAMES = ("shared weights", "keras_tuner.RandomSearch")

_FILLED = flags.DEFINE_integer("filled", 30, "architectures whose shared weights are made before", lower_bound=0)


@contextlib.contextmanager
def trial_workers(
    case: Case, parts: Sequence[ImageData], epochs: int, batch_size: int
) -> Iterator[tuple[Worker, Worker]]:
    """Starts both sides and gives their workers, ours first; see `benchmarks.sides.trials` for what they are.

    Args:
        case: the networks.
        parts: data sets; each trial names the one that it uses.
        epochs: of a trial.
        batch_size: images of a training step.
    """
    sides = "benchmarks.sides.trials"
    with (
        Worker(f"{sides}:SharedWeightTrials", case, parts, epochs, batch_size, _FILLED.value) as ours,
        Worker(f"{sides}:KerasTunerTrials", case, parts, epochs, batch_size) as theirs,
    ):
        yield ours, theirs
