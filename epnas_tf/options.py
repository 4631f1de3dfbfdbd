"""What the settings are made of: a dataclass's field that carries its help and bounds, and the check of a value."""

import dataclasses
import math
import numbers
import os
from collections.abc import Iterator
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
        default: the value that holds unless another is given.
        help: what the setting does, its unit, and where the paper (or ENAS, or PNAS) says so.
        minimum: the smallest value allowed, inclusive.
        maximum: the largest value allowed, inclusive.
        above: a value that must be exceeded.
        choices: the values allowed, for a setting that is one word of a list.
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
    """Base of the frozen settings: each field is checked against its own bounds when the value is made.

    Attributes:
        TITLE: what the settings are about, over their flags in `--help`.
        OFTEN: names of the settings that people give most often; their flags stand first.
    """

    TITLE: ClassVar[str] = ""
    OFTEN: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            _check(field, getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """Refuses values that are allowed each, but not together."""


_KINDS = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "a text"),
    tuple: (tuple, "a tuple of texts"),
}
"""What a field of a default's type takes, and how to say it."""


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
    """Tells whether two values of a setting name the same data set, file or folder; of a place there are many names."""
    if one == other:
        return True
    paths = [os.path.expanduser(name) for name in (one, other)]
    return all(map(os.path.exists, paths)) and os.path.samefile(*paths)


def require(config_type: type, name: str, value: object) -> None:
    """Refuses an argument that is not of a settings dataclass.

    Raises:
        ConfigError: if it is something else.
    """
    if not isinstance(value, config_type):
        raise ConfigError(f"`{name}` must be a {config_type.__name__}. Received: {value!r}")


def fields_of(config_type: type) -> Iterator[dataclasses.Field[Any]]:
    """Yields the plain fields of a settings dataclass, those of its groups in their order."""
    for field in dataclasses.fields(config_type):
        if dataclasses.is_dataclass(field.type):
            yield from fields_of(field.type)  # type: ignore[arg-type]  # is_dataclass also holds for instances
        else:
            yield field


def groups_of(config_type: type[Settings]) -> Iterator[tuple[type[Settings], list[dataclasses.Field[Any]]]]:
    """Yields the groups in a settings dataclass, and itself, each with its own plain fields, in their order."""
    own = []
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]  # every subclass is a dataclass
        if dataclasses.is_dataclass(field.type):
            yield from groups_of(field.type)  # type: ignore[arg-type]  # is_dataclass also holds for instances
        else:
            own.append(field)
    if own:
        yield config_type, own


def values_of(config: Any) -> dict[str, Any]:
    """Returns the plain values of a settings object, groups flattened, in the order of `fields_of`."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values.update(values_of(value) if dataclasses.is_dataclass(value) else {field.name: value})
    return values


def from_values(config_type: type[T], values: dict[str, Any]) -> T:
    """Builds a settings object from plain values as `values_of` gives them (JSON's lists are taken as tuples).

    Args:
        config_type: a settings dataclass, `RunConfig` for all of them.
        values: a value for some or all plain fields; what is absent keeps its default.

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
