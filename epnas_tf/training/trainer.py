"""A whole final training in its directory: candidates, epochs, checkpoints, the result on the test images."""

import dataclasses
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf import data as data_module
from epnas_tf.arrays import Float32Array
from epnas_tf.config import NOT_AUGMENTED, DataConfig, RunConfig, TrainingConfig
from epnas_tf.data import ImageData, Images, evaluation_batches
from epnas_tf.data.checks.places import PLACES
from epnas_tf.data.loading import with_all_training_images
from epnas_tf.environment import check_environment
from epnas_tf.errors import RunDirectoryError, StateError
from epnas_tf.metrics import Metrics, measure
from epnas_tf.network.predict import predict
from epnas_tf.nn.costs import Cost
from epnas_tf.options import require
from epnas_tf.seeds import EXAMPLES, derived_seed
from epnas_tf.space.definition import build_graph
from epnas_tf.space.serialization import architecture_to_dict
from epnas_tf.storage.data_file import DataDescription, describe_data
from epnas_tf.storage.logs import TensorBoardLogs
from epnas_tf.storage.run_directory import RunDirectory, is_directory_of, read_config, refuse_changed_images
from epnas_tf.storage.state_files import State, translate_read_errors, write_whole
from epnas_tf.storage.training_directory import FOLDER, METRICS, PREDICTIONS, Epoch, TrainingDirectory
from epnas_tf.training.architectures import RankedArchitecture, find_candidates
from epnas_tf.training.network_training import NetworkTraining, TrainingDiverged, training_graph
from epnas_tf.training.optimizer import check_optimizer
from epnas_tf.training.settings import training_config
from epnas_tf.training.trained import final_shape

NUM_EXAMPLES = 24
"""Images kept for the report, of those that the network gets right and of those that it gets wrong."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The result of a final training.

    Attributes:
        architecture: the trained architecture.
        metrics: the figures on the test images.
        cost: parameters and multiply-adds of the network.
        seconds: time spent in all its runs, candidates included.
        directory: the folder of its files.
        already_finished: whether it had ended before this call.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.training_config("runs/demo", channels=4, epochs=1, train_images=200)
        >>> result = epnas_tf.train_final("runs/demo", config)
        >>> result.directory.name, result.cost.parameters > 0
        ('final', True)
    """

    architecture: Any
    metrics: Metrics
    cost: Cost
    seconds: float
    directory: Path
    already_finished: bool


class TrainingListener:
    """Receives the events of a final training. This base class ignores them; subclasses override what they need.

    Example:
        >>> import epnas_tf
        >>> class Epochs(epnas_tf.TrainingListener):
        ...     def epoch_ended(self, epoch):
        ...         print(epoch)
        >>> listener = Epochs()  # for train_final(run_dir, listener=listener)
        >>> listener.warning("silence")
    """

    def started(self, data: ImageData, num_candidates: int) -> None:
        """The data set is loaded, and so many architectures will be compared (1: no comparison)."""

    def candidate_ended(self, record: dict[str, Any]) -> None:
        """A candidate was trained and scored, or it diverged; `record` is its line of candidates.jsonl."""

    def training_started(self, architecture: Any, cost: Cost, epochs: int, num_done: int) -> None:
        """The training of an architecture begins, or resumes after `num_done` of its epochs."""

    def progress(self, epoch: int, step: int, steps: int) -> None:
        """Some of the steps of an epoch (from 0) are done."""

    def epoch_ended(self, epoch: Epoch) -> None:
        """An epoch ended."""

    def warning(self, text: str) -> None:
        """Something went wrong that does not stop the training."""


def train_final(
    run_dir: str | os.PathLike[str],
    config: TrainingConfig | None = None,
    *,
    architecture_file: str | None = None,
    final_dir: str | os.PathLike[str] | None = None,
    listener: TrainingListener | None = None,
) -> TrainingResult:
    """Trains the architecture that a search found, or resumes a stopped training.

    `epnas-train` calls `prepare_tensorflow` first. It changes the whole process, so your own program decides.

    Args:
        run_dir: the search's directory.
        config: the settings, from `training_config`; None for the defaults on the data of the search.
        architecture_file: an architecture to train instead of the search's best; then no search is needed.
        final_dir: the folder of the training's files; None for the folder `final` of `run_dir`.
        listener: receives the events; None for silence.

    Returns:
        The result on the test images. The same settings give the same result, however often the training
        was stopped.

    Raises:
        EPNASError: for every mistake of the user: in settings, data, directories, or an architecture that does not fit.
        TrainingDiverged: if the loss or a variable became NaN or infinite.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.training_config("runs/demo", channels=4, epochs=1, train_images=200)
        >>> result = epnas_tf.train_final("runs/demo", config)
        >>> result.metrics.num_images
        180
    """
    check_environment()
    config = training_config(run_dir) if config is None else config
    require(TrainingConfig, "config", config)
    check_optimizer(config.recipe)
    path = Path(final_dir or Path(run_dir) / FOLDER)
    candidates = find_candidates(Path(run_dir), architecture_file, config.recipe.candidates)
    data_module.check(config.data)
    with TrainingDirectory(path, config, tuple(str(c.architecture) for c in candidates)) as directory:
        return _FinalTraining(config, candidates, directory, Path(run_dir), listener or TrainingListener()).go()


class _FinalTraining:
    """One final training in its directory."""

    def __init__(
        self,
        config: TrainingConfig,
        candidates: list[RankedArchitecture],
        directory: TrainingDirectory,
        run_dir: Path,
        listener: TrainingListener,
    ) -> None:
        self.config = config
        self.candidates = candidates
        self.directory = directory
        self.run_dir = run_dir
        self.listener = listener
        self.seconds = 0.0

    def go(self) -> TrainingResult:
        data = data_module.load(self.config.data, self.config.seed)
        description = describe_data(data)
        for candidate in self.candidates:  # refused here if it does not fit the images or the recipe
            shape = final_shape(candidate.architecture, description, self.config.network)
            training_graph(build_graph(candidate.architecture, shape), shape, self.config.recipe)
        trained_on = data if self.config.recipe.held_out else with_all_training_images(data)
        self.directory.save_description(describe_data(trained_on))
        state = self.directory.load_state()
        done = 0 if state is None else state.number
        # A checkpoint that was lost after the end is made again, from the one before it.
        already_finished = self.directory.finished and done == self.config.recipe.epochs
        if not already_finished:
            self._compare_with_search(description)
            self.listener.started(data, len(self.candidates))
        architecture = self._choose(data)
        data = trained_on
        training = self._training(architecture, data, self.config)
        self.directory.save_best(architecture)
        self._restore(training, state)
        if not already_finished:
            self.listener.training_started(architecture, training.cost, self.config.recipe.epochs, done)
            self._train(training, done)
            self._test(training, data)
        file = self.directory.path / METRICS
        with translate_read_errors(f"{file} is damaged: remove it, and the same command makes it again"):
            document = json.loads(file.read_text(encoding="utf-8"))
        return TrainingResult(
            architecture,
            Metrics.from_dict(document),
            training.cost,
            document["seconds"],
            self.directory.path,
            already_finished,
        )

    def _compare_with_search(self, description: DataDescription) -> None:
        """Warns if the search used other images than these settings do."""
        if not is_directory_of(self.run_dir, RunDirectory.FORMAT):
            return
        if _which_images(read_config(self.run_dir)) != _which_images(self.config):
            return
        remedy = "The architecture was then chosen by them, too."
        try:
            refuse_changed_images(self.run_dir, RunDirectory.FORMAT, description, remedy)
        except RunDirectoryError as error:
            self.listener.warning(str(error))

    def _training(self, architecture: Any, data: ImageData, config: TrainingConfig) -> NetworkTraining:
        shape = final_shape(architecture, describe_data(data), config.network)
        return NetworkTraining(architecture, shape, data, config.recipe, config.seed)

    def _choose(self, data: ImageData) -> Any:
        """Returns the architecture to train in full: the best of several candidates after a few epochs each."""
        if len(self.candidates) == 1:
            return self.candidates[0].architecture
        records = self.directory.read_candidates()
        for number in range(len(records), len(self.candidates)):
            records.append(self._try(number, data))
            self.directory.save_candidates(records)
            self.listener.candidate_ended(records[-1])
        self.seconds = sum(record["seconds"] for record in records)
        scored = [number for number, record in enumerate(records) if record["accuracy"] is not None]
        if not scored:
            raise TrainingDiverged(
                f"Each of the {len(records)} candidates diverged. Use a lower learning rate. Received: "
                f"learning_rate={self.config.recipe.learning_rate}"
            )
        return self.candidates[max(scored, key=lambda number: records[number]["accuracy"])].architecture

    def _try(self, number: int, data: ImageData) -> dict[str, Any]:
        """Trains a candidate for a few epochs, one cosine, and scores it on the held-out images, unless it diverges."""
        began = time.perf_counter()
        candidate, epochs = self.candidates[number], self.config.recipe.candidate_epochs
        given = self.config.recipe
        warmup = given.warmup_epochs * epochs / given.epochs
        recipe = dataclasses.replace(given, epochs=epochs, warmup_epochs=warmup, restart_epochs=0, held_out=True)
        training = self._training(candidate.architecture, data, dataclasses.replace(self.config, recipe=recipe))
        self.listener.training_started(candidate.architecture, training.cost, epochs, 0)
        accuracy = None
        try:
            for epoch in range(epochs):
                last = training.run_epoch(epoch, self._progress(epoch, training.steps))
                self.listener.epoch_ended(last)
            accuracy = last.validation_accuracy
        except TrainingDiverged as error:
            self.listener.warning(f"Candidate {number + 1} diverged. {error}")
        return {
            "candidate": number + 1,
            "text": str(candidate.architecture),
            "architecture": architecture_to_dict(candidate.architecture),
            "accuracy": accuracy,
            "shared_score": candidate.shared_score,
            **dataclasses.asdict(training.cost),
            "epochs": epochs,
            "seconds": time.perf_counter() - began,
        }

    def _progress(self, epoch: int, steps: int) -> Callable[[int], None]:
        return lambda step: self.listener.progress(epoch, step, steps)

    def _restore(self, training: NetworkTraining, state: State | None) -> None:
        """Restores the last checkpoint, if there is one."""
        for warning in self.directory.warnings:
            self.listener.warning(warning)
        if state is None:
            return
        try:
            training.set_state(state.values, state.arrays)
            self.seconds = state.values["seconds"]
        except KeyError as error:
            raise StateError(f"The checkpoint in {self.directory.path} is incomplete. Received: no {error}") from error

    def _train(self, training: NetworkTraining, done: int) -> None:
        logs = TensorBoardLogs(self.directory.path / "logs", self.listener.warning)
        for number in range(done, self.config.recipe.epochs):
            epoch = training.run_epoch(number, self._progress(number, training.steps))
            self.seconds += epoch.seconds
            record = dataclasses.asdict(epoch)
            self.directory.append_record(record)
            values, arrays = training.get_state()
            self.directory.save_state({**values, "seconds": self.seconds}, arrays)
            logs.add(epoch.epoch, {name: value for name, value in record.items() if name != "epoch"})
            self.listener.epoch_ended(epoch)

    def _test(self, training: NetworkTraining, data: ImageData) -> None:
        """Evaluates the network on the test images, once, and writes the result."""
        batches = evaluation_batches(data.test, data.mean, data.std)
        probabilities = predict(training.full_precision_network(), batches)
        metrics = measure(data.test.labels, probabilities, data.class_names)
        arrays = {"labels": data.test.labels, "probabilities": probabilities}
        arrays |= examples(data.test, probabilities, self.config.seed)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # NumPy's stub misreads keywords
        write_whole(self.directory.path / PREDICTIONS, buffer.getvalue())
        document = {
            "split": "test",
            **metrics.to_dict(),
            **dataclasses.asdict(training.cost),
            "epochs": self.config.recipe.epochs,
            "seconds": self.seconds,
        }
        write_whole(self.directory.path / METRICS, (json.dumps(document, indent=2) + "\n").encode())


def _which_images(config: RunConfig | TrainingConfig) -> DataConfig:
    """Returns the settings that determine the images and their split."""
    places = {name: os.path.realpath(path) for name in PLACES if os.path.exists(path := getattr(config.data, name))}
    seed = config.data.drawn_by(config.seed)
    return dataclasses.replace(config.data, **places, **NOT_AUGMENTED, split_seed=seed)


def examples(images: Images, probabilities: Float32Array, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Draws some images that a network classifies correctly and some that it does not.

    Args:
        images: n images.
        probabilities: float32 [n, classes].
        seed: of the draw.

    Returns:
        right_indices and wrong_indices, int64 [k], ascending; right_images and wrong_images, uint8 [k, height, width,
        channels], k at most `NUM_EXAMPLES`.
    """
    generator = np.random.default_rng(derived_seed(seed, EXAMPLES))
    right = probabilities.argmax(axis=1) == images.labels
    drawn: dict[str, npt.NDArray[Any]] = {}
    for name, chosen in (("right", right), ("wrong", ~right)):
        indices = np.flatnonzero(chosen)
        indices = np.sort(generator.permutation(indices)[:NUM_EXAMPLES])
        drawn |= {f"{name}_indices": indices, f"{name}_images": images.images[indices]}
    return drawn
