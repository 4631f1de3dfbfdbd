"""Which data set a model is judged on where none is named: the one it was trained on."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from epnas_tf.config import DataConfig, Settings, option

SPLITS = ("test", "validation", "train")

_KEPT = ("image_size", "data_dir", "seed")
"""The settings of a model's own data set that hold for another one as well."""


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Settings):
    """Which images a model is judged on."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    seed: int = option(
        0,
        "decides which training images are the validation part; the run's own where the model is of a run",
        minimum=0,
        maximum=2**31 - 1,
    )


def base_settings(own: Mapping[str, Any], dataset: str | None) -> dict[str, Any]:
    """Returns the values that hold for what the user does not set.

    Args:
        own: the flat settings of the training that the model comes from.
        dataset: the data set that the user names, None for the model's own.

    Returns:
        All settings of the model's own data set; for another one those that do not describe the data set itself.
    """
    if dataset in (None, own.get("dataset")):
        return dict(own)
    return {name: own[name] for name in _KEPT if name in own}
