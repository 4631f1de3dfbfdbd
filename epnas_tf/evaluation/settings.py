"""The default data set of an evaluation: the one that the model was trained on."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from epnas_tf.config import DataConfig, TrainingConfig
from epnas_tf.data.sources import layout
from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, option, same_place

SPLITS = ("test", "validation", "train", "all")

SINGLE, MIRROR = VIEWS = ("single", "mirror")
"""The views of an image whose probabilities are averaged: the image alone, or with its mirror image."""


_KEPT = ("data_dir", "seed")
"""The settings of a model's own data set that hold for another one as well; its images have the model's size anyway."""


def no_data(path: str | os.PathLike[str]) -> ConfigError:
    """Returns the error for a model whose data set is neither known nor given."""
    return ConfigError(
        f"--dataset (`data`) must say which data set to evaluate on: the place of {path} does not tell which one the "
        "model was trained on. Received: none. Give it, or the run directory."
    )


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Settings):
    """The images that a model is evaluated on."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    seed: int = option(
        0,
        "decides which training images are the validation part where the data set brings none; the run's own where the "
        "model is of a run",
        minimum=0,
        maximum=2**31 - 1,
    )


def base_settings(own: Mapping[str, Any], dataset: str | None) -> dict[str, Any]:
    """Returns the values of the settings that the user does not give.

    Args:
        own: the flat settings of the training that the model comes from.
        dataset: the data set that the user gives; None for the model's own.

    Returns:
        All settings of the model's own data set; for another data set, only those that do not describe it.
    """
    if dataset is None or same_place(dataset, own["dataset"]):
        return dict(own)
    return {name: own[name] for name in _KEPT if name in own}


def may_have_trained_on(
    training: TrainingConfig,
    config: EvaluationConfig,
    split: str,
    *,
    same_images: bool = False,
    test_is_drawn: bool = True,
    validation_is_drawn: bool = True,
) -> bool:
    """Whether a network may have been trained on the images that it is evaluated on.

    Args:
        training: the settings of its training.
        config: the data set that it is evaluated on.
        split: the evaluated part.
        same_images: whether its parts are known to hold the same images as in the training, although its path differs.
        test_is_drawn: whether its test images are drawn from the training images, see `ImageData`.
        validation_is_drawn: the same for its validation images.
    """
    own, data = training.data, config.data
    if not same_images and not same_place(data.dataset, own.dataset):
        return _overlaps(data.dataset, own.dataset, own_test=split == "test" and not test_is_drawn)
    if split == "test":
        return test_is_drawn and data.test_fraction != own.test_fraction
    if split != "validation" or not training.recipe.held_out:
        return True
    drawn_alike = all(getattr(data, name) == getattr(own, name) for name in _DRAWN_BY)
    drawn_alike &= data.drawn_by(config.seed) == own.drawn_by(training.seed)
    return validation_is_drawn and not drawn_alike


def _overlaps(dataset: str, own: str, *, own_test: bool) -> bool:
    """Whether one of two folders contains the other, so that they may share images.

    Args:
        dataset: the data set that a model is evaluated on.
        own: the data set that it was trained on.
        own_test: whether the images are those of a test part of `dataset`.
    """
    places = [os.path.realpath(os.path.expanduser(name)) for name in (dataset, own)]
    if not all(map(os.path.isdir, places)):
        return False
    common = os.path.commonpath(places)
    if common == places[1]:  # photos/test of photos is the part that was not trained on
        return layout.part_named(os.path.relpath(places[0], common).split(os.sep)[0]) != "test"
    return common == places[0] and not own_test


_DRAWN_BY = ("train_images", "validation_fraction", "test_fraction")
"""The settings that, together with the seed, determine the validation images."""
