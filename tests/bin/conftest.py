import pytest

from tests.bin import runs


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
    """The tiny search, run from its beginning to its end by one process."""
    path = tmp_path_factory.mktemp("unbroken") / "run"
    result = runs.search(path, "--forecast")  # all others go without, and must end in the same way
    assert result.returncode == 0, result.stderr
    return runs.Run(path, result.stdout, result.stderr)
