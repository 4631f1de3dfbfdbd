"""Architectures to JSON and back, in a form that is easy to read and to write by hand.

{"format": "epnas_tf.architecture", "version": 1, "space": "macro",
 "layers": [{"operation": "conv_3x3"}, {"operation": "sep_conv_5x5", "skips": [0]}]}

{"format": "epnas_tf.architecture", "version": 1, "space": "micro",
 "blocks": [{"left": {"operation": "identity", "input": -2}, "right": {"operation": "conv_3x3", "input": -1}}]}
"""

import contextlib
import json
import os
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.files import new_file
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.definition import definition_of, definition_of_space, known_spaces

FORMAT = "epnas_tf.architecture"
VERSION = 1

_HEADER = ("format", "version", "space")

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80


def architecture_to_dict(architecture: Architecture) -> dict[str, Any]:
    """Converts an architecture to plain lists, dicts, strings and integers, ready for JSON.

    Raises:
        ArchitectureError: if it is not of a registered space.
    """
    definition = definition_of(architecture)
    header = {"format": FORMAT, "version": VERSION, "space": definition.name}
    return {**header, f"{definition.level}s": definition.to_json(architecture)}


def architecture_from_dict(value: object) -> Architecture:
    """Restores an architecture from the value of `architecture_to_dict`: its inverse.

    Raises:
        ArchitectureError: if the value does not hold an architecture; the message says where and why.
    """
    if not isinstance(value, dict):
        raise ArchitectureError(f"An architecture is a JSON object. Received: {_short(value)}")
    if value.get("format") != FORMAT:
        raise ArchitectureError(f'`format` must be "{FORMAT}". Received: {_short(value.get("format", "no such key"))}')
    version = value.get("version")
    if type(version) is not int or version != VERSION:
        raise ArchitectureError(f"This release understands `version` {VERSION}. Received: version={_short(version)}")
    try:
        definition = definition_of_space(value.get("space"))  # type: ignore[arg-type]  # it may be anything
    except (ConfigError, TypeError):
        raise ArchitectureError(
            f"`space` must be {' or '.join(known_spaces())}. Received: space={_short(value.get('space'))}. A module "
            "that registers another is named with --plugins."
        ) from None
    items = _items(value, f"{definition.level}s")
    try:
        return definition.from_json(items)
    except (KeyError, TypeError, AttributeError) as error:  # a plugin's, which may look at less than ours do
        raise ArchitectureError(
            f"The {definition.level}s must be those of an architecture of the {definition.name} space, but "
            f"{type(error).__name__}: {error}. Received: {_short(items)}"
        ) from error


def architecture_to_json(architecture: Architecture) -> str:
    """Converts an architecture to JSON text, one layer or block a line.

    Raises:
        ArchitectureError: if it is not of a registered space.
    """
    *header, (name, items) = architecture_to_dict(architecture).items()
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in header]
    entries = ",\n".join(f"    {json.dumps(item)}" for item in items)
    return "\n".join(["{", *lines, f"  {json.dumps(name)}: [", entries, "  ]", "}"]) + "\n"


def architecture_from_json(text: str) -> Architecture:
    """Restores an architecture from JSON text: the inverse of `architecture_to_json`.

    Raises:
        ArchitectureError: if the text is not JSON or does not describe an architecture; the message says where and why.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        raise ArchitectureError(
            f"Expected JSON, but line {error.lineno}, column {error.colno}: {error.msg}. Received: {_short(line)}"
        ) from error
    except ArchitectureError:
        raise
    except (ValueError, RecursionError) as error:  # integers of thousands of digits, brackets nested without end
        raise ArchitectureError(f"Expected JSON of an architecture, but {error}. Received: {_short(text)}") from error
    return architecture_from_dict(value)


def save_architecture(architecture: Architecture, path: str | os.PathLike[str]) -> None:
    """Writes an architecture to a JSON file, whole or not at all (written beside, then renamed).

    Args:
        architecture: an architecture of a registered space.
        path: the file, replaced if it exists; its folder must exist.

    Raises:
        ArchitectureError: if the space is not registered, or the file cannot be written.

    Example:
        >>> import epnas_tf
        >>> architecture = epnas_tf.MacroSpace(layers=2).architecture([0, 1])
        >>> epnas_tf.save_architecture(architecture, "mine.json")
        >>> epnas_tf.load_architecture("mine.json") == architecture
        True
    """
    text = architecture_to_json(architecture)
    target = Path(path)
    try:
        with new_file(target) as handle:
            handle.write(text.encode())
    except OSError as error:
        raise ArchitectureError(
            f"Expected a place where an architecture can be written, but {error.strerror}. Received: {target}"
        ) from error


def load_architecture(path: str | os.PathLike[str]) -> Architecture:
    """Reads an architecture from a JSON file, written by `save_architecture` or by hand.

    Raises:
        ArchitectureError: if the file cannot be read or does not hold an architecture; the message names the file and
            says where and why.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.load_architecture("runs/demo/architecture.json").num_levels
        2
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # editors of some systems write a byte order mark
    except OSError as error:
        raise ArchitectureError(
            f"Expected the file of an architecture. Received: {os.fspath(path)}, which cannot be read: "
            f"{error.strerror}. Check the spelling and the folder that you are in."
        ) from error
    except UnicodeDecodeError as error:
        raise ArchitectureError(
            f"{os.fspath(path)}: Expected JSON in UTF-8, but byte {error.start} is none. "
            f"Received: {error.object[error.start : error.start + 1]!r}"
        ) from error
    with inside(os.fspath(path)):
        return architecture_from_json(text)


def _items(value: dict[str, Any], name: str) -> list[Any]:
    items = fields(value, required=(*_HEADER, name))[name]
    if not isinstance(items, list) or not items:
        raise ArchitectureError(f"`{name}` must be a list with at least one entry. Received: {name}={_short(items)}")
    return items


def fields(value: object, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Checks the keys of a JSON object and returns it."""
    keys = ", ".join(required) + (f" (and optionally {', '.join(optional)})" if optional else "")
    if not isinstance(value, dict):
        raise ArchitectureError(f"Expected an object with the keys {keys}. Received: {_short(value)}")
    if not set(required) <= set(value) <= {*required, *optional}:
        raise ArchitectureError(f"Expected the keys {keys}. Received: {', '.join(map(str, value)) or 'no keys'}")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes the dict of a JSON object; rejects repeated keys, of which JSON would silently keep the last."""
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ArchitectureError(f"Expected each key once in an object. Received: {twice!r} twice")
    return value


@contextlib.contextmanager
def inside(where: str) -> Iterator[None]:
    """Prefixes the message of an ArchitectureError with a place: a file, or `layers[2]`."""
    try:
        yield
    except ArchitectureError as error:
        raise ArchitectureError(f"{where}: {error}") from error


def _short(value: object) -> str:
    """The `repr` of a value for an error message, shortened: a file may hold anything."""
    return _REPR.repr(value)
