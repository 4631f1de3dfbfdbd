"""Where the data of a run lie: beside what was given the absolute path, so that any folder will do to go on from."""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from epnas_tf.config import DataConfig
from epnas_tf.data import sources
from epnas_tf.errors import DataError
from epnas_tf.options import from_values, values_of

T = TypeVar("T")

PLACES = ("dataset", "data_dir", "manual_dir")
"""Settings that may name a file or a folder."""


class MovedPath(str):
    """The path where a run's data were, of data that are found no more; `refuse_moved` refuses it.

    Attributes:
        given: the relative path that was given when the run began, which leads to no data from this folder either.
    """

    given: str


def absolute_places(values: Mapping[str, Any]) -> dict[str, str]:
    """Returns the absolute path of each of `PLACES` that is given as a path from the folder the command runs in.

    Args:
        values: plain settings by name, those of another kind of work without data included.
    """
    if "dataset" not in values:
        return {}
    data = from_values(DataConfig, {name: values[name] for name in PLACES})
    is_path = sources.ending(data) is not None
    given = {name: values[name] for name in PLACES if values[name] and (name != "dataset" or is_path)}
    return {name: os.path.abspath(os.path.expanduser(path)) for name, path in given.items() if not os.path.isabs(path)}


def resolved(values: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """Returns a run's settings with paths that hold in any folder.

    Args:
        values: plain settings by name, as they were given.
        places: absolute paths of some, as `absolute_places` gave them when the run began.

    Returns:
        The settings: the absolute path where something is there, else the given one where that leads to something from
        here, else a `MovedPath`.
    """
    found = dict(values)
    for name, absolute in places.items():
        if name not in found:
            continue
        if os.path.exists(absolute):
            found[name] = absolute
        elif not os.path.exists(os.path.expanduser(found[name])):
            moved = MovedPath(absolute)
            moved.given = found[name]
            found[name] = moved
    return found


def absolute(config: T) -> T:
    """Returns settings with absolute paths of their data, for a process in another folder."""
    values = values_of(config)
    return from_values(type(config), resolved(values, absolute_places(values)))


def is_moved(there: str, now: str) -> bool:
    """Whether data may have moved between two absolute paths: nothing is left at the old one."""
    return os.path.isabs(there) and not os.path.exists(there) and os.path.exists(now)


def refuse_moved(config: DataConfig) -> None:
    """Refuses data of a run that are neither where they were nor where the path that was given leads from here.

    Raises:
        DataError: if they are not.
    """
    for name in PLACES:
        path = getattr(config, name)
        if isinstance(path, MovedPath):
            here = os.path.abspath(path.given)
            raise DataError(
                f"The run's data must be where --{name} says. Received: --{name}={path.given}, with nothing at {path}, "
                f"where it was when the run began, and nothing at {here}. Bring it back, or give its new place as "
                f"--{name}; epnas-search with the run's --run_dir, then epnas-train, keep the new place."
            )
