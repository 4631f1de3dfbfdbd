"""The whole path with a person's own operation and space: `examples/plugin`."""

import json
import sys

import pytest

from epnas_tf.storage.records import best_trials
from tests.bin import runs

EXAMPLE = runs.ROOT / "examples" / "plugin"
CHAIN = (
    "--space=chain",
    "--operations=conv_3x3,conv_7x7",
    "--layers=2",
    "--k=3",
    "--iterations=1",
    "--channels=4",
    "--train_images=200",
    "--epochs=1",
    "--batch_size=64",
    "--surrogate_steps=5",
    "--noforecast",
    "--max_params=1500",  # less than the 1,678 of two convolutions of 7×7
)
TRAIN = ("--epochs=1", "--restart_epochs=0", "--channels=4", "--train_images=200")
FORMATS = {"saved_model", "model.keras"}  # the others are made of the Keras model, and know no operation
PYTHON = """
import dataclasses, sys
sys.path.append({folder!r})
import my_nets
from epnas_tf import *
from epnas_tf.storage.run_directory import read_config
prepare_tensorflow()
config = read_config({run!r})
space = dataclasses.replace(config.space, plugins=())
result = run_search(dataclasses.replace(config, space=space), {other!r}, forecast=False)
print(result.architecture, SpaceConfig(space="chain", plugins=("my_nets",)).plugins)
"""


def go(binary, *arguments, **named):
    return runs.drive(binary, *arguments, cwd=EXAMPLE, **named)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A search that was killed, went on without the flag, and was trained and exported, in the plugin's folder."""
    path = tmp_path_factory.mktemp("plugin") / "run"
    killed = go(
        "search", *CHAIN, "--plugins=my_nets", f"--run_dir={path}", moment="a child is trained, not told", nth=3
    )
    assert killed.returncode < 0
    for binary, arguments in {
        "search": (*CHAIN, f"--run_dir={path}"),
        "train": (path, *TRAIN),
        "export": (path, "--format=saved_model,keras"),
        "report": (path,),
    }.items():
        result = go(binary, *arguments)
        assert result.returncode == 0, result.stderr
    return path


def test_search_keeps_its_limit_and_goes_on_as_if_never_stopped(chain, tmp_path):
    trials = runs.trials(chain)
    assert len(trials) == 5  # two of level 1, three of level 2
    assert all(trial["parameters"] <= 1500 for trial in trials)
    assert {trial["text"] for trial in trials[2:]} == {
        "conv_3x3 | conv_3x3",
        "conv_3x3 | conv_7x7",
        "conv_7x7 | conv_3x3",
    }
    result = runs.code(PYTHON.format(folder=str(EXAMPLE), run=str(chain), other=str(tmp_path / "other")))
    assert result.returncode == 0, result.stderr
    best = best_trials(chain, 2)[0]["text"]
    assert result.stdout.strip().endswith(f"{best} ('my_nets',)")
    assert runs.trials(tmp_path / "other") == trials


def test_training_and_export(chain):
    document = json.loads((chain / "architecture.json").read_text())
    assert document["space"] == "chain"
    assert set(document["layers"]) <= {"conv_3x3", "conv_7x7"}
    assert json.loads((chain / "final" / "metrics.json").read_text())["num_images"] > 100
    assert {file["file"] for file in json.loads((chain / "export" / "export.json").read_text())["files"]} == FORMATS
    result = go("evaluate", chain)
    assert result.returncode == 0, result.stderr


def test_what_was_exported_needs_no_plugin(chain, tmp_path):
    for file in ("saved_model", "model.keras"):
        path = tmp_path / file  # away from the run, whose settings name the plugin
        (chain / "export" / file).rename(path)
        try:
            if file == "model.keras":
                code = "import sys, keras; keras.models.load_model(sys.argv[1])"
                assert runs.call((sys.executable, "-c", code), path).returncode == 0
            result = runs.drive("evaluate", path, "--dataset=digits")
            assert result.returncode == 0, result.stderr
        finally:
            path.rename(chain / "export" / file)


def test_report_has_the_picture_and_show_the_operations(chain):
    page = (chain / "report.html").read_text()
    assert "Layer by layer" in page
    assert "conv 7×7" in page
    assert (chain / "report" / "architecture.svg").exists()
    assert "layer 1" in (chain / "report" / "updates.svg").read_text()
    assert "conv_7x7" in go("show", chain).stdout
    result = go("show", chain / "architecture.json", "--plugins=my_nets")
    assert "layer  operation" in result.stdout, result.stderr


def test_what_is_not_known_is_refused_with_what_is(chain, tmp_path):
    result = runs.drive("search", "--space=chain", cwd=tmp_path)
    runs.assert_clear_error(result, "macro, micro", "Received: space='chain'", "--plugins")
    result = runs.drive("search", "--plugins=my_nets", cwd=tmp_path)
    runs.assert_clear_error(result, "Received: my_nets: ModuleNotFoundError", "start in the folder")
    for arguments in (("show", chain), ("train", chain), ("report", chain), ("evaluate", chain), ("rank", chain)):
        runs.assert_clear_error(runs.drive(*arguments, cwd=tmp_path), "my_nets", "start in the folder")
    result = runs.drive("show", chain / "architecture.json", cwd=tmp_path)
    runs.assert_clear_error(result, "macro or micro", "Received: space='chain'", "--plugins")


def test_the_example_is_short():
    lines = [line for file in EXAMPLE.glob("*.*") for line in file.read_text().splitlines()]
    assert len(lines) < 100
