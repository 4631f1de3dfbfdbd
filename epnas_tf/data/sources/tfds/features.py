"""Which features of a TensorFlow Datasets (TFDS) data set are the image and its class. Imports TensorFlow."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from epnas_tf.errors import DataError

_TYPES = (np.uint8, np.uint16, np.float32)


def choose_features(info: Any, dataset: str) -> tuple[str, str, list[str]]:
    """Finds the image and the class label, by `supervised_keys` where these name one of each, else by their types.

    Args:
        info: the data set's `tfds.core.DatasetInfo`; no data are needed.
        dataset: its name, for the error.

    Returns:
        The names of the two features, and notes on a choice that `supervised_keys` do not make.

    Raises:
        DataError: if there is not one image and one class label, with the condition that failed.
    """
    features = info.features
    if not isinstance(features, tfds.features.FeaturesDict):
        raise _refused(dataset, f"whose examples are a {_kind(features)} and not features by name")
    found = dict(features.items())
    named = tf.nest.flatten(info.supervised_keys)
    image = _image(found, named, dataset)
    label = _label(found, named, dataset)
    notes = [] if {image, label} <= set(named) else [f"the images are the feature {image}, the classes {label}"]
    return image, label, notes


def _image(found: dict[str, Any], named: list[str], dataset: str) -> str:
    images = _preferred(found, named, _is_image)
    if not images:
        raise _refused(dataset, f"without an image among its features: {_listed(found)}")
    problems = {name: _image_problem(found[name]) for name in images}
    usable = [name for name in images if not problems[name]]
    if not usable:
        raise _refused(dataset, ", ".join(f"whose {name} {problem}" for name, problem in problems.items()))
    if len(usable) > 1:
        raise _refused(dataset, f"with {len(usable)} images an example, {', '.join(usable)}")
    return usable[0]


def _is_image(feature: Any) -> bool:
    return isinstance(feature, tfds.features.Image) and not isinstance(feature, tfds.features.LabeledImage)


def _image_problem(feature: Any) -> str:
    channels, dtype = feature.shape[-1], np.dtype(feature.np_dtype)
    if channels is None:
        return "has no fixed number of channels"
    if channels not in (1, 3):
        return f"has {channels} channels"
    return "" if dtype in _TYPES else f"is of {dtype}"


def _label(found: dict[str, Any], named: list[str], dataset: str) -> str:
    labels = _preferred(found, named, lambda feature: isinstance(feature, tfds.features.ClassLabel))
    if len(labels) == 1:
        return labels[0]
    if labels:
        raise _refused(dataset, f"with {len(labels)} class labels an image, {', '.join(labels)}")
    sequences = {name: feature for name, feature in found.items() if isinstance(feature, tfds.features.Sequence)}
    many = [name for name, feature in sequences.items() if isinstance(feature.feature, tfds.features.ClassLabel)]
    if many:
        raise _refused(dataset, f"whose {' and '.join(many)} may hold several classes an image")
    raise _refused(dataset, f"without a ClassLabel among its features: {_listed(found)}")


def _preferred(found: dict[str, Any], named: list[str], is_kind: Callable[[Any], bool]) -> list[str]:
    """Returns the features of a kind: those that `supervised_keys` name, or all where they name none."""
    names = [name for name, feature in found.items() if is_kind(feature)]
    return [name for name in names if name in named] or names


def _listed(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({_kind(feature)})" for name, feature in found.items())


def _kind(feature: Any) -> str:
    if isinstance(feature, tfds.features.Sequence):
        return f"Sequence of {_kind(feature.feature)}"
    if type(feature) in (tfds.features.Tensor, tfds.features.Scalar):
        return f"{np.dtype(feature.np_dtype)} {list(feature.shape)}"
    return type(feature).__name__


def _refused(dataset: str, reason: str) -> DataError:
    return DataError(
        "A data set of TFDS must have one image (uint8, uint16 or float32, 1 or 3 channels) and one ClassLabel for it. "
        f"Received: dataset={dataset!r}, {reason}. Choose another data set of TFDS's catalog, or save the images that "
        "you mean, and their class numbers, as an .npz file."
    )
