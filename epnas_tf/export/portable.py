"""Keras files that older versions of Keras can load as well."""

import functools
from pathlib import Path
from typing import Any

import keras

# What these are by default is decided where the file is loaded, by the settings of that process.
ALWAYS_SAID = frozenset({"name", "dtype", "data_format"})


def save_portable(model: keras.Model, path: Path) -> None:
    """Writes a .keras file whose layer configurations hold only the arguments that differ from their defaults.

    Newer versions of Keras add arguments to layers and initialisers, and write all of them. Older versions refuse an
    unknown argument, even if its value is the default, which means the older behaviour.

    Args:
        model: consists of layers that all versions have; their `get_config` is replaced.
        path: the file to write.
    """
    needed: dict[tuple[type, str], set[str]] = {}  # of layers that are alike but for their names
    for layer in model.layers:
        config = layer.get_config()
        kind = type(layer), repr({**config, "name": None})
        if kind not in needed:
            needed[kind] = set(minimal_config(layer))
        layer.get_config = functools.partial(dict, {name: config[name] for name in config if name in needed[kind]})
    model.save(path)


def minimal_config(layer: keras.layers.Layer) -> dict[str, Any]:
    """Returns the smallest part of a layer's config from which `from_config` makes the same layer."""
    whole = minimal = layer.get_config()
    for argument in whole.keys() - ALWAYS_SAID:
        shorter = {name: value for name, value in minimal.items() if name != argument}
        try:
            same = type(layer).from_config(dict(shorter)).get_config() == whole
        except (KeyError, TypeError, ValueError):
            continue  # it has no default
        if same:
            minimal = shorter
    return minimal
