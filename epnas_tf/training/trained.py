"""The trained network, as evaluation and export use it."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from epnas_tf.environment import check_environment
from epnas_tf.errors import RunDirectoryError, StateError
from epnas_tf.network.network import Network
from epnas_tf.network.store import VariableStore
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.graph import NetworkShape
from epnas_tf.space.serialization import load_architecture
from epnas_tf.storage.data_file import DataDescription, load_description
from epnas_tf.storage.run_directory import read_config_document
from epnas_tf.storage.state_files import StateFiles, with_prefix
from epnas_tf.storage.training_directory import TrainingDirectory, read_training_config

STORE, AVERAGE = "store.", "average."
"""The prefixes in a checkpoint of the arrays of the last step's variables and of their averages."""


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A trained network with the description of its data set.

    Attributes:
        network: maps normalised float32 images [batch, height, width, channels] to class scores.
        description: the data set that it was trained on, with the mean and standard deviation for normalising.
        architecture: the network's architecture.

    Example:
        >>> import epnas_tf
        >>> trained = epnas_tf.load_trained("runs/demo/final")
        >>> trained.architecture == epnas_tf.load_architecture("runs/demo/architecture.json")
        True
    """

    network: Network
    description: DataDescription
    architecture: Any


def final_shape(architecture: Architecture, description: DataDescription, config: Any) -> NetworkShape:
    """Returns the shape of the final network: all that determines it beside its architecture.

    Args:
        architecture: the architecture to train.
        description: has the image shape and the number of classes.
        config: the settings of the final network, a `FinalNetworkConfig`.
    """
    return NetworkShape.of(config, architecture.num_levels, description)


def load_trained(final_dir: str | os.PathLike[str]) -> TrainedNetwork:
    """Loads the network of a finished final training without changing anything in its directory.

    Args:
        final_dir: the training's directory, `RUN_DIR/final` by default.

    Raises:
        ConfigError: if `check_environment` refuses this process.
        RunDirectoryError: if there is no final training, or it has not ended.
        StateError: if its last checkpoint is incomplete.

    Example:
        >>> import epnas_tf
        >>> trained = epnas_tf.load_trained("runs/demo/final")
        >>> trained.network.shape.channels
        4
    """
    check_environment()
    path = Path(final_dir)
    if not (path / "config.json").exists():
        raise RunDirectoryError(f"{path} holds no final training: it has no config.json. Run epnas-train first.")
    config = read_training_config(path)
    states = StateFiles(path / "state", TrainingDirectory.STATES)
    state = states.peek()
    if state is None or state.number != config.recipe.epochs:
        if states.newest() == config.recipe.epochs:
            if state is None:
                raise states.none_whole("files cut short or changed")
            raise StateError(
                f"The last checkpoint in {path / 'state'} is not whole. Run epnas-train again, it trains the last "
                f"epochs once more. Received: epoch {state.number} as the newest whole one"
            )
        raise RunDirectoryError(
            f"The final training in {path} has not ended: expected a checkpoint after {config.recipe.epochs} epochs. "
            f"Run epnas-train again, it goes on. Received: {0 if state is None else state.number} epochs"
        )
    architecture, description = load_architecture(path / "architecture.json"), load_description(path)
    _refuse_other_architecture(path, architecture)
    store = VariableStore(config.seed)
    network = Network(architecture, final_shape(architecture, description, config.network), store)
    try:
        name, prefix = ("average", AVERAGE) if config.recipe.ema_decay else ("store", STORE)
        store.set_state(state.values[name], with_prefix(prefix, state.arrays))
    except KeyError as error:
        raise StateError(f"The checkpoint in {path} is incomplete. Received: no {error}") from error
    missing = [key for key in network.layers if key not in store.updates]
    if missing:
        raise StateError(f"The checkpoint in {path} is of another network. Received: nothing for {missing[0]}")
    return TrainedNetwork(network, description, architecture)


def _refuse_other_architecture(path: Path, architecture: Architecture) -> None:
    """Refuses an architecture.json that was changed since the training, since the weights belong to the former one."""
    settings = read_config_document(path / "config.json", TrainingDirectory.FORMAT)["settings"]
    if str(architecture) not in str(settings.get("architecture")).split("; "):
        raise RunDirectoryError(
            f"{path / 'architecture.json'} is not what was trained there: expected {settings.get('architecture')}. "
            f"Received: {architecture}. Put the file of the training back."
        )
