"""Keras files that older versions of Keras load, too."""

import functools
from pathlib import Path
from typing import Any

import keras

# What these are by default is decided where the file is loaded, by the settings of that process.
ALWAYS_SAID = frozenset({"name", "dtype", "data_format"})


def save_portable(model: keras.Model, path: Path) -> None:
    """Writes a .keras file that says of each layer only what makes it another than a layer of its kind by default.

    A newer Keras gives its layers and initialisers more arguments, and writes all of them. An older one refuses an
    argument that it does not know, though its value is the one that means the older behaviour.

    Args:
        model: of layers that all versions have; their `get_config` is replaced.
        path: the file.
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
    """Returns the part of a layer's config from which `from_config` makes the same layer."""
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
