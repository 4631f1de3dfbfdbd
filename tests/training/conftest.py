import pytest

from tests.training import helpers


@pytest.fixture(scope="package")
def finished(tmp_path_factory):
    """A finished final training with everything that is random; its result. Its files are not changed."""
    return helpers.train(tmp_path_factory.mktemp("finished") / "run", helpers.FINISHED, helpers.SKIPS)
