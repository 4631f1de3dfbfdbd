"""Formatting of numbers and names in the report."""

import math
import unicodedata

MISSING = "-"
"""The text for an unknown number."""

JOINERS = "\u200c\u200d"
"""Invisible characters that scripts and emoji need."""


def clean(text: object) -> str:
    """Removes characters that HTML and XML forbid, or that would reverse the direction of writing.

    Class names come from users' folders and files, so they may contain anything.
    """
    return "".join(c if c.isprintable() or c in JOINERS else "\ufffd" for c in str(text))


def shortened(text: str, length: int) -> str:
    """Shortens a text to at most `length` characters, with an ellipsis for the rest."""
    return text if len(text) <= length else text[: length - 1] + "…"


def letters_wide(text: str) -> int:
    """Estimates the width of a text in Latin letters; East Asian ones count as two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def percent(part: float | None, digits: int = 1) -> str:
    """Formats a fraction in per cent."""
    return MISSING if part is None or not math.isfinite(part) else f"{100 * part:.{digits}f} %"


def decimal(value: float | None, digits: int = 3) -> str:
    """Formats a number with a fixed number of digits."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """Formats a correlation, always with its sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text[1:] == "0.00" else text


def count(value: float | None) -> str:
    """Formats an integer with thousands separators."""
    return MISSING if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """Formats a large number in about three digits, such as 431 k or 12.3 M."""
    if value is None:
        return MISSING
    for power, unit in ((9, "G"), (6, "M"), (3, "k")):
        scaled = value / 10**power
        if scaled >= 0.9995:
            digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{scaled:.{digits}f} {unit}"
    return f"{value:.0f}"


def duration(seconds: float | None, short: bool = False) -> str:
    """Formats a time in its two largest units; with `short`, times below ten seconds get one decimal."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if short and seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(seconds / 60)} min"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Formats a number with its noun, such as `1 epoch` or `1,200 images`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
