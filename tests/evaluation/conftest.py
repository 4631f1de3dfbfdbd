import types

import pytest

from tests.evaluation import artifacts


@pytest.fixture(scope="session")
def digits():
    return artifacts.digits()


@pytest.fixture(scope="session")
def plain(digits, tmp_path_factory):
    """A plain Keras model of the digits, and the folder with its files."""
    model = artifacts.plain_model(digits)
    folder = artifacts.save_forms(tmp_path_factory.mktemp("plain") / "export", model)
    return types.SimpleNamespace(model=model, folder=folder, expected=model.predict(digits.test.images, verbose=0))


@pytest.fixture(scope="session")
def final(digits, tmp_path_factory):
    """A run directory with a finished final training of the digits, and its network as a Keras model."""
    run_dir = tmp_path_factory.mktemp("final") / "run"
    model = artifacts.save_final(run_dir / "final", digits)
    normalised = (digits.test.images - digits.mean) / digits.std
    return types.SimpleNamespace(path=run_dir, model=model, expected=model.predict(normalised, verbose=0))
