"""Which data set a model is judged on where none is named: the one it was trained on."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from epnas_tf.config import DataConfig, Settings, TrainingConfig, option
from epnas_tf.options import same_place

SPLITS = ("test", "validation", "train", "all")


def default_split(own_data: bool, test_is_drawn: bool) -> str:
    """Returns the part that is judged on unless the user says so: the test part.

    Of another data set than the model's own, and without a test part of its own, it is everything: no image of it was
    trained on, so none need be kept apart.
    """
    return "all" if test_is_drawn and not own_data else "test"


_KEPT = ("image_size", "data_dir", "seed")
"""The settings of a model's own data set that hold for another one as well."""


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Settings):
    """Which images a model is judged on."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    seed: int = option(
        0,
        "decides which training images are the validation part where the data set brings none; the run's own where the "
        "model is of a run",
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
    if dataset is None or same_place(dataset, own["dataset"]):
        return dict(own)
    return {name: own[name] for name in _KEPT if name in own}


def may_have_trained_on(
    training: TrainingConfig,
    config: EvaluationConfig,
    split: str,
    *,
    test_is_drawn: bool = True,
    validation_is_drawn: bool = True,
) -> bool:
    """Tells whether a network may have been trained on the images that it is evaluated on.

    Args:
        training: the settings of its training.
        config: the data set that it is evaluated on.
        split: the part of it.
        test_is_drawn: whether its test images are drawn from the training images, see `ImageData`.
        validation_is_drawn: whether its validation images are.
    """
    own, data = training.data, config.data
    if not same_place(data.dataset, own.dataset):
        return False
    if split == "test":
        return test_is_drawn and data.test_fraction != own.test_fraction
    if split != "validation" or not training.recipe.held_out:
        return True
    drawn_alike = all(getattr(data, name) == getattr(own, name) for name in _DRAWN_BY) and config.seed == training.seed
    return validation_is_drawn and not drawn_alike


_DRAWN_BY = ("train_images", "validation_fraction", "test_fraction")
"""What decides, beside the seed, which images validate."""
