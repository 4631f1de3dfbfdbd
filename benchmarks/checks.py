"""Checks of the benchmarks' flags, so that a mistake is told before the first run and not after the last."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.figure
from absl import flags


def regular_expression(name: str) -> None:
    """Refuses a value of a flag that is not a regular expression."""
    flags.register_validator(name, _accepts(re.compile), "must be a regular expression")


def numbers(name: str, number: Callable[[str], float], least: float) -> None:
    """Refuses values of a list flag that are not finite numbers of at least `least`; `number` reads one."""

    def all_numbers(texts: Sequence[str]) -> bool:
        read = [number(text) for text in texts]
        return bool(read) and all(math.isfinite(value) and value >= least for value in read)

    kind = "whole numbers" if number is int else "numbers"
    flags.register_validator(name, _accepts(all_numbers), f"must be {kind} of at least {least}, separated by commas")


def in_a_folder(name: str) -> None:
    """Refuses a file to write whose folder is not there."""
    flags.register_validator(name, _has_folder, "must be a file in a folder that exists")


def picture(name: str) -> None:
    """Refuses a file that no picture can be written into."""
    endings = sorted(matplotlib.figure.Figure().canvas.get_supported_filetypes())

    def writable(path: str) -> bool:
        return Path(path).suffix[1:] in endings and _has_folder(path)

    flags.register_validator(name, writable, f"must be in a folder that exists, and end in one of {', '.join(endings)}")


def _has_folder(path: str | None) -> bool:
    """Returns whether a file can lie at a path; a flag that was not given is told by `required`."""
    return path is None or (Path(path).absolute().parent.is_dir() and not Path(path).is_dir())


def _accepts(check: Callable[..., object]) -> Callable[..., bool]:
    """Returns a check of flags that says no where another one does, or raises."""

    def accepts(value: object) -> bool:
        try:
            return bool(check(value))
        except (ValueError, re.error):
            return False

    return accepts
