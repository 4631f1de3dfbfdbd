"""The command line's flags, made from the settings' dataclasses: one fact, one place."""

import dataclasses
import os
import sys
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from absl import flags

from epnas_tf.options import fields_of, from_values

T = TypeVar("T")


def define(config_type: type[Any], without: Collection[str] = ()) -> None:
    """Defines a flag for each plain field of a settings dataclass, with its default, its help and its choices.

    Args:
        config_type: the settings dataclass.
        without: names of fields that get no flag, since the program makes nothing of them.
    """
    for field in fields_of(config_type):
        if field.name not in without:
            _define(field)


def define_path(name: str, default: str | None, help: str) -> None:
    """Defines a flag for a file or a folder that is no setting of the run; shells leave the ~ of --flag=~/x to us."""
    flags.DEFINE(_PathParser(), name, default, help, serializer=flags.ArgumentSerializer())
    show_in_help(name)


class _PathParser(flags.ArgumentParser[str]):
    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        if not argument:
            raise ValueError("empty")
        return os.path.expanduser(argument)


def to_config(config_type: type[T], base: Mapping[str, Any] | None = None) -> T:
    """Returns the settings that the parsed flags give.

    Args:
        config_type: a settings dataclass whose flags were defined.
        base: values by name, instead of the defaults, for flags that were not given.

    Raises:
        ConfigError: if a value is out of its bounds.
    """
    names = [field.name for field in fields_of(config_type)]
    values = {name: flags.FLAGS[name].value for name in names if name in flags.FLAGS}
    given = {name for name in values if flags.FLAGS[name].present}
    values |= {name: value for name, value in (base or {}).items() if name in names and name not in given}
    return from_values(config_type, values)


def show_in_help(name: str) -> None:
    """Lists a flag under `--help`, which shows those that belong to the program itself."""
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def _define(field: dataclasses.Field[Any]) -> None:
    name, default, text = field.name, field.default, field.metadata["help"]
    if field.metadata["choices"]:
        flags.DEFINE_enum(name, default, list(field.metadata["choices"]), text)
    elif isinstance(default, tuple):
        flags.DEFINE_list(name, list(default), text)
    elif isinstance(default, bool):
        flags.DEFINE_boolean(name, default, text)
    elif isinstance(default, int):
        flags.DEFINE_integer(name, default, text)
    elif isinstance(default, float):
        flags.DEFINE_float(name, default, text)
    else:
        flags.DEFINE_string(name, default, text)
    show_in_help(name)
