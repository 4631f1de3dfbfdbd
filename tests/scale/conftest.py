import fcntl
import os

import pytest


@pytest.fixture(scope="module")
def only_ray(tmp_path_factory):
    """No other of pytest's workers starts Ray meanwhile, so that its processes are all this module's."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with open(folder / "ray.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
