"""The names that a package offers, each imported when it is first used (PEP 562)."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a `__getattr__` for a package's `__init__`, so that importing the package imports no library.

    Args:
        package: the package's `__name__`.
        homes: for each name that the package offers, its module, relative to the package.

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
