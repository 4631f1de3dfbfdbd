"""The files of a comparison of the found network with others, in the run directory's folder `compare`.

    RUN_DIR/compare/
      config.json         the settings, the found architecture and the versions of the packages
      data.json           the description of the data set
      trainings.jsonl     one line a finished training
      state/              how many lines count, and the checkpoint of the running training
      compare.json        the figures of each network, and what can be concluded

Locking, writing and resuming are those of a search's directory; see `run_directory`.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from epnas_tf.metrics import Mean, interval_text, percent_of_images
from epnas_tf.storage.records import finite, from_record
from epnas_tf.storage.run_directory import COMPARE_FOLDER, RunDirectory
from epnas_tf.storage.state_files import translate_read_errors

FOLDER = COMPARE_FOLDER
RESULT = "compare.json"


class CompareDirectory(RunDirectory):
    """The directory of one comparison; the module lists its files.

    The number of seeds is no setting of the directory: a comparison goes on with more of them.

    Args:
        path: the directory; made if it is not there.
        config: the settings.
        architectures: the found architecture alone, as text.

    Raises:
        RunDirectoryError: as `RunDirectory`.
    """

    FOLDER = COMPARE_FOLDER
    FORMAT = "epnas_tf.compare"
    RECORDS = "trainings.jsonl"
    FLAG = "--compare_dir"

    def _settings(self) -> dict[str, Any]:
        values = super()._settings()
        del values["seeds"]
        return values


@dataclasses.dataclass(frozen=True)
class ComparedNetwork:
    """The figures of one network: an entry of compare.json.

    Attributes:
        name: its name in the flag `networks`.
        title: what it is called.
        note: its channels, or how its size differs.
        parameters: trainable parameters; of several networks, the mean.
        multiply_adds: multiply-adds for one image; of several networks, the mean.
        accuracies: the test accuracy of each training, by seed; None if it diverged.
        accuracy: their mean.
        difference: the mean of the differences, the found network's accuracy minus its own, seed by seed.
        latency_ms: median time of one image on this device; None if not measured.
    """

    name: str
    title: str
    note: str
    parameters: int
    multiply_adds: int
    accuracies: tuple[float | None, ...]
    accuracy: Mean | None
    difference: Mean | None
    latency_ms: float | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What compare.json holds.

    Attributes:
        networks: the figures of each network, the found one's first.
        conclusion: a sentence: what can be concluded, and what not.
        num_images: the number of test images.
        epochs: epochs of each training.
        seeds: trainings of each network that were asked for.
        device: the device of the latencies; empty if they were not measured.
    """

    networks: tuple[ComparedNetwork, ...]
    conclusion: str
    num_images: int
    epochs: int
    seeds: int
    device: str = ""

    @property
    def image_noise(self) -> str:
        """What the number of test images leaves open of one training's accuracy, in words."""
        means = [network.accuracy.value for network in self.networks if network.accuracy is not None]
        best = max(means, default=0.0)
        return (
            f"Behind each accuracy is Student's 95 % interval over {self.seeds} seeds. A single training says less: of "
            f"{percent_of_images(best, self.num_images)}, its {self.num_images:,} test images alone leave "
            f"{interval_text(best, self.num_images)}."
        )


def read_comparison(path: Path) -> Comparison | None:
    """Reads the result of a comparison so far; None if there is none.

    Args:
        path: its directory.

    Raises:
        RunDirectoryError: if the file is not one that a comparison writes.
    """
    file = path / RESULT
    if not file.exists():
        return None
    with translate_read_errors(f"{file} is not one that a comparison writes"):
        values = json.loads(file.read_text(encoding="utf-8"))
        networks = tuple(map(_network, values["networks"]))
        return from_record(Comparison, values, networks=networks)


def _network(values: dict[str, Any]) -> ComparedNetwork:
    def mean(name: str) -> Mean | None:
        return None if values[name] is None else from_record(Mean, values[name], finite)

    return from_record(
        ComparedNetwork,
        values,
        finite,
        accuracies=tuple(None if accuracy is None else finite(accuracy) for accuracy in values["accuracies"]),
        accuracy=mean("accuracy"),
        difference=mean("difference"),
    )
