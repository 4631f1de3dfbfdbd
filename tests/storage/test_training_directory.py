import contextlib
import json

import numpy as np
import pytest

from epnas_tf.config import DataConfig, FinalNetworkConfig, RecipeConfig, RunConfig, TrainingConfig
from epnas_tf.errors import DataError, RunDirectoryError
from epnas_tf.storage.run_directory import RunDirectory, read_config
from epnas_tf.storage.training_directory import METRICS, TrainingDirectory, read_training_config

CONFIG = TrainingConfig(FinalNetworkConfig(channels=7), RecipeConfig(epochs=4), DataConfig(mirror="no"), seed=5)
ONE = ("1 conv_3x3",)
TWO = ("1 conv_3x3", "1 conv_5x5")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "final"


def add(directory, *epochs):
    """Adds epochs, each with its line and its checkpoint."""
    for epoch in epochs:
        directory.append_record({"epoch": epoch})
        directory.save_state({"store": epoch}, {"store.weights": np.full(3, epoch, np.float32)})


def test_new_directory_holds_its_settings_and_what_is_trained(path):
    with TrainingDirectory(path, CONFIG, TWO) as directory:
        assert directory.load_state() is None
        assert not directory.finished
        assert directory.read_candidates() == []
    document = json.loads((path / "config.json").read_text())
    assert (document["format"], document["version"]) == ("epnas_tf.training", 1)
    assert document["settings"]["architecture"] == "1 conv_3x3; 1 conv_5x5"
    assert {"python", "tensorflow", "keras", "numpy"} <= document["versions"].keys()
    assert read_training_config(path) == CONFIG


def test_goes_on_from_the_newest_checkpoint(path):
    with TrainingDirectory(path, CONFIG, ONE) as directory:
        directory.load_state()
        add(directory, 1, 2, 3)
    with open(path / "history.jsonl", "a") as file:
        file.write('{"epoch": 4}\n{"epo')
    with TrainingDirectory(path, CONFIG, ONE) as directory:
        state = directory.load_state()
        assert (state.number, state.values["store"]) == (3, 3)
        assert directory.read_records() == [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]
        assert directory.warnings == []
    names = sorted(file.name for file in (path / "state").glob("*.npz"))
    assert names == ["epoch-000002.npz", "epoch-000003.npz"]


def test_result_makes_it_finished(path):
    with TrainingDirectory(path, CONFIG, ONE) as directory:
        (path / METRICS).write_text("{}")
        assert directory.finished


def test_candidates_are_kept(path):
    records = [{"candidate": 1, "accuracy": 0.5}, {"candidate": 2, "accuracy": None}]
    with TrainingDirectory(path, CONFIG, TWO) as directory:
        directory.save_candidates(records[:1])
        directory.save_candidates(records)
    with open(path / "candidates.jsonl", "a") as file:
        file.write('{"candidate": 3')
    with TrainingDirectory(path, CONFIG, TWO) as directory:
        assert directory.read_candidates() == records


@pytest.mark.parametrize("done", ["an epoch", "a candidate"])
def test_other_settings_or_architectures_are_refused(path, done):
    with TrainingDirectory(path, CONFIG, TWO) as directory:
        if done == "an epoch":
            add(directory, 1)
        else:
            directory.save_candidates([{"candidate": 1}])
    other = TrainingConfig(FinalNetworkConfig(channels=8), RecipeConfig(epochs=4), DataConfig(mirror="no"), seed=6)
    with pytest.raises(RunDirectoryError, match="another --final_dir to start a new run") as caught:
        TrainingDirectory(path, other, ONE)
    assert str(caught.value).splitlines()[1:-1] == [
        "  --channels: 7 there, 8 now",
        "  --seed: 5 there, 6 now",
        "  --architecture: 1 conv_3x3; 1 conv_5x5 there, 1 conv_3x3 now",
    ]
    with TrainingDirectory(path, CONFIG, TWO):
        pass  # and nothing was changed


def test_before_the_first_epoch_or_candidate_other_settings_are_taken(path):
    with TrainingDirectory(path, CONFIG, TWO):
        pass
    with TrainingDirectory(path, TrainingConfig(), ONE):
        pass
    assert read_training_config(path) == TrainingConfig()


def test_one_process_at_a_time(path):
    with (
        TrainingDirectory(path, CONFIG, ONE),
        pytest.raises(RunDirectoryError, match=f"Another process is running in {path}. .* another --final_dir"),
    ):
        TrainingDirectory(path, CONFIG, ONE)


def test_directory_of_a_search_is_none_of_a_training_and_the_other_way_round(path):
    with RunDirectory(path, RunConfig()):
        pass
    with pytest.raises(RunDirectoryError, match=r"not of format epnas_tf.training"):
        TrainingDirectory(path, CONFIG, ONE)
    with pytest.raises(RunDirectoryError, match=r"not of format epnas_tf.training"):
        read_training_config(path)
    assert read_config(path) == RunConfig()
    with TrainingDirectory(path.parent / "other", CONFIG, ONE):
        pass
    with pytest.raises(RunDirectoryError, match=r"not of format epnas_tf.run,"):
        read_config(path.parent / "other")


def test_directory_with_other_files_is_refused(path):
    path.mkdir(parents=True)
    (path / "letter.txt").write_text("Dear …")
    with pytest.raises(RunDirectoryError, match=r"Give another --final_dir. Received: letter.txt"):
        TrainingDirectory(path, CONFIG, ONE)


@pytest.mark.parametrize("beside", [None, "trials.jsonl"])
def test_training_that_fails_before_its_first_epoch_leaves_nothing(path, beside):
    if beside:
        path.parent.mkdir()
        (path.parent / beside).write_text("")
    with contextlib.suppress(DataError), TrainingDirectory(path, CONFIG, ONE):
        raise DataError("wrong data")
    assert not path.exists()
    assert path.parent.exists() == (beside is not None)


def test_training_that_fails_elsewhere_leaves_the_folder_above_it(tmp_path):
    (tmp_path / "mine").mkdir()
    with contextlib.suppress(DataError), TrainingDirectory(tmp_path / "mine" / "first", CONFIG, ONE):
        raise DataError("wrong data")
    assert list((tmp_path / "mine").iterdir()) == []


def test_settings_that_are_not_allowed_are_reported(path):
    with TrainingDirectory(path, CONFIG, ONE):
        pass
    document = json.loads((path / "config.json").read_text())
    for name, value in (("epochs", 0), ("epochs", "many"), ("held_out", 3)):
        changed = {**document, "settings": {**document["settings"], name: value}}
        (path / "config.json").write_text(json.dumps(changed))
        with pytest.raises(
            RunDirectoryError, match=f"config.json holds a setting that is not allowed. `{name}` must be"
        ):
            read_training_config(path)
