"""Checks of the benchmarks' flags, so that a mistake is told before the first run and not after the last."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.figure
from absl import flags


def regular_expression(name: str) -> None:
    """Refuses a value of a flag that is not a regular expression."""
    _check(name, re.compile, "must be a regular expression")


def numbers(name: str, number: Callable[[str], float], least: float) -> None:
    """Refuses values of a list flag that are not finite numbers of at least `least`; `number` reads one."""

    def all_numbers(texts: list[str]) -> bool:
        return bool(texts) and all(math.isfinite(number(text)) and number(text) >= least for text in texts)

    kind = "whole numbers" if number is int else "numbers"
    _check(name, all_numbers, f"must be {kind} of at least {least}, separated by commas")


def picture(name: str) -> None:
    """Refuses a file that no picture can be written into."""
    endings = sorted(matplotlib.figure.Figure().canvas.get_supported_filetypes())

    def writable(path: str) -> bool:
        return Path(path).suffix[1:] in endings and Path(path).absolute().parent.is_dir() and not Path(path).is_dir()

    _check(name, writable, f"must be in a folder that exists, and end in one of {', '.join(endings)}")


def _check(name: str, check: Callable[[Any], object], message: str) -> None:
    """Refuses a flag's value where a check says no, or raises."""

    def accepts(value: object) -> bool:
        try:
            return bool(check(value))
        except (ValueError, re.error):
            return False

    flags.register_validator(name, accepts, message)
