"""Evaluation of a trained model on a part of a data set."""

import dataclasses
import functools
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf import data as images
from epnas_tf.arrays import Float32Array
from epnas_tf.config import NOT_AUGMENTED, DataConfig, TrainingConfig
from epnas_tf.data import ImageData, Images, scale, sources
from epnas_tf.data.pixels import FEWEST, chunks
from epnas_tf.data.sources import Source
from epnas_tf.data.values import Preparation
from epnas_tf.environment import check_environment
from epnas_tf.errors import ConfigError, TooFewImagesError
from epnas_tf.evaluation.classifier import Classifier
from epnas_tf.evaluation.latency import Latency, measure_latency
from epnas_tf.evaluation.location import Location, locate
from epnas_tf.evaluation.matching import match, with_channels
from epnas_tf.evaluation.models import load_classifier
from epnas_tf.evaluation.precision import full_precision
from epnas_tf.evaluation.preparation import find_preparation
from epnas_tf.evaluation.settings import MIRROR, SINGLE, SPLITS, VIEWS, EvaluationConfig, may_have_trained_on, no_data
from epnas_tf.metrics import Metrics, measure
from epnas_tf.options import require, same_place, values_of
from epnas_tf.storage.data_file import load_description


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        model: the path of the model.
        config: the data set's settings and the seed.
        data_name: the data set's name.
        image_shape: (height, width, channels) of the images.
        split: "test", "validation", "train" or "all".
        may_be_trained_on: whether the model may have been trained on these images, as far as its location shows.
        matching: the way in which the data set's classes were matched to the model's.
        absent: the model's classes that the data set does not have.
        channels: the conversion of the images' channels, None for none.
        notes: the decisions about the data set, see `ImageData`.
        metrics: the metrics, with classes in the model's order.
        latency: the times on this device, of one view; None if they were not requested.
        views: the views of each image whose probabilities were averaged, "single" or "mirror".

    Example:
        >>> import epnas_tf
        >>> evaluation = epnas_tf.evaluate("runs/demo")
        >>> evaluation.split, evaluation.image_shape, evaluation.metrics.num_images
        ('test', (8, 8, 1), 180)
    """

    model: str
    config: EvaluationConfig
    data_name: str
    image_shape: tuple[int, int, int]
    split: str
    may_be_trained_on: bool
    matching: str
    absent: tuple[str, ...]
    channels: str | None
    notes: tuple[str, ...]
    metrics: Metrics
    latency: Latency | None
    views: str = SINGLE

    def to_dict(self) -> dict[str, Any]:
        """Converts the result to JSON values: the metrics first, then their origin."""
        return {
            **self.metrics.to_dict(),
            "latency": None if self.latency is None else self.latency.to_dict(),
            "model": self.model,
            "split": self.split,
            "views": self.views,
            "may_be_trained_on": self.may_be_trained_on,
            "data": {
                "name": self.data_name,
                "image_shape": list(self.image_shape),
                "channels_changed": self.channels,
                "classes_matched": self.matching,
                "classes_absent": list(self.absent),
                "notes": list(self.notes),
            },
            "settings": values_of(self.config),
        }


def evaluate(
    path: str | os.PathLike[str],
    data: DataConfig | None = None,
    split: str | None = None,
    latency: bool = False,
    seed: int | None = None,
    views: str = SINGLE,
) -> Evaluation:
    """Evaluates a trained model.

    Args:
        path: the model, as in `load_classifier`.
        data: the data set; None for the one that the model was trained on, which a run directory records. With an
            `image_size` of -1 its images are resized to the model's input.
        split: "test", "validation", "train" or "all". None means the test images, or all images of a data set that is
            not the model's own and has no test part. Validation images are the data set's own, or else drawn from the
            training images with the seed.
        latency: whether to time the model with batches of 1 and 64 images.
        seed: of the split; None for the seed of the model's training, or 0 if that is not known.
        views: "mirror" averages the probabilities of each image and of its mirror image, which takes twice as long and
            is not how an exported model answers; "single" takes the image alone.

    Returns:
        The result.

    Raises:
        ConfigError: if the split or the views are unknown, or `data` is needed and not given.
        DataError: if the data set cannot be read, or its images or classes do not match the model.
        ModelError: if the model cannot be read or is not an image classifier.
        RunDirectoryError: if a run directory has no final training, or one that cannot be read.

    Example:
        >>> import epnas_tf
        >>> evaluation = epnas_tf.evaluate("runs/demo", split="validation")
        >>> evaluation.split, 0 <= evaluation.metrics.accuracy <= 1
        ('validation', True)
    """
    check_environment()
    if split not in (None, *SPLITS):
        raise ConfigError(f"`split` must be one of {', '.join(SPLITS)}. Received: split={split!r}")
    if views not in VIEWS:
        raise ConfigError(f"`views` must be one of {', '.join(VIEWS)}. Received: views={views!r}")
    location = locate(path)
    training = location.config()
    config = _config(path, training, data, seed)
    place_is_own = training is not None and same_place(config.data.dataset, training.data.dataset)
    whole = not place_is_own and split in (None, "all")
    images.check(config.data, fewest_classes=1 if whole else 2)
    classifier = load_classifier(path)
    loaded = _load(config, classifier, location, whole=whole)
    if isinstance(loaded, Source):
        same_images, drawn, split = False, {}, "all"
    else:
        same_images = location.final is not None and load_description(location.final).digest == loaded.digest
        drawn = {"test_is_drawn": loaded.test_is_drawn, "validation_is_drawn": loaded.validation_is_drawn}
        others = training is not None and not same_images and not place_is_own
        # Of other images without a test part, all: the model was trained on none, so none need to be set apart.
        split = split or ("all" if others and loaded.test_is_drawn else "test")
    matching, part = match(classifier, loaded), part_of(loaded, split)
    channels = classifier.image_shape[2]
    with full_precision():
        probabilities = np.concatenate(
            [_probabilities(classifier, with_channels(chunk, channels), views) for chunk in chunks(part.images)]
        )
    return Evaluation(
        model=os.fspath(path),
        config=config,
        data_name=loaded.name,
        image_shape=loaded.image_shape,
        split=split,
        may_be_trained_on=training is not None
        and may_have_trained_on(training, config, split, same_images=same_images, **drawn),
        matching=matching.how,
        absent=matching.absent,
        channels=matching.channels,
        notes=loaded.notes,
        metrics=measure(matching.to_model[part.labels], probabilities, matching.class_names),
        latency=measure_latency(classifier, with_channels(part.images[:FEWEST], channels)) if latency else None,
        views=views,
    )


def part_of(data: ImageData | Source, split: str) -> Images:
    """Selects a part of a data set by the name of the split; "all" joins the parts that exist."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    there = {name: part for name, part in parts.items() if part is not None}
    if split != "all":
        return there[split]
    return functools.reduce(Images.followed_by, there.values())


def _probabilities(classifier: Classifier, pixels: npt.NDArray[np.uint8], views: str) -> Float32Array:
    """The probabilities of some images, [n, classes]."""
    probabilities = classifier.predict(pixels)
    if views == MIRROR:
        probabilities = np.float32(0.5) * (probabilities + classifier.predict(pixels[:, :, ::-1]))
    return probabilities


def _load(config: EvaluationConfig, classifier: Classifier, location: Location, *, whole: bool) -> ImageData | Source:
    """Reads the data set like the model's own: at the model's image size, with deep files on the training's scale.

    Args:
        config: the data set.
        classifier: the model.
        location: the location of the model.
        whole: whether no part needs to be drawn, so that a class may have a single image.

    Returns:
        The data set; not split if `whole` is true and a class has too few images to split.
    """
    data = dataclasses.replace(config.data, **NOT_AUGMENTED)
    found, assumed = find_preparation(location, classifier.image_shape, classifier.name)
    trained = Preparation(*classifier.image_shape, deep=False) if assumed else found
    loaded: ImageData | Source
    try:
        loaded = images.load(data, config.seed, trained)
    except TooFewImagesError:
        if not whole:
            raise
        loaded = sources.read(data, trained)
    if loaded.deep and not (assumed or trained.deep):
        loaded = dataclasses.replace(loaded, notes=(*loaded.notes, scale.own_scale_note(loaded.value_range)))
    return loaded


def _config(
    path: str | os.PathLike[str], training: TrainingConfig | None, data: DataConfig | None, seed: int | None
) -> EvaluationConfig:
    if data is None:
        if training is None:
            raise no_data(path)
        data = training.data
    require(DataConfig, "data", data)
    own_seed = 0 if training is None else training.seed
    return EvaluationConfig(data, own_seed if seed is None else seed)
