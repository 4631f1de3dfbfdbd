"""Comparison of the network that a search found with others, all trained by one recipe with the same seeds."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from epnas_tf import data as data_module
from epnas_tf.config import CompareConfig, WorkersConfig, check_ray
from epnas_tf.data import ImageData, evaluation_batches
from epnas_tf.data.checks.places import absolute
from epnas_tf.data.loading import load_same, with_all_training_images
from epnas_tf.environment import check_environment
from epnas_tf.errors import ConfigError, RunDirectoryError
from epnas_tf.evaluation.latency import measure_latency
from epnas_tf.evaluation.models import CheckpointClassifier
from epnas_tf.memory import free_memory
from epnas_tf.metrics import measure
from epnas_tf.network import Network, VariableStore
from epnas_tf.network.predict import predict
from epnas_tf.options import fields_of, from_values, require
from epnas_tf.run.conclusions import compared, conclusion
from epnas_tf.run.opponents import Opponent, Opponents
from epnas_tf.run.runner import finished_state
from epnas_tf.seeds import COMPARED, derived_seed
from epnas_tf.space import NetworkShape
from epnas_tf.storage.compare_directory import FOLDER, RESULT, CompareDirectory, Comparison, read_comparison
from epnas_tf.storage.data_file import DataDescription, describe_data
from epnas_tf.storage.run_directory import read_config
from epnas_tf.storage.state_files import State, write_json
from epnas_tf.storage.training_directory import Epoch
from epnas_tf.training.architectures import find_candidates
from epnas_tf.training.network_training import NetworkTraining, TrainingDiverged, training_graph
from epnas_tf.training.optimizer import check_optimizer
from epnas_tf.training.settings import search_settings
from epnas_tf.training.trained import TrainedNetwork, final_shape

EPOCHS_DONE, SECONDS = "epochs_done", "seconds"
"""Where a state keeps how far the running training is; no such values between two trainings."""


@dataclasses.dataclass(frozen=True)
class CompareResult:
    """The result of a comparison.

    Attributes:
        comparison: the figures of each network, and what can be concluded.
        records: the lines of trainings.jsonl, one for each training.
        directory: the folder of its files.
        already_finished: whether it had ended before this call.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.compare_config(
        ...     "runs/demo", networks=("found", "plain"), seeds=2, channels=4, epochs=1, train_images=200
        ... )
        >>> result = epnas_tf.run_compare("runs/demo", config, latency=False)
        >>> result.directory.name, len(result.records)
        ('compare', 4)
    """

    comparison: Comparison
    records: list[dict[str, Any]]
    directory: Path
    already_finished: bool


class CompareListener:
    """Receives the events of a comparison. This base class ignores them; subclasses override what they need.

    Example:
        >>> import epnas_tf
        >>> class Trainings(epnas_tf.CompareListener):
        ...     def training_ended(self, network, record):
        ...         print(network.name, record)
        >>> listener = Trainings()  # for run_compare(run_dir, listener=listener)
        >>> listener.warning("silence")
    """

    def started(self, data: ImageData, networks: list[Opponent], num_trainings: int, num_done: int) -> None:
        """The first of so many trainings begins, or the comparison resumes after `num_done` of them."""

    def epoch_ended(self, network: Opponent, epoch: Epoch, epochs: int) -> None:
        """One of the epochs of a training ended."""

    def training_ended(self, network: Opponent, record: dict[str, Any]) -> None:
        """A network was trained and tested, or it diverged; `record` is its line of trainings.jsonl."""

    def warning(self, text: str) -> None:
        """Something went wrong that does not stop the comparison."""


def compare_config(run_dir: str | os.PathLike[str], **values: Any) -> CompareConfig:
    """Makes the settings that `epnas-compare` would use with these flags.

    Args:
        run_dir: the search's directory; data settings that are not given are those of the search.
        **values: settings by the names of their flags, such as `seeds=5`.

    Raises:
        ConfigError: if there is no such setting, or a value is out of its bounds.
        RunDirectoryError: if the search's settings cannot be read.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.compare_config("runs/demo", seeds=5).seeds
        5
    """
    unknown = sorted(values.keys() - {field.name for field in fields_of(CompareConfig)})
    if unknown:
        raise ConfigError(f"A comparison has no setting of this name, see epnas-compare --help. Received: {unknown}")
    return from_values(CompareConfig, {**search_settings(run_dir), **values})


def run_compare(
    run_dir: str | os.PathLike[str],
    config: CompareConfig | None = None,
    *,
    architecture_file: str | None = None,
    compare_dir: str | os.PathLike[str] | None = None,
    latency: bool = True,
    listener: CompareListener | None = None,
    workers: WorkersConfig = WorkersConfig(),
) -> CompareResult:
    """Trains the found network and others of the same size by one recipe, or resumes such a comparison.

    With each seed every network is trained once, so that early figures are of all. The trainings of one seed have the
    same order of images and the same augmentation. The test images are looked at once in each training, after its last
    epoch.

    Args:
        run_dir: the search's directory.
        config: the settings, from `compare_config`; None for the defaults on the data of the search.
        architecture_file: an architecture to take for the found one; None for the search's best.
        compare_dir: the folder of the comparison's files; None for the folder `compare` of `run_dir`.
        latency: whether to time each network at the end.
        listener: receives the events; None for silence.
        workers: where the networks are trained; by default in this process, which goes on from the last epoch when it
            was stopped, where workers begin their trainings anew.

    Returns:
        The result. The same settings give the same accuracies, however often the comparison was stopped.

    Raises:
        EPNASError: for every mistake of the user: in settings, data or directories, or a search that is not finished.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.compare_config(
        ...     "runs/demo", networks=("found", "plain"), seeds=2, channels=4, epochs=1, train_images=200
        ... )
        >>> result = epnas_tf.run_compare("runs/demo", config, latency=False)
        >>> [network.name for network in result.comparison.networks]
        ['found', 'plain']
    """
    check_environment()
    run, listener = Path(run_dir), listener or CompareListener()
    search = read_config(run)
    config = compare_config(run) if config is None else config
    require(CompareConfig, "config", config)
    check_optimizer(config.training.recipe)
    check_ray(workers)
    state = finished_state(run, search, "it may still find a better network")
    found = find_candidates(run, architecture_file, 1)[0].architecture
    data_module.check(config.training.data)
    with CompareDirectory(compare_dir or run / FOLDER, config, (str(found),)) as directory:
        data = data_module.load(config.training.data, config.training.seed)
        data = data if config.training.recipe.held_out else with_all_training_images(data)
        description = describe_data(data)
        directory.save_description(description)
        shape = final_shape(found, description, config.training.network)
        networks = Opponents(run, search, state, found, shape, config).of_seeds()
        for opponents in networks.values():  # refused here if it does not fit the recipe
            training_graph(opponents[0].graph, shape, config.training.recipe)
        return _Compare(config, networks, shape, data, description, directory, listener, workers).go(latency)


@dataclasses.dataclass(frozen=True)
class _Compare:
    """One comparison in its directory."""

    config: CompareConfig
    networks: dict[str, list[Opponent]]
    shape: NetworkShape
    data: ImageData
    description: DataDescription
    directory: CompareDirectory
    listener: CompareListener
    workers: WorkersConfig

    def go(self, latency: bool) -> CompareResult:
        planned = [(seed, name) for seed in range(self.config.seeds) for name in self.config.networks]
        state = self.directory.load_state()
        records = self.directory.read_records()
        for warning in self.directory.warnings:
            self.listener.warning(warning)
        self._check_same(records, planned)
        finished = len(records) == len(planned)
        first = [opponents[0] for opponents in self.networks.values()]
        self.listener.started(self.data, first, len(planned), len(records))
        left = planned[len(records) :]
        for (seed, name), figures in zip(left, self._trained(left, state), strict=True):
            network = self.networks[name][seed]
            if figures["accuracy"] is None:
                self.listener.warning(f"{network.title}, seed {seed}, diverged. {figures['failure']}")
            record = {"seed": seed, "network": name, "text": network.text, **figures}
            del record["failure"]
            self.directory.append_record(record)
            self.directory.save_state({}, {})
            records.append(record)
            self._save(records, {}, "")
            self.listener.training_ended(network, record)
        return CompareResult(self._end(records, latency), records, self.directory.path, finished)

    def _check_same(self, records: list[dict[str, Any]], planned: list[tuple[int, str]]) -> None:
        """Refuses to resume a comparison of more seeds, or of other networks.

        Raises:
            RunDirectoryError: if its trainings are not the first ones of this comparison.
        """
        there = [(record["seed"], record["network"], record["text"]) for record in records]
        here = [(seed, name, self.networks[name][seed].text) for seed, name in planned]
        if there != here[: len(there)]:
            seed, _, text = next(training for training in there if training not in here)
            raise RunDirectoryError(
                f"{self.directory.path} has trainings of other networks or more seeds. Give --seeds={there[-1][0] + 1} "
                f"or more, another --compare_dir, or remove it to start anew. Received: {text} of seed {seed} there, "
                f"seeds={self.config.seeds} now"
            )

    def _trained(self, planned: list[tuple[int, str]], state: State | None) -> Iterator[dict[str, Any]]:
        """Yields the figures of each training, the first from the checkpoint in a state if there is one."""
        tasks = [(self.networks[name][seed], seed) for seed, name in planned]
        if self.workers.is_this_process:
            for number, (network, seed) in enumerate(tasks):
                yield trained(self.config, self.shape, self.data, network, seed, self, None if number else state)
            return
        from epnas_tf.scale.pool import side_by_side

        setup = absolute(self.config), self.shape, self.data.digest
        yield from side_by_side(self.workers, (__name__, trainer_of_worker.__name__), setup, tasks)

    def epoch_ended(self, network: Opponent, training: NetworkTraining, epoch: Epoch, seconds: float) -> None:
        """Saves a checkpoint."""
        values, arrays = training.get_state()
        self.directory.save_state({**values, EPOCHS_DONE: epoch.epoch, SECONDS: seconds}, arrays)
        self.listener.epoch_ended(network, epoch, self.config.training.recipe.epochs)

    def _end(self, records: list[dict[str, Any]], latency: bool) -> Comparison:
        """Writes the result with the latencies: those of an earlier call if it measured them all."""
        earlier = read_comparison(self.directory.path)
        kept = {row.name: row.latency_ms for row in earlier.networks if row.latency_ms} if earlier else {}
        if earlier is not None and kept.keys() == self.networks.keys():
            return self._save(records, kept, earlier.device)
        if not latency:
            return self._save(records, {}, "")
        timed, device = {}, ""
        for name, opponents in self.networks.items():
            network = Network(opponents[0].architecture, self.shape, VariableStore(), opponents[0].graph)
            trained = TrainedNetwork(network, self.description, opponents[0].architecture)
            measured = measure_latency(CheckpointClassifier(trained), self.data.test.images[:1], (1,))
            timed[name], device = measured.batches[0].median_ms, measured.device
        return self._save(records, timed, device)

    def _save(self, records: list[dict[str, Any]], latencies: dict[str, float], device: str) -> Comparison:
        num_images, epochs = len(self.data.test), self.config.training.recipe.epochs
        rows = compared(self.networks, records, num_images, latencies)
        comparison = Comparison(rows, conclusion(rows, num_images), num_images, epochs, self.config.seeds, device)
        write_json(self.directory.path / RESULT, comparison)
        return comparison


Setup = tuple[CompareConfig, NetworkShape, str]
"""What a worker trains by: the settings, the shape of the networks, the images' checksum."""


def trainer_of_worker(setup: Setup) -> Callable[[tuple[Opponent, int]], dict[str, Any]]:
    """Makes the function that trains a network, in a worker."""
    config, shape, digest = setup
    data = load_same(config.training.data, config.training.seed, digest, not config.training.recipe.held_out)
    return lambda task: trained(config, shape, data, *task)


def trained(
    config: CompareConfig,
    shape: NetworkShape,
    data: ImageData,
    network: Opponent,
    seed: int,
    checkpoints: _Compare | None = None,
    state: State | None = None,
) -> dict[str, Any]:
    """Trains and tests a network.

    Args:
        config: the settings.
        shape: of the networks.
        data: the images.
        network: the network.
        seed: the number of its seed, from 0.
        checkpoints: is told of each epoch; None for none.
        state: has the checkpoint to go on from, if any.

    Returns:
        Its line of trainings.jsonl; and as "failure" why it diverged, None if it did not.
    """
    recipe = config.training.recipe
    own = derived_seed(config.training.seed, COMPARED, seed)
    training = NetworkTraining(network.architecture, shape, data, recipe, own, network.graph)
    done, seconds = 0, 0.0
    if state is not None and EPOCHS_DONE in state.values:
        training.set_state(state.values, state.arrays)
        done, seconds = state.values[EPOCHS_DONE], state.values[SECONDS]
    figures: dict[str, Any] = {"accuracy": None, "loss": None, "failure": None}
    try:
        for number in range(done, recipe.epochs):
            epoch = training.run_epoch(number)
            seconds += epoch.seconds
            if checkpoints is not None:
                checkpoints.epoch_ended(network, training, epoch, seconds)
        batches = evaluation_batches(data.test, data.mean, data.std)
        probabilities = predict(training.full_precision_network(), batches)
        metrics = measure(data.test.labels, probabilities, data.class_names)
        figures |= {"accuracy": metrics.accuracy, "loss": metrics.loss}
    except TrainingDiverged as error:
        figures["failure"] = str(error)
    free_memory()
    return {**figures, **dataclasses.asdict(network.cost), "epochs": recipe.epochs, "seconds": seconds}
