"""Where images come from: one module for each kind of source, and the choice between them.

A source is a module and its line in `_MODULES`. It has `check(config)`, which rejects what can be rejected without
reading an image, and `read(config, trained)`, which returns a `Source`: `trained` is how a model's training images were
prepared, None for images of one's own. Where `dataset` is a path, `_ENDINGS` has the ending of its name.
"""

import dataclasses
import os
from types import ModuleType

from epnas_tf.config import DataConfig
from epnas_tf.data.sources import digits, folder, idx, npz
from epnas_tf.data.sources.base import Source, asked_size, choose_size
from epnas_tf.data.sources.tfds import source as tfds
from epnas_tf.data.values import Preparation

__all__ = ["Source", "check", "ending", "kind", "read"]

_MODULES: dict[str, ModuleType] = {"digits": digits, "idx": idx, "npz": npz, "folder": folder, "tfds": tfds}
_ENDINGS = {"npz": ".npz", "folder": ""}


def kind(config: DataConfig) -> str:
    """Tells which kind of source the settings name: digits, idx, npz, folder or tfds.

    What has a separator, ends in .npz or exists is a path; anything else is a name. Two exceptions keep names usable:
    `digits` is always the one of scikit-learn (`./digits` is a folder), and a name with a separator that does not exist
    as a path is one of TensorFlow Datasets if its first part is (`emnist/letters`).

    Args:
        config: the settings; only `dataset`, `data_dir` and `manual_dir` are read.
    """
    name = config.dataset
    if name == "digits":
        return "digits"
    if config.manual_dir and name in idx.CLASS_NAMES:
        return "idx"
    path = os.path.expanduser(name)
    if name.lower().endswith(_ENDINGS["npz"]) or os.path.isfile(path):
        return "npz"
    if name and os.path.exists(path):
        return "folder"
    if os.sep not in name:
        return "tfds"
    explicit = name.startswith((".", "~")) or os.path.isabs(path)
    return "tfds" if not explicit and tfds.is_known(tfds.base_name(name), config.data_dir) else "folder"


def ending(config: DataConfig) -> str | None:
    """The ending of the files that `dataset` names, "" where it is a folder; None where it is no path."""
    return _ENDINGS.get(kind(config))


def check(config: DataConfig, fewest_classes: int = 2) -> None:
    """Refuses what can be refused without reading an image.

    Args:
        config: which data set.
        fewest_classes: how many classes a folder must have; of others it is known when they are read.

    Raises:
        DataError: if the name is unknown or the files are not there.
    """
    found = kind(config)
    if found == "folder":
        folder.check(config, fewest_classes)
    else:
        _MODULES[found].check(config)


def read(config: DataConfig, trained: Preparation | None = None) -> Source:
    """Reads all images of a data set.

    Args:
        config: which data set, and the size to bring its images to.
        trained: how a model's training images were prepared: these have its size, unless `image_size` is given, and
            its scale for images of more than 8 bits, if there were such; None to decide both by the images.

    Returns:
        The images, of the size that `choose_size` decides.

    Raises:
        DataError: if the data set is missing, unknown or broken.
    """
    source: Source = _MODULES[kind(config)].read(config, trained)
    size, note = choose_size({source.train.shape[:2]}, asked_size(config, trained))
    return dataclasses.replace(source.resized(size), notes=(*source.notes, note)) if note else source.resized(size)
