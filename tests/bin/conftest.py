import fcntl
import json
import os

import pytest

from tests.bin import runs


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """The tiny search, run from its beginning to its end by one process: once for all of pytest's workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, printed = folder / "unbroken", folder / "unbroken.json"
    with open(folder / "unbroken.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            result = runs.search(path, "--forecast")  # all others go without, and must end in the same way
            assert result.returncode == 0, result.stderr
            printed.write_text(json.dumps([result.stdout, result.stderr]))
    return runs.Run(path, *json.loads(printed.read_text()))
