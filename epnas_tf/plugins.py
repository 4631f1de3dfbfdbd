"""Plugins: modules that register a user's own operations and spaces when they are imported.

They are named by the setting `plugins` (`--plugins=my_nets`), or installed with an entry point of the group
`epnas_tf.plugins`. A module that a program imports itself needs neither.
"""

import functools
import importlib
import os
import sys
from collections.abc import Iterable

from epnas_tf.errors import ConfigError

GROUP = "epnas_tf.plugins"

HELP = (
    "modules that register operations and spaces of your own, separated by commas; found in the current folder, too "
    "[paper: none]"
)


def load(names: Iterable[str]) -> None:
    """Imports the modules that a setting names, also from the current folder.

    Args:
        names: modules, such as `my_package.my_nets`.

    Raises:
        ConfigError: if one cannot be imported.

    Example:
        >>> from epnas_tf import plugins
        >>> plugins.load(["json"])  # registers nothing, but can be imported
    """
    for name in names:
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # last, so that no file in the folder hides a library
        _load(name, name)
        _loaded[name] = None


@functools.cache
def load_installed() -> None:
    """Imports the modules that installed packages name in the group `epnas_tf.plugins`, once.

    Raises:
        ConfigError: if one cannot be imported.
    """
    from importlib.metadata import entry_points  # takes a moment to import

    for entry in entry_points(group=GROUP):
        _load(entry.module, f"{entry.module}, which the entry point {entry.name} of {GROUP} names")


def loaded() -> tuple[str, ...]:
    """The modules that were named by a setting so far, for processes that need the same ones."""
    return tuple(_loaded)


_loaded: dict[str, None] = {}


def _load(module: str, received: str) -> None:
    try:
        importlib.import_module(module)
    except ConfigError:
        raise  # for example, a name that is taken
    except Exception as error:  # a user's code may raise anything
        raise ConfigError(
            f"`plugins` must name modules that can be imported. Received: {received}: {type(error).__name__}: {error}. "
            "Check the name; start in the folder that holds the module, set PYTHONPATH to it, or install it."
        ) from error
