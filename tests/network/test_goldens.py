"""The networks of four fixed architectures are those of the files in `goldens`."""

import json

import pytest

from tests.network.closed_forms import macro_parameters, micro_parameters
from tests.network.golden_files import FOLDER, GOLDENS, UPDATE, golden_text


@pytest.mark.parametrize("name", GOLDENS)
def test_network_is_the_golden_one(name):
    expected = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert golden_text(name) == expected, f"If the change is wanted, write the files anew with `{UPDATE}`."


def test_every_file_belongs_to_a_golden():
    assert {path.stem for path in FOLDER.iterdir()} == set(GOLDENS)


@pytest.mark.parametrize("name", GOLDENS)
def test_golden_parameters_follow_the_closed_forms(name):
    """So a file that was written anew by mistake is not right by definition."""
    golden = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    architecture, shape = GOLDENS[name]
    expected = (macro_parameters if name.startswith("macro") else micro_parameters)(architecture, shape)
    assert golden["parameters"] == expected
    assert sum(node["parameters"] for node in golden["nodes"]) == expected
