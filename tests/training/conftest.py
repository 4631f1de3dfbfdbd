import pytest

from tests.conftest import disabled_grappler
from tests.training import helpers


@pytest.fixture(scope="package", autouse=True)
def _without_grappler():
    """Graphs of a few steps, which Grappler would take longer to rewrite than they run; also for `finished`."""
    with disabled_grappler():
        yield


@pytest.fixture(scope="package")
def finished(tmp_path_factory):
    """A finished final training with everything that is random; its result. Its files are not changed."""
    return helpers.train(tmp_path_factory.mktemp("finished") / "run", helpers.FINISHED, helpers.SKIPS)
