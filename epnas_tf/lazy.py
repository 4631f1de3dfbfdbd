"""Lazy imports: a package's names, each imported on first use (PEP 562)."""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a package's `__init__`, so that importing the package imports no library.

    Args:
        package: the package's `__name__`.
        homes: for each public name, its module relative to the package.

    Example:
        >>> from epnas_tf.lazy import importer
        >>> importer("epnas_tf", {"seed_of": "seeds", "derived_seed": "seeds"})("derived_seed").__module__
        'epnas_tf.seeds'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return get


def deferred(place: str, **options: Any) -> Callable[..., Any]:
    """A function that imports another on its first call, so that referring to it imports no library.

    Args:
        place: the full name of the function: its module, a dot, its name.
        **options: keyword arguments of every call.

    Example:
        >>> from epnas_tf.lazy import deferred
        >>> deferred("json.dumps", indent=None)([1, 2])
        '[1, 2]'
    """
    return functools.partial(_call, place, **options)


def _call(place: str, /, *arguments: Any, **options: Any) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(importlib.import_module(module), name)(*arguments, **options)
