import shutil
import types

import pytest

from epnas_tf.evaluation import load_classifier
from epnas_tf.export import export_network
from epnas_tf.storage.data_file import describe_data
from tests.export import networks


@pytest.fixture(scope="session")
def digits():
    return networks.digits()


@pytest.fixture(scope="session")
def final(digits, tmp_path_factory):
    """A run directory with nothing but a finished final training on the digits."""
    path = tmp_path_factory.mktemp("trained") / "run"
    network = networks.train_digits(digits)
    networks.save_final(path / "final", network, describe_data(digits))
    return types.SimpleNamespace(path=path, network=network, expected=load_classifier(path).predict(digits.test.images))


@pytest.fixture(scope="session")
def exported(final, tmp_path_factory):
    """The result of exporting it in every format."""
    return export_network(final.path, output=tmp_path_factory.mktemp("exported") / "export")


@pytest.fixture
def run_dir(final, tmp_path):
    """A copy of the run directory for a test of its own."""
    return shutil.copytree(final.path, tmp_path / "run")
