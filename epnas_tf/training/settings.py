"""Settings of a final training, completed from those of the search."""

import os
from pathlib import Path
from typing import Any

from epnas_tf.config import DataConfig, TrainingConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import fields_of, from_values, values_of
from epnas_tf.storage.run_directory import read_config


def search_settings(run_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the settings that a final training inherits from the search in a directory; none without a search.

    They are the seed, the plugins and all data settings but `train_images`: all images are used unless it is given.

    Raises:
        RunDirectoryError: if the search's settings cannot be read.
    """
    if not (Path(run_dir) / "config.json").exists():
        return {}
    names = {field.name for field in fields_of(DataConfig)} - {"train_images"} | {"seed", "plugins"}
    return {name: value for name, value in values_of(read_config(run_dir)).items() if name in names}


def training_config(run_dir: str | os.PathLike[str], **values: Any) -> TrainingConfig:
    """Makes the settings that `epnas-train` would use with these flags.

    Args:
        run_dir: the search's directory; data settings that are not given are those of the search.
        **values: settings by the names of their flags, such as `channels=48`.

    Raises:
        ConfigError: if there is no such setting, or a value is out of its bounds.
        RunDirectoryError: if the search's settings cannot be read.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.training_config("runs/demo", channels=4, epochs=1)
        >>> config.network.channels, config.recipe.epochs, config.data.dataset
        (4, 1, 'digits')
    """
    unknown = sorted(values.keys() - {field.name for field in fields_of(TrainingConfig)})
    if unknown:
        raise ConfigError(f"A final training has no setting of this name, see epnas-train --help. Received: {unknown}")
    return from_values(TrainingConfig, {**search_settings(run_dir), **values})
