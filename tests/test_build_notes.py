"""The first table of BUILD_NOTES.md says what the settings and the paper's flag files say."""

import re
from pathlib import Path

import pytest

from epnas_tf.config import DataConfig, RunConfig
from epnas_tf.options import fields_of

ROOT = Path(__file__).parents[1]
NOTES = (ROOT / "BUILD_NOTES.md").read_text(encoding="utf-8")
DEFAULTS = {field.name: field.default for field in fields_of(RunConfig)}
OF_THE_DATA = {field.name for field in fields_of(DataConfig)}


def in_words(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def first_table():
    """Returns (the paper's value, the default) by flag, each as the first word of its cell."""
    head = NOTES.split("\n## ")[0]
    rows = re.findall(r"^\| `--(\w+)` \| (\w+)[^|]* \| (\w+)[^|]* \|", head, re.MULTILINE)
    return {flag: (paper, default) for flag, paper, default in rows}


@pytest.mark.parametrize("file", ["paper_macro", "paper_micro"])
def test_the_first_table_has_every_setting_whose_default_is_not_the_papers(file):
    text = (ROOT / "flags" / f"{file}.cfg").read_text(encoding="utf-8")
    paper = dict(re.findall(r"^--(\w+)=(.*)$", text, re.MULTILINE))
    # Data sets, spaces, and what ENAS has two values of are no choice between two defaults.
    of_the_space = {"space", "operations", "batch_size", "l2"}
    differing = {
        name: (value, in_words(DEFAULTS[name]))
        for name, value in paper.items()
        if name not in OF_THE_DATA | of_the_space and value != in_words(DEFAULTS[name])
        if not isinstance(DEFAULTS[name], float) or float(value) != DEFAULTS[name]
    }
    assert first_table() == differing
