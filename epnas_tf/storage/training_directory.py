"""The files of a final training, in the run directory's folder `final`.

    RUN_DIR/final/
      config.json         the settings, the architecture and the versions of the packages
      data.json           the description of the data set
      candidates.jsonl    one line per candidate, if several architectures were compared
      architecture.json   the architecture that is trained
      history.jsonl       one line per epoch
      state/              the two newest checkpoints
      logs/               TensorBoard
      metrics.json        the result on the test images
      test.npz            the network's probabilities for each test image, and some of the images

Locking, writing and resuming are those of a search's directory; see `run_directory`.
"""

import contextlib
import dataclasses
import json
import os
from typing import Any

from epnas_tf.config import TrainingConfig
from epnas_tf.storage.records import read_records
from epnas_tf.storage.run_directory import FINAL_FOLDER, RunDirectory, is_directory_of, read_settings
from epnas_tf.storage.state_files import write_whole

FOLDER = FINAL_FOLDER
CANDIDATES = "candidates.jsonl"
METRICS = "metrics.json"
PREDICTIONS = "test.npz"


@dataclasses.dataclass(frozen=True)
class Epoch:
    """The figures of one epoch: a line of history.jsonl.

    Attributes:
        epoch: its number, from 1.
        learning_rate: at its last step.
        training_loss: mean cross-entropy of its training steps in nats, without L2 and auxiliary head.
        training_accuracy: accuracy over its training steps, on augmented images, in [0, 1]; of a mixture of images, the
            label of the larger share counts as the right one.
        validation_loss: mean cross-entropy on the held-out images in nats, of the averaged variables if there are any;
            None if none are held out.
        validation_accuracy: accuracy likewise, in [0, 1].
        seconds: its duration.
    """

    epoch: int
    learning_rate: float
    training_loss: float
    training_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class TrainingDirectory(RunDirectory):
    """The directory of one final training; the module lists its files.

    Args:
        path: the directory; made if it is not there.
        config: the settings.
        architectures: the architectures to train, as text; several if candidates are compared.

    Raises:
        RunDirectoryError: as `RunDirectory`.
    """

    FOLDER = FINAL_FOLDER
    FORMAT = "epnas_tf.training"
    RECORDS = "history.jsonl"
    STATES = "epoch-"
    FLAG = "--final_dir"

    def _has_children(self) -> bool:
        return super()._has_children() or (self.path / CANDIDATES).exists()

    def _discard_if_empty(self) -> None:
        super()._discard_if_empty()
        if self.path.name == FOLDER and not self.path.exists():
            with contextlib.suppress(OSError):  # it may hold a search
                self.path.parent.rmdir()

    @property
    def finished(self) -> bool:
        """Whether the result on the test images is saved."""
        return (self.path / METRICS).exists()

    def read_candidates(self) -> list[dict[str, Any]]:
        """Reads the records of the candidates so far."""
        return read_records(self.path / CANDIDATES)

    def save_candidates(self, records: list[dict[str, Any]]) -> None:
        """Writes the records of the candidates.

        Raises:
            RunDirectoryError: if it cannot be written.
        """
        write_whole(self.path / CANDIDATES, "".join(json.dumps(record) + "\n" for record in records).encode())


def is_training(path: str | os.PathLike[str]) -> bool:
    """Whether a directory is that of a final training itself, such as one named by --final_dir."""
    return is_directory_of(path, TrainingDirectory.FORMAT)


def read_training_config(path: str | os.PathLike[str]) -> TrainingConfig:
    """Reads the settings of the final training in a directory.

    Raises:
        RunDirectoryError: if there is none, or its settings cannot be read.
    """
    return read_settings(path, TrainingConfig, TrainingDirectory.FORMAT)
