import fcntl
import json
import os
import shutil
import sys

import pytest

from tests.bin import runs


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """The tiny search, run from its beginning to its end by one process: once for all of pytest's workers."""
    # All others go without a forecast, and must end in the same way.
    return once("unbroken", tmp_path_factory, lambda path: runs.search(path, "--forecast"))


@pytest.fixture(scope="session")
def ranked(unbroken, tmp_path_factory):
    """A copy of it whose architectures are ranked: once for all of pytest's workers, too."""

    def rank(path):
        shutil.copytree(unbroken.path, path)
        return runs.call((sys.executable, "-m", "epnas_tf.bin.rank"), path, *runs.RANK)

    return once("ranked", tmp_path_factory, rank)


def once(name, tmp_path_factory, make):
    """Makes a run in a folder that all of pytest's workers have, unless one of them did so before."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, printed = folder / name, folder / f"{name}.json"
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            result = make(path)
            assert result.returncode == 0, result.stderr
            printed.write_text(json.dumps([result.stdout, result.stderr]))
    return runs.Run(path, *json.loads(printed.read_text()))
