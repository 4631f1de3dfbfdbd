"""The notebooks of examples/ run from top to bottom, as Jupyter runs them."""

import shutil
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.util import run_sync

from tests.bin import runs

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(notebook.name for notebook in EXAMPLES.glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel():
    """One kernel, which imports TensorFlow once; each notebook finds its names removed."""
    manager = AsyncKernelManager(kernel_name="python3")
    run_sync(manager.start_kernel)(env=runs.environment())
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name, tmp_path, kernel):
    shutil.copytree(EXAMPLES / "plugin", tmp_path / "plugin")  # what a notebook imports from its folder
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "notebooks are kept without their outputs"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"%reset -f\n%cd {tmp_path}"))
    client = NotebookClient(notebook, kernel, timeout=300)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3
