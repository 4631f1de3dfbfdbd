import pytest

from epnas_tf.report import write_report
from epnas_tf.space import load_architecture
from tests.report import runs


@pytest.fixture(scope="session")
def macro(tmp_path_factory):
    """A macro search and its final training, both ended, with their report; to be read only."""
    path = tmp_path_factory.mktemp("macro")
    runs.make_search(path, fail=(3,))
    runs.make_training(path / "final", load_architecture(path / "architecture.json"))
    write_report(path)
    return path


@pytest.fixture(scope="session")
def micro(tmp_path_factory):
    """A micro search that has ended and a final training of its second best that has not; to be read only."""
    path = tmp_path_factory.mktemp("micro")
    config = runs.run_config("micro", levels=2, k=4, iterations=1)
    runs.make_search(path, config)
    best = runs.best_architectures(path)
    runs.make_training(path / "final", best[1], done=4, candidates=[(best[0], 0.9), (best[1], 0.92)])
    write_report(path)
    return path


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A run of a data set whose names are made to break the page; to be read only."""
    path = tmp_path_factory.mktemp("hostile")
    data = runs.description("<b onload=x>'\"&amp;\udcff", runs.HOSTILE)
    runs.make_search(path, runs.run_config(dataset="/tmp/<i>/\u202e"), data=data)
    runs.make_training(path / "final", load_architecture(path / "architecture.json"), data=data)
    write_report(path)
    return path


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """A search with four children and no whole architecture yet; to be read only."""
    path = runs.make_search(tmp_path_factory.mktemp("running"), num_children=4)
    write_report(path)
    return path


@pytest.fixture(scope="session")
def training_only(tmp_path_factory):
    """A final training of a hundred classes without a search, ended; to be read only."""
    path = tmp_path_factory.mktemp("training_only")
    classes = tuple(f"class {i}" for i in range(100))
    data = runs.description("hundred", classes, (8, 12, 3), num_test=600)
    runs.make_training(path / "final", runs.CELL, held_out=False, data=data)
    write_report(path)
    return path
