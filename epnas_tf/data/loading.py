"""Loads the data set of the settings into memory: reads, splits and measures it."""

import dataclasses
import socket
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from epnas_tf.config import DataConfig
from epnas_tf.data import sources, splits
from epnas_tf.data.augmentation import Augmentation, Crop, Cutout, Mirror
from epnas_tf.data.checks.names import listed
from epnas_tf.data.checks.places import refuse_moved
from epnas_tf.data.sources.tfds.source import base_name
from epnas_tf.data.values import ImageData, Images, Preparation, statistics
from epnas_tf.errors import ConfigError, DataError, TooFewImagesError

# The test images must be the same in every run. Otherwise runs with different seeds could not be compared, and one run
# would train on images that another tests on. So this seed is fixed and independent of the run's seed.
_TEST_SEED = 20_211_019

# Streams of the run's seed, one for each random choice, so that the choices are independent.
_LIMIT_STREAM = 1
_VALIDATION_STREAM = 2

# Data sets of digits and letters: a mirrored "2" is not a digit, a mirrored "b" is another letter.
_NOT_MIRRORED = frozenset({
    "binarized_mnist", "binary_alpha_digits", "cmaterdb", "digits", "emnist", "kmnist", "mnist", "mnist_corrupted",
    "omniglot", "qmnist", "svhn", "svhn_cropped", "usps",
})  # fmt: skip


_MIRRORED = (
    "training images are mirrored left to right at random; --mirror=no where left and right differ, as in writing"
)


def check(config: DataConfig, fewest_classes: int = 2) -> None:
    """Rejects settings that `load` would reject, early and cheaply: no image is read.

    Args:
        config: the data set and its split.
        fewest_classes: the fewest classes of a folder; one is enough for evaluation.

    Raises:
        ConfigError: if two settings contradict each other, or a step of the augmentation is unknown.
        DataError: if the data set's name is unknown, or its files are missing.
    """
    if config.manual_dir and sources.kind(config) not in ("idx", "tfds"):
        raise ConfigError(
            "`manual_dir` is only read for a data set given by name, such as fashion_mnist. Received: "
            f"manual_dir={config.manual_dir!r} with dataset={config.dataset!r}. Leave `manual_dir` out."
        )
    _augmentation(config)
    refuse_moved(config)
    sources.check(config, fewest_classes)


def load(config: DataConfig, seed: int, trained: Preparation | None = None) -> ImageData:
    """Reads a data set, splits it and measures its training part.

    If the data set has no validation part, a stratified random sample of the training images is drawn by the seed. If
    it has no test part, one is drawn first in the same way, but by a fixed seed: the test images are the same in every
    run.

    Args:
        config: the data set and its split.
        seed: the run's seed, at least 0; decides the validation images and those left out by `train_images`, unless
            the data set has a `split_seed`.
        trained: the preparation of a model's training images, see `sources.read`.

    Returns:
        The data set, with labels 0 … num_classes − 1.

    Raises:
        ConfigError: if two settings contradict each other, or the augmentation does not fit the images.
        DataError: if the data set is missing, unknown, broken or too small.
    """
    check(config)
    seed = config.drawn_by(seed)
    source = sources.read(config, trained)
    if len(source.class_names) < 2:
        raise TooFewImagesError(
            f"{source.name}: a data set needs images of two classes or more to tell apart. Received: 1 class among "
            f"{len(source.train)} training images. Add images of another class."
        )
    train, test = (source.train, source.test) if source.test is not None else _drawn_test(source, config)
    least = 1 if source.validation is not None else 2  # if the validation is drawn, each class gives an image to it
    splits.check_class_sizes(train.labels, source.class_names, least)
    notes = tuple(_unused(config))
    if config.train_images > len(train):
        notes += (f"`train_images` is {config.train_images:,}, and there are {len(train):,}: all are used",)
    elif config.train_images:
        generator = np.random.default_rng([_LIMIT_STREAM, seed])
        train = train.take(splits.limit(train.labels, config.train_images, generator, source.class_names, least))
    validation = source.validation
    if validation is None:
        total = round(config.validation_fraction * len(train))
        generator = np.random.default_rng([_VALIDATION_STREAM, seed])
        kept, drawn = splits.stratified_draw(train.labels, total, generator, leave=1)
        train, validation = train.take(kept), train.take(drawn)
    augmentation = _augmentation(config)
    augmentation.check_fits(min(train.shape[:2]))
    if not config.augmentation and config.mirror == "auto" and _may_mirror(config):
        notes += (_MIRRORED,)
    return ImageData(
        source.name,
        train,
        validation,
        test,
        source.class_names,
        *statistics(train.images),
        augmentation=augmentation,
        test_is_drawn=source.test is None,
        validation_is_drawn=source.validation is None,
        value_range=source.value_range,
        notes=(*source.notes, *_part_notes(source, config, len(train), len(test)), *notes),
        skipped=source.skipped,
        deep=source.deep,
    )


def load_same(config: DataConfig, seed: int, digest: str, all_for_training: bool = False) -> ImageData:
    """Reads a data set in a worker, as `load` does, and if it is asked for as `with_all_training_images`.

    Raises:
        DataError: if its images are not those with the checksum `digest`.
    """
    data = load(config, seed)
    if all_for_training:
        data = with_all_training_images(data)
    if data.digest != digest:
        raise DataError(
            f"A worker on {socket.gethostname()} must read the same images as the process that sends its work: put the "
            f"same files there. Received: other images in {config.dataset}"
        )
    return data


def _drawn_test(source: sources.Source, config: DataConfig) -> tuple[Images, Images]:
    """Draws test images from the training images of a data set without a test part; returns both parts."""
    train = source.train
    least = 1 if source.validation is not None else 2
    total = round(config.test_fraction * len(train))
    kept, drawn = splits.stratified_draw(train.labels, total, np.random.default_rng(_TEST_SEED), leave=least)
    splits.check_class_sizes(train.labels[kept], source.class_names, least)
    if not len(drawn):
        raise TooFewImagesError(
            f"{source.name}: a class needs {'three' if least == 2 else 'two'} images or more, or none is left for the "
            f"test. Received: {len(train)} images in {len(source.class_names)} classes. Add images, or a test part."
        )
    return train.take(kept), train.take(drawn)


def _unused(config: DataConfig) -> list[str]:
    """Notes on settings that do not apply to this kind of data set."""
    kind, notes = sources.kind(config), []
    if config.data_dir and kind != "tfds":
        notes.append(f"--data_dir is not used: {config.dataset} is no data set of TensorFlow Datasets")
    if config.skip_broken and kind != "folder":
        notes.append(f"--skip_broken is not used: {config.dataset} is no folder of images")
    return notes


def _part_notes(source: sources.Source, config: DataConfig, num_train: int, num_test: int) -> list[str]:
    """Notes on the parts that a data set provides: settings for them change their meaning, or have none."""
    notes = []
    if source.test is not None:
        notes = [_missing("test", source.test, source.class_names, "so nothing is known of these at the end")]
        if config.test_fraction != DataConfig().test_fraction:
            notes.append(f"test: {num_test} images of the data set's own, so --test_fraction is not used")
    if source.validation is not None:
        size = len(source.validation)
        notes.append(f"validation: {size} images of the data set's own, so --validation_fraction is not used")
        notes.append(_missing("validation", source.validation, source.class_names, "so nothing scores these"))
        if source.test is None:
            notes.append(f"test: {num_test} images drawn from the training images, as the data set has no test part")
        if config.train_images:
            notes.append(f"train_images: {num_train} training images are used, and all validation images")
    return [note for note in notes if note]


def _missing(part: str, images: Images, class_names: Sequence[str], effect: str) -> str:
    missing = [class_names[label] for label in np.setdiff1d(np.arange(len(class_names)), images.labels)]
    shown = f"warning: no {part} image is of {len(missing)} of the classes ({listed(missing)}), {effect}"
    return shown if missing else ""


def with_all_training_images(data: ImageData) -> ImageData:
    """Adds the validation images to the training part, and updates the statistics."""
    train = data.train.followed_by(data.validation)
    mean, std = statistics(train.images)
    return dataclasses.replace(data, train=train, mean=mean, std=std)


def _augmentation(config: DataConfig) -> Augmentation:
    """The augmentation of `augmentation` or of the older settings, whose disabled steps keep the others' seeds."""
    if config.augmentation:
        return Augmentation.parse(config.augmentation)
    mirror = _may_mirror(config) if config.mirror == "auto" else config.mirror == "yes"
    return Augmentation((Crop(config.crop_padding), Mirror(0.5 if mirror else 0.0), Cutout(config.cutout)))


def _may_mirror(config: DataConfig) -> bool:
    """Whether a data set is not known to show digits or letters."""
    named = sources.ending(config) is None
    # The well-known mnist.npz holds digits, as mnist does.
    name = base_name(config.dataset) if named else PurePath(config.dataset).stem
    return name.lower() not in _NOT_MIRRORED
