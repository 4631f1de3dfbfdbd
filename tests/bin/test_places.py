"""A run whose data were named by a relative path, from other folders, and after the data have moved."""

import json

import numpy as np
import pytest

from epnas_tf.config import DataConfig
from epnas_tf.data import load
from tests.bin import runs

GIVEN = ("--dataset=data/own.npz", *runs.TINY[1:], "--layers=1", "--k=1", "--iterations=1")
TRAIN = ("--epochs=1", "--channels=4")


@pytest.fixture
def begun(tmp_path):
    """A search that was made in the folder `first`, and another folder to be in."""
    for name in ("first/data", "second"):
        (tmp_path / name).mkdir(parents=True)
    digits = load(DataConfig(), 0).train
    np.savez(tmp_path / "first" / "data" / "own.npz", x_train=digits.images[:400], y_train=digits.labels[:400])
    result = runs.drive("search", *GIVEN, "--run_dir=run", cwd=tmp_path / "first")
    assert result.returncode == 0, result.stderr
    return tmp_path / "first" / "run"


def test_run_of_a_relative_data_set_goes_on_from_any_folder(begun, tmp_path):
    second, before = tmp_path / "second", runs.trials(begun)
    document = json.loads((begun / "config.json").read_text())
    assert document["settings"]["dataset"] == "data/own.npz"
    assert document["places"] == {"dataset": str(tmp_path / "first" / "data" / "own.npz")}

    again = runs.drive("search", *GIVEN, "--run_dir=../first/run", cwd=second)
    assert "This search is finished" in again.stdout
    for binary, *flags in (("train", *TRAIN), ("evaluate",), ("export", "--format=keras")):
        result = runs.drive(binary, "../first/run", *flags, cwd=second)
        assert result.returncode == 0, result.stderr
    assert "test images of own.npz" in result.stdout
    assert runs.trials(begun) == before

    # The data move: every command says where it looked, and the search notes the new place. A final training has the
    # absolute path from the search.
    (tmp_path / "first" / "data" / "own.npz").rename(second / "moved.npz")
    there, here = (str(folder / "data" / "own.npz") for folder in (tmp_path / "first", second))
    for command in (("train", begun, "--final_dir=more"), ("rank", begun)):
        runs.assert_clear_error(runs.drive(*command, cwd=second), "--dataset=data/own.npz", there, here)
    runs.assert_clear_error(runs.drive("evaluate", begun, cwd=second), "--dataset", there)
    moved = ("--dataset=moved.npz", *GIVEN[1:], "--run_dir=../first/run")
    assert "This search is finished" in runs.drive("search", *moved, cwd=second).stdout
    assert json.loads((begun / "config.json").read_text())["places"] == {"dataset": str(second / "moved.npz")}
    assert "This training is finished" in runs.drive("train", begun, *TRAIN, cwd=tmp_path).stdout  # notes it, too
    evaluated = runs.drive("evaluate", begun, cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr

    # Other images are not taken for moved ones.
    (second / "moved.npz").unlink()
    digits = load(DataConfig(), 0).train
    np.savez(tmp_path / "other.npz", x_train=digits.images[400:800], y_train=digits.labels[400:800])
    other = runs.drive("search", f"--dataset={tmp_path / 'other.npz'}", *GIVEN[1:], f"--run_dir={begun}", cwd=second)
    runs.assert_clear_error(other, "no longer those")
    assert json.loads((begun / "config.json").read_text())["settings"]["dataset"] == "moved.npz"


def test_data_set_that_is_not_there_is_looked_for_where_the_message_says(tmp_path):
    for name in ("photos/", "own.npz"):
        result = runs.drive("search", f"--dataset=./{name}", cwd=tmp_path)
        runs.assert_clear_error(result, "--dataset", f"dataset='./{name}'", str(tmp_path / name.rstrip("/")))
