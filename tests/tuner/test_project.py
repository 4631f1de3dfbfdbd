"""A project that another process works in, or has worked in: nothing of it is removed, mixed or begun twice."""

import json
import shutil

import pytest

from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildResult
from epnas_tf.config import ChildConfig, SearchConfig
from epnas_tf.errors import ConfigError, RunDirectoryError, StateError
from epnas_tf.tuner.oracle import EPNASOracle
from epnas_tf.tuner.project import refuse_other_settings, refuse_other_space
from epnas_tf.tuner.restrictions import of_space
from tests.tuner.kt_helpers import make_hypermodel, make_tuner, split_digits

SEARCH = SearchConfig(k=2, iterations=1)
TRIALS = 4


def make(directory, **kwargs):
    return make_tuner(directory, **{"search": SEARCH, **kwargs})


def search(tuner):
    x, y, validation = split_digits(100)
    tuner.search(x, y, validation_data=validation, verbose=0)
    return tuner


def interrupted(directory, trials, patch):
    """A search that was stopped in the middle of the trial after `trials` ones; nothing is trained."""
    tuner, trained = make(directory), []

    def train(*_):
        if len(trained) == trials:
            raise KeyboardInterrupt
        trained.append(None)
        return ChildResult(0.5, 1.0, 1.0, 1, 100, 0.0, 0.0, 0.0)

    patch.setattr(ChildTrainer, "train", train)
    with pytest.raises(KeyboardInterrupt):
        search(tuner)
    patch.setattr(ChildTrainer, "train", lambda *_: ChildResult(0.5, 1.0, 1.0, 1, 100, 0.0, 0.0, 0.0))
    return tuner


@pytest.fixture
def half(tmp_path, monkeypatch):
    """The project of a search of which 2 of 4 trials have ended."""
    interrupted(tmp_path, 2, monkeypatch)
    return tmp_path / "project"


def as_worker(monkeypatch, name="worker0"):
    for key, value in (("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1"), ("TUNER_ID", name)):
        monkeypatch.setenv(f"KERASTUNER_{key}", value)


class TestOverwrite:
    def test_not_while_another_process_searches(self, half):
        before = sorted(half.rglob("*"))
        with (
            make(half.parent)._locked(),
            pytest.raises(RunDirectoryError, match=r"Another process is running in .*project\. Wait"),
        ):
            make(half.parent, overwrite=True)
        assert sorted(half.rglob("*")) == before
        assert not make(half.parent, overwrite=True).oracle.trials

    def test_not_by_a_worker(self, half, monkeypatch):
        as_worker(monkeypatch)
        with pytest.raises(ConfigError, match=r"`overwrite=True` in a worker would remove the project of the chief"):
            make(half.parent, overwrite=True)
        assert (half / "oracle.json").exists()

    def test_not_by_a_text(self, half):
        with pytest.raises(ConfigError, match=r"`overwrite` must be a bool. Received: 'no'"):
            make(half.parent, overwrite="no")
        assert (half / "oracle.json").exists()


def test_place_of_a_project_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match=r"/file/project cannot be written: Not a directory"):
        make(tmp_path / "file")


def test_looking_at_a_project_removes_nothing(half):
    """A notebook beside a search that has saved what oracle.json does not speak of yet."""
    make(half.parent)._save_store(3)
    shutil.copy(next((half / "surrogate").iterdir()), half / "surrogate" / "fit-000009.npz")
    before = sorted(half.rglob("*.npz"))
    make(half.parent).reload()
    assert sorted(half.rglob("*.npz")) == before


def test_reload_without_a_project(tmp_path):
    with pytest.raises(StateError, match="There is no project to go on with"):
        make(tmp_path).reload()


def test_object_that_another_process_has_overtaken(half, capsys):
    """It was made before the other one searched to the end, and must not train those trials a second time."""
    early = make(half.parent)
    search(make(half.parent))
    there = (half / "oracle.json").read_bytes()
    assert len(early.oracle.end_order) == 2
    search(early)
    assert (len(early.oracle.end_order), (half / "oracle.json").read_bytes()) == (TRIALS, there)
    assert "Another process has gone on with" in capsys.readouterr().err


class TestSharedWeights:
    def test_that_are_gone(self, half):
        shutil.rmtree(half / "shared_weights")
        tuner = make(half.parent)
        assert len(tuner.get_best_hyperparameters(5)) == 2  # what is known can be looked at
        with pytest.raises(StateError, match="2 trials have trained shared weights that are not there"):
            search(tuner)

    def test_that_are_broken(self, half, capsys):
        newest = sorted((half / "shared_weights").iterdir())[-1]
        newest.write_bytes(newest.read_bytes()[:50])
        search(make(half.parent))
        assert f"{newest} is not whole" in capsys.readouterr().err


class TestOtherTunerId:
    """KerasTuner begins anew where a project has no file of the process's tuner id, and writes over the oracle's."""

    def test_results_are_there(self, half, monkeypatch, capsys):
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "other")
        tuner = make(half.parent)
        assert len(tuner.oracle.end_order) == 2
        assert "has trials, but no file of other: goes on with them" in capsys.readouterr().err
        with pytest.raises(StateError, match=r"shared weights that are not there.*without those of other"):
            search(tuner)

    def test_other_settings(self, half, monkeypatch):
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "other")
        with pytest.raises(StateError, match="epochs: 3 there, 5 now"):
            make(half.parent, child=ChildConfig(epochs=5, batch_size=20))


class TestWorkerUnlikeTheChief:
    def test_settings(self, half):
        (half / "tuner0.json").rename(half / "chief.json")
        settings = json.loads((half / "chief.json").read_text())["settings"]
        refuse_other_settings(half, settings)
        with pytest.raises(StateError, match="epochs: 3 there, 9 now"):
            refuse_other_settings(half, {**settings, "epochs": 9})

    def test_space(self):
        chief = of_space(make_hypermodel().space)
        refuse_other_space(type(chief).from_proto(chief.to_proto()), chief)
        other = of_space(make_hypermodel(layers=3).space)
        with pytest.raises(StateError, match=r"needs the hypermodel and the oracle.*Received: .*: layers, "):
            refuse_other_space(chief, other)


@pytest.mark.parametrize("name", ["max_trials", "max_retries_per_trial", "max_consecutive_failed_trials"])
def test_counts_that_are_none(name):
    space = make_hypermodel().space
    EPNASOracle(space, **{name: 1})
    for value in (-1, 1.5, "3", True):
        with pytest.raises(ConfigError, match=f"`{name}` must be a whole number, at least .* Received: {name}="):
            EPNASOracle(space, **{name: value})
