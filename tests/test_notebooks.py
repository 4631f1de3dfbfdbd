"""The notebooks of examples/ run from top to bottom, as Jupyter runs them."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.bin import runs

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(notebook.name for notebook in EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name, tmp_path, monkeypatch):
    for variable, value in runs.environment().items():
        monkeypatch.setenv(variable, value)
    shutil.copytree(EXAMPLES / "plugin", tmp_path / "plugin")  # what a notebook imports from its folder
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "notebooks are kept without their outputs"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3
