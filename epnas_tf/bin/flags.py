"""The command line flags, made from the settings' dataclasses."""

import dataclasses
import itertools
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from epnas_tf.options import Settings, fields_of, from_values, groups_of

T = TypeVar("T")

PRESETS = Path(__file__).parents[1] / "presets"
"""The folder of the package's flag files, `flags/` in a clone."""

OFTEN, OWN = "used most", "this program"
_ending = ""
_groups = [OFTEN, OWN]  # titles of the groups in `--help`, in order


def define(config_type: type[Settings], without: Collection[str] = ()) -> None:
    """Defines a flag for each plain field of a settings dataclass, with its default, its help and its choices.

    Args:
        config_type: the settings dataclass.
        without: names of fields that get no flag, since the command does not use them.
    """
    for settings, fields in groups_of(config_type):
        for field in fields:
            if field.name not in without:
                _define(field, OFTEN if field.name in settings.OFTEN else settings.TITLE or OWN)


def define_path(name: str, help: str, group: str = OWN) -> None:
    """Defines a flag for a path that is not a setting; expands ~, which shells leave as it is in --flag=~/x."""
    flags.DEFINE(_PathParser(), name, None, help, serializer=flags.ArgumentSerializer())
    show_in_help(name, group=group)


def define_verbose() -> None:
    """Defines the flag that prints every setting."""
    flags.DEFINE_boolean("verbose", False, "print every setting, not only those that differ from the defaults")
    show_in_help("verbose")


def define_preset(ending: str = "") -> None:
    """Defines `--preset`, which names a flag file of the package; see `with_preset`.

    Args:
        ending: the end of the file names, which is not part of the preset's name.
    """
    global _ending
    _ending = ending
    names = sorted(file.stem for file in PRESETS.glob(f"*{ending}.cfg"))
    presets = [name.removesuffix(ending) for name in names if ending or not name.endswith("_final")]
    flags.DEFINE_enum("preset", None, presets, "settings that come with the package; other flags override them")
    show_in_help("preset", group=OFTEN)


def with_preset(arguments: list[str]) -> list[str]:
    """Puts the flag file of `--preset` first in a command line, so that every other flag overrides it.

    Args:
        arguments: the program, then its arguments. An unknown preset adds nothing; absl refuses it later.
    """
    for argument, following in itertools.pairwise([*arguments, ""]):
        flag, given, name = argument.partition("=")
        if flag in ("--preset", "-preset"):
            file = PRESETS / f"{name if given else following}{_ending}.cfg"
            if file.is_file():
                return [arguments[0], f"--flagfile={file}", *arguments[1:]]
    return arguments


class _PathParser(flags.ArgumentParser[str]):
    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        if not argument:
            raise ValueError("empty")
        return os.path.expanduser(argument)


def to_config(config_type: type[T], base: Mapping[str, Any] | None = None) -> T:
    """Makes settings from the parsed flags.

    Args:
        config_type: a settings dataclass whose flags were defined.
        base: values by name that replace the defaults of flags that were not given.

    Raises:
        ConfigError: if a value is out of its bounds.
    """
    names = [field.name for field in fields_of(config_type)]
    values = {name: flags.FLAGS[name].value for name in names if name in flags.FLAGS}
    given = {name for name in values if flags.FLAGS[name].present}
    values |= {name: value for name, value in (base or {}).items() if name in names and name not in given}
    return from_values(config_type, values)


def show_in_help(*names: str, group: str = OWN) -> None:
    """Adds flags to `--help`, which lists only the flags of the command itself.

    Args:
        names: the flags' names.
        group: the title of their group.
    """
    for module in (sys.argv[0], group):  # absl groups flags by the module that has them
        for name in names:
            flags.FLAGS.register_key_flag_for_module(module, flags.FLAGS[name])
    if group not in _groups:
        _groups.append(group)


def help_by_purpose() -> str:
    """Returns the help of the command's flags: the most used ones, then the others by subject."""
    shown = (flags.FLAGS.module_help(group) for group in _groups if flags.FLAGS.get_key_flags_for_module(group))
    return "\n".join(shown)


def _define(field: dataclasses.Field[Any], group: str) -> None:
    name, default, text = field.name, field.default, field.metadata["help"]
    if field.metadata["choices"]:
        flags.DEFINE_enum(name, default, list(field.metadata["choices"]), text)
    elif isinstance(default, tuple):
        flags.DEFINE_list(name, list(default), text)
    else:
        getattr(flags, _DEFINED_BY[type(default)])(name, default, text)
    show_in_help(name, group=group)


_DEFINED_BY = {bool: "DEFINE_boolean", int: "DEFINE_integer", float: "DEFINE_float", str: "DEFINE_string"}
"""The functions that define a flag, by the type of its default."""
