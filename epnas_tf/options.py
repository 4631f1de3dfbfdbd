"""Building blocks of the settings: dataclass fields that carry help and bounds, and the checks of values."""

import dataclasses
import math
import numbers
import os
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from epnas_tf.errors import ConfigError

T = TypeVar("T")


def option(
    default: T,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
) -> T:
    """A dataclass field that carries its help text and its bounds.

    Args:
        default: the default value.
        help: the effect of the setting, its unit, and its source in the paper (or ENAS, or PNAS).
        minimum: the smallest value allowed, inclusive.
        maximum: the largest value allowed, inclusive.
        above: a lower bound, exclusive.
        choices: the values allowed, for a setting with a list of words.
    """
    metadata: dict[str, Any] = {
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "choices": choices,
    }
    return dataclasses.field(default=default, metadata=metadata)


class Settings:
    """Base of the frozen settings: each field is checked against its own bounds on construction.

    Attributes:
        TITLE: the heading of their flags in `--help`.
        OFTEN: names of the most used settings, whose flags come first.
    """

    TITLE: ClassVar[str] = ""
    OFTEN: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            if dataclasses.is_dataclass(field.type):
                require(field.type, field.name, getattr(self, field.name))  # type: ignore[arg-type]
            _check(field, getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """Rejects values that are allowed singly, but not jointly."""


_KINDS = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "a text"),
    tuple: (tuple, "a tuple of texts"),
}
"""For the type of a field's default: the type of its values, and the words for it."""


def _check(field: dataclasses.Field[Any], value: Any) -> None:
    bounds = field.metadata
    if not bounds:
        return
    kind, kind_name = _KINDS[type(field.default)]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"`{field.name}` must be {kind_name}. Received: {field.name}={value!r}")
    rules = (
        (bounds["choices"] and value not in bounds["choices"], f"one of {', '.join(bounds['choices'])}"),
        (bounds["minimum"] is not None and not value >= bounds["minimum"], f"at least {bounds['minimum']}"),
        (bounds["maximum"] is not None and not value <= bounds["maximum"], f"at most {bounds['maximum']}"),
        (bounds["above"] is not None and not value > bounds["above"], f"greater than {bounds['above']}"),
        (value in (math.inf, -math.inf), "finite"),
    )
    for broken, expected in rules:
        if broken:
            raise ConfigError(f"`{field.name}` must be {expected}. Received: {field.name}={value!r}")


def same_place(one: str, other: str) -> bool:
    """Whether two values of a setting name the same data set, file or folder, also by different paths."""
    if one == other:
        return True
    paths = [os.path.expanduser(name) for name in (one, other)]
    return all(map(os.path.exists, paths)) and os.path.samefile(*paths)


def require(config_type: type, name: str, value: object) -> None:
    """Rejects an argument that is not an instance of `config_type`.

    Raises:
        ConfigError: if it has another type.
    """
    if not isinstance(value, config_type):
        raise ConfigError(f"`{name}` must be a {config_type.__name__}. Received: {value!r}")


def fields_of(config_type: type) -> Iterator[dataclasses.Field[Any]]:
    """Yields the plain fields of a settings dataclass, including those of its groups, in order."""
    for field in dataclasses.fields(config_type):
        if dataclasses.is_dataclass(field.type):
            yield from fields_of(field.type)  # type: ignore[arg-type]  # is_dataclass also holds for instances
        else:
            yield field


def groups_of(config_type: type[Settings]) -> Iterator[tuple[type[Settings], list[dataclasses.Field[Any]]]]:
    """Yields the groups in a settings dataclass, and the class itself, each with its own plain fields, in order."""
    own = []
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]  # every subclass is a dataclass
        if dataclasses.is_dataclass(field.type):
            yield from groups_of(field.type)  # type: ignore[arg-type]  # is_dataclass also holds for instances
        else:
            own.append(field)
    if own:
        yield config_type, own


def as_flags(values: Mapping[str, Any]) -> str:
    """Formats settings as flags, as they are typed."""
    return " ".join(shlex.quote(f"--{name}={_typed(value)}") for name, value in values.items())


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple | list) else str(value)


def values_of(config: Any) -> dict[str, Any]:
    """The plain values of a settings object, groups flattened, in the order of `fields_of`."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values.update(values_of(value) if dataclasses.is_dataclass(value) else {field.name: value})
    return values


def from_values(config_type: type[T], values: dict[str, Any]) -> T:
    """Builds a settings object from plain values in the form of `values_of` (lists from JSON become tuples).

    Args:
        config_type: a settings dataclass, `RunConfig` for all of them.
        values: values for some or all plain fields; the others keep their defaults.

    Raises:
        ConfigError: if a value is out of its bounds.
    """
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]  # config_type is a dataclass
        if dataclasses.is_dataclass(field.type):
            arguments[field.name] = from_values(field.type, values)  # type: ignore[arg-type]
        elif field.name in values:
            value = values[field.name]
            arguments[field.name] = tuple(value) if isinstance(value, list) else value
    return config_type(**arguments)
