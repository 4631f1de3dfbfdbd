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
    found = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {"the example": features}
    named = tf.nest.flatten(info.supervised_keys)
    image = _only("image", _is_image, found, named, dataset)
    label = _only("class", lambda feature: isinstance(feature, tfds.features.ClassLabel), found, named, dataset)
    notes = [] if {image, label} <= set(named) else [f"the images are the feature {image}, the classes {label}"]
    return image, label, notes


def _is_image(feature: Any) -> bool:
    """Whether a feature is an image that a network can take."""
    if not isinstance(feature, tfds.features.Image) or isinstance(feature, tfds.features.LabeledImage):
        return False
    return feature.shape[-1] in (1, 3) and np.dtype(feature.np_dtype) in _TYPES


def _only(role: str, is_kind: Callable[[Any], bool], found: dict[str, Any], named: list[str], dataset: str) -> str:
    """Finds the one feature of a kind: of those that `supervised_keys` name, or of all where they name none."""
    names = [name for name, feature in found.items() if is_kind(feature)]
    names = [name for name in names if name in named] or names
    if len(names) != 1:
        listed = ", ".join(f"{name} {' '.join(repr(feature).split())}" for name, feature in found.items())
        raise DataError(
            "A data set of TFDS must have one image (uint8, uint16 or float32, 1 or 3 channels) and one ClassLabel for "
            f"it. Received: dataset={dataset!r}, of whose features {len(names) or 'none'} may be the {role}: {listed}. "
            "Choose another data set of TFDS's catalog, or save the images that you mean, and their class numbers, as "
            "an .npz file."
        )
    return names[0]
