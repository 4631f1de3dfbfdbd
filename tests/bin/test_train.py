import dataclasses
import io
import json
import os
import re
import shlex
import shutil
import signal
import sys

import numpy as np
import pytest

from epnas_tf.bin import console
from epnas_tf.bin.displays import training as training_display
from epnas_tf.bin.displays.training import LogTrainingDisplay
from epnas_tf.config import DataConfig, RecipeConfig, RunConfig, SpaceConfig, TrainingConfig
from epnas_tf.cost.network_cost import Cost
from epnas_tf.metrics import Metrics, with_interval
from epnas_tf.options import fields_of, values_of
from epnas_tf.space import load_architecture
from epnas_tf.space.serialization import architecture_to_dict, architecture_to_json
from epnas_tf.storage.records import best_trials
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.training_directory import TrainingDirectory, read_training_config
from tests.bin import runs, test_bad_input
from tests.bin.test_search import FLAGS, SCRIPTS, Terminal, printed_settings
from tests.network.architectures import macro
from tests.training import helpers

TRAIN = (sys.executable, "-m", "epnas_tf.bin.train")
# Everything that is random, and epochs enough to be stopped among them.
TINY = (
    "--channels=4",
    "--epochs=12",
    "--restart_epochs=0",
    "--batch_size=64",
    "--train_images=200",
    "--cutout=2",
    "--dropout_keep=0.8",
    "--drop_path_keep=0.6",
    "--candidates=2",
    "--candidate_epochs=1",
)
ADVICE = "The same command goes on from the last epoch; a candidate begins anew."

small_disk = test_bad_input.small_disk


def copy_of(unbroken, path):
    """Copies a search, without a final training."""
    return shutil.copytree(unbroken.path, path, ignore=shutil.ignore_patterns("final"))


@pytest.fixture(scope="module")
def trained(unbroken, tmp_path_factory):
    """The final training of a search, from its beginning to its end by one process."""
    run_dir = copy_of(unbroken, tmp_path_factory.mktemp("trained") / "run")
    result = runs.call(TRAIN, run_dir, *TINY)
    assert result.returncode == 0, result.stderr
    return runs.Run(run_dir, result.stdout, result.stderr)


def test_training_stopped_again_and_again_ends_like_an_unbroken_one(unbroken, trained, small_disk):
    disk, ballast = small_disk
    run_dir = copy_of(unbroken, disk / "run")
    final_dir = run_dir / "final"

    result = runs.drive("train", run_dir, *TINY, moment="candidates are written", nth=1)
    assert result.returncode == -signal.SIGKILL
    assert len(candidates(run_dir)) == 1
    assert not (final_dir / "architecture.json").exists()
    assert not (final_dir / "metrics.json").exists()

    result = runs.drive("train", run_dir, *TINY, moment="Ctrl-C after a state", nth=2)
    assert result.returncode == 130
    assert result.stderr.strip() == f"epnas-train: stopped. {ADVICE}"
    assert not (final_dir / "metrics.json").exists()

    plan = {"moment": "the disk is full", "nth": 2, "ballast": ballast and str(ballast)}
    before = helpers.checkpoint(final_dir).number
    assert before == 2
    result = runs.drive("train", run_dir, *TINY, **plan)
    runs.assert_clear_error(result, f"{final_dir}/state cannot be written: ")
    assert re.search("No space left on device|File too large", result.stderr)
    assert result.stderr.count("\n") == 1
    assert helpers.checkpoint(final_dir).number == before + 1
    assert not list(run_dir.rglob("*.tmp"))
    if ballast:
        ballast.unlink()

    plan = {"moment": "test.npz is written", "nth": 1}
    result = runs.drive("train", run_dir, *TINY, **plan)
    assert result.returncode == -signal.SIGKILL
    assert f"Going on after epoch {before + 1} of 12." in result.stdout
    assert (final_dir / "test.npz").exists()
    assert not (final_dir / "metrics.json").exists()

    result = runs.drive("train", run_dir, *TINY)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "Going on after epoch 12 of 12." in result.stdout
    helpers.assert_same_result(final_dir, trained.path / "final")
    assert candidates(run_dir) == candidates(trained.path)
    assert read_training_config(final_dir) == read_training_config(trained.path / "final")


def candidates(run_dir):
    lines = (run_dir / "final" / "candidates.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_finished_training_says_so_and_changes_no_file(trained):
    before = runs.snapshot(trained.path)
    result = runs.drive("train", trained.path, *TINY[::-1], "--momentum=0.90", "--seed=0")  # as before, in other words
    assert result.returncode == 0
    assert result.stderr == ""
    final_dir = trained.path / "final"
    assert f"This training is finished; {final_dir} holds its result. Give another --final_dir" in result.stdout
    assert not re.search(r"^(epoch|candidate|training|digits:)", result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-9:] == trained.stdout.splitlines()[-9:]
    assert runs.snapshot(trained.path) == before


def test_the_searchs_best_are_compared_and_the_better_is_trained(trained):
    best, lines = best_trials(trained.path, 3), candidates(trained.path)
    assert [line["candidate"] for line in lines] == [1, 2]
    assert [(line["text"], line["shared_score"]) for line in lines] == [(t["text"], t["score"]) for t in best[:2]]
    assert {line["epochs"] for line in lines} == {1}
    best = max(lines, key=lambda line: (line["accuracy"], -line["candidate"]))
    architecture = load_architecture(trained.path / "final" / "architecture.json")
    assert (str(architecture), architecture_to_dict(architecture)) == (best["text"], best["architecture"])


EPOCH = re.compile(
    r"epoch (?P<epoch>\d+)/12  learning rate (?P<learning_rate>[\d.]+)  training loss (?P<training_loss>[\d.]+)  "
    r"training accuracy (?P<training_accuracy>[\d.]+) %  [\d.]+ s  left (\d+:)?\d+:\d\d"
)


def test_log_has_one_line_an_epoch_that_agrees_with_the_history(trained):
    assert trained.stderr == ""
    lines = trained.stdout.splitlines()
    assert (
        "digits: 180 training, 20 validation and 180 test images of 8×8×1 in 10 classes; the validation images "
        "score the candidates, and then are trained on too"
    ) in lines
    shown = [EPOCH.fullmatch(line) for line in lines if re.match(r"epoch \d+/12 ", line)]
    history = helpers.history(trained.path / "final")
    assert len(shown) == len(history) == 12
    for line, epoch in zip(shown, history, strict=True):
        assert int(line["epoch"]) == epoch["epoch"]
        assert line["learning_rate"] == f"{epoch['learning_rate']:.4f}"
        assert line["training_loss"] == f"{epoch['training_loss']:.4f}"
        assert line["training_accuracy"] == f"{100 * epoch['training_accuracy']:.1f}"  # of 200 images
    compared = [line for line in lines if line.startswith("candidate ")]
    assert compared == [
        f"candidate {c['candidate']}/2  accuracy {with_interval(c['accuracy'], 20)} after 1 epoch, "
        f"{100 * c['shared_score']:.0f} % in the search"
        for c in candidates(trained.path)
    ]


def test_end_shows_the_result_and_what_to_type_next(trained):
    final_dir, end = trained.path / "final", trained.stdout.splitlines()[-9:]
    metrics = helpers.metrics(final_dir)
    assert end[0] == str(load_architecture(final_dir / "architecture.json"))
    assert end[1] == f"{metrics['parameters']:,} parameters, {metrics['multiply_adds']:,} multiply-adds an image"
    accuracy = (
        f"test accuracy {with_interval(metrics['accuracy'], 180)} on 180 images, loss {metrics['loss']:.4f}, after "
    )
    assert re.fullmatch(re.escape(accuracy) + r"\d+ s", end[2])
    assert end[3:5] == [f"  {final_dir / 'metrics.json'}", "next:"]
    for line, program in ((end[6], "epnas-export"), (end[8], "epnas-report")):
        command = shlex.split(line)
        assert command[0].endswith(program)
        assert command[1:] == [str(trained.path)]
    with np.load(final_dir / "test.npz") as archive:
        right = archive["probabilities"].argmax(axis=1) == archive["labels"]
    assert metrics["accuracy"] == pytest.approx(right.mean())
    assert Metrics.from_dict(metrics).num_images == 180


@pytest.fixture
def display():
    """Shows a training of two epochs that is to compare five candidates; what it shows is `display.console.file`."""
    recipe = RecipeConfig(epochs=2, restart_epochs=5, candidates=5)
    return LogTrainingDisplay(console.Terminal(file=io.StringIO(), width=200), recipe)


def test_log_counts_the_candidates_that_there_are_and_warns_of_a_cosine_that_is_cut(display):
    display.started(helpers.digits(), num_candidates=2)
    display.candidate_ended({"candidate": 1, "accuracy": 0.5, "epochs": 3, "shared_score": None})
    shown = display.console.file.getvalue().splitlines()
    assert shown[1].startswith("The training ends before the learning rate has come down")
    assert shown[2] == "candidate 1/2  accuracy 50 % (30 … 70 %) after 3 epochs, - in the search"
    display.recipe = dataclasses.replace(display.recipe, restart_epochs=2)
    display.started(helpers.digits(), num_candidates=1)
    assert len(display.console.file.getvalue().splitlines()) == len(shown) + 1


def test_log_says_within_a_long_epoch_how_it_goes(display, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(training_display.time, "perf_counter", lambda: now)
    display.training_started("1 conv_3x3", Cost(1234, 56789), epochs=4, num_done=2)
    monkeypatch.setattr(training_display, "SECONDS_A_LINE", 1)
    now += 50  # the graph is made first: no line, and no part of the pace
    display.progress(2, 0, 10)
    now += 84  # 0.7 epochs, so 2.6 minutes are left
    display.progress(2, 7, 10)
    display.progress(2, 10, 10)  # the epoch's own line follows
    shown = display.console.file.getvalue().splitlines()
    assert shown[:3] == [
        "training 1 conv_3x3",
        "1,234 parameters, 56,789 multiply-adds an image",
        "Going on after epoch 2 of 4.",
    ]
    assert shown[3:] == ["epoch 3/4  step 7/10  left 2:36"]


def write(folder, architecture, name="my.json"):
    (folder / name).write_text(architecture_to_json(architecture))
    return folder / name


def test_architecture_of_ones_own_is_trained_without_a_search_and_shown_live(tmp_path):
    file = write(tmp_path, macro("conv_3x3", ("max_pool_3x3", 0)))
    flags = [f"--architecture={file}", "--dataset=digits", "--channels=4", "--epochs=5", "--held_out"]
    terminal = Terminal([*TRAIN, str(tmp_path / "new"), *flags, "--train_images=200", "--restart_epochs=0"])
    assert terminal.code == 0, terminal.text
    terminal.assert_clean()
    assert any(re.search(r"^epoch \d/5  step 1/1 .* %", text, re.MULTILINE) for text in terminal.shown)
    history = helpers.history(tmp_path / "new" / "final")
    shown = re.sub(r"\s", "", terminal.text)  # the terminal breaks lines, and their ends are cut
    for epoch in history:
        values = f"loss{epoch['validation_loss']:.4f}validationaccuracy{100 * epoch['validation_accuracy']:.0f}%"
        line = rf"epoch{epoch['epoch']}/5learningrate[^/]*validation{re.escape(values)}[^/]*left"
        assert re.search(line, shown), terminal.text
    assert len(history) == 5
    assert {entry.name for entry in (tmp_path / "new").iterdir()} == {"final"}
    assert str(load_architecture(tmp_path / "new" / "final" / "architecture.json")) in terminal.text


@pytest.fixture
def searched(tmp_path):
    """The directory of a search with data settings that are not the defaults."""
    data = DataConfig(crop_padding=2, mirror="yes", cutout=3, validation_fraction=0.2, train_images=300)
    config = dataclasses.replace(RunConfig(), space=SpaceConfig(layers=1), data=data, seed=9)
    architecture = macro("conv_3x3")
    with RunDirectory(tmp_path / "searched", config) as directory:
        trial = {"child": 1, "iteration": 1, "level": 1, "text": str(architecture), "status": "completed"}
        found = {"score": 0.5, "parameters": 100, "architecture": architecture_to_dict(architecture)}
        directory.append_record(trial | found)
    return tmp_path / "searched"


def settings_of(*arguments):
    """Returns the settings that the binary prints before it refuses to write where it cannot."""
    result = runs.light("train", *arguments, "--final_dir=/dev/null/final", "--verbose")
    runs.assert_clear_error(result, "/dev/null/final cannot be written")
    return printed_settings(result.stdout)


def test_data_flags_and_seed_are_the_searchs_but_for_the_number_of_images_and_flags_win(searched):
    inherited = {"crop_padding": "2", "mirror": "yes", "cutout": "3", "validation_fraction": "0.2", "seed": "9"}
    defaults = {name: str(value) for name, value in values_of(TrainingConfig()).items() if value not in ("", ())}
    settings = settings_of(searched)
    assert settings.keys() == {"final_dir", "architecture", *values_of(TrainingConfig())}
    assert {name: settings[name] for name in defaults} == {**defaults, **inherited}
    assert settings["architecture"] == "1 conv_3x3"
    settings = settings_of(searched, "--cutout=0", "--seed=0", "--train_images=200", "--mirror=auto")
    given = {"cutout": "0", "seed": "0", "train_images": "200", "mirror": "auto"}
    assert {name: settings[name] for name in defaults} == {**defaults, **inherited, **given}


# The paper's numbers (section 5), and ENAS's (its own source) where the paper defers to it; see BUILD_NOTES.md.
PAPER = {
    "learning_rate": "0.05",
    "warmup_epochs": "0.0",
    "restart_epochs": "10",
    "restart_factor": "2",
    "optimizer": "sgd",
    "weight_decay": "0.0",
    "momentum": "0.9",
    "l2": "0.0002",
    "l2_on": "all",
    "clip_norm": "5.0",
    "label_smoothing": "0.0",
    "mixup": "0.0",
    "cutmix": "0.0",
    "ema_decay": "0.0",
    "crop_padding": "4",
    "mirror": "yes",
    "cutout": "0",
    "train_images": "0",
    "held_out": "False",  # ENAS trains on all 50,000
    "candidates": "1",
    "mixed_precision": "False",
    "xla": "False",
}
PAPER_MACRO = {
    **PAPER,
    "channels": "200",
    "epochs": "310",
    "batch_size": "100",
    "final_learning_rate": "0.001",
    "dropout_keep": "0.5",
    "drop_path_keep": "1.0",
    "auxiliary_weight": "0.0",
}
PAPER_MICRO = {
    **PAPER,
    "channels": "96",
    "normal_cells": "3",
    "epochs": "630",
    "batch_size": "144",
    "final_learning_rate": "0.0001",
    "dropout_keep": "0.8",
    "drop_path_keep": "0.6",
    "auxiliary_weight": "0.4",
}


@pytest.mark.parametrize(("file", "expected"), [("macro", PAPER_MACRO), ("micro", PAPER_MICRO)])
def test_papers_flag_files_print_exactly_the_papers_numbers_over_the_searchs(searched, file, expected):
    flag_file = FLAGS / f"paper_{file}_final.cfg"
    settings = settings_of(searched, f"--flagfile={flag_file}")
    assert {name: settings[name] for name in expected} == expected
    named = re.findall(r"^--(?:no(?=\w+$))?(\w+)(?:=\S+)?$", flag_file.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(expected)  # all of them said, also where they are the defaults
    assert settings["seed"] == "9"


def test_help_lists_every_setting_with_its_source_and_imports_no_tensorflow():
    result = runs.call((sys.executable, "-X", "importtime", *TRAIN[1:]), "--help")
    assert result.returncode == 0
    text = re.sub(r"\s+", " ", result.stdout)
    assert text.startswith("Trains the architecture that a search found")
    for field in fields_of(TrainingConfig):
        name = f"--[no]{field.name}: " if isinstance(field.default, bool) else f"--{field.name}: "
        assert name in text
        assert re.sub(r"\s+", " ", field.metadata["help"]) in text
    for name in ("architecture", "final_dir"):
        assert f"--{name}: " in text
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines() if line.startswith("import time:")}
    assert "epnas_tf.config" in imported
    assert not imported & {"tensorflow", "keras", "sklearn", "scipy", "tensorflow_datasets"}


def everything_in(folder):
    return runs.snapshot(folder), sorted(folder.rglob("*"))


def assert_refused(folder, arguments, *words):
    """Checks that the binary refuses its arguments in one message with these words, before it imports TensorFlow."""
    before = everything_in(folder)
    result = runs.light("train", *arguments, cwd=folder)
    assert result.returncode == 1
    runs.assert_clear_error(result, *words)
    assert everything_in(folder) == before


@pytest.fixture
def folder(tmp_path, searched):
    """A folder with a search, an architecture, a file that is none, and somebody's photos."""
    write(tmp_path, macro("conv_3x3"))
    (tmp_path / "text.json").write_text("{ layers }")
    write(tmp_path, macro("conv_3x3", "stem"), "stem.json")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.png").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Give one run directory, see --help. Received: none"]),
        (["searched", "now"], ["Give one run directory", "Received: searched now"]),
        (["nowhere"], ["nowhere is not the directory of a search: it has no config.json", "--architecture"]),
        (["photos"], ["photos is not the directory of a search"]),
        (["broken"], ["broken/config.json is not the config.json of a run"]),
        (["new", "--architecture=nowhere.json"], ["nowhere.json", "No such file"]),
        (["new", "--architecture=text.json"], ["text.json", "Expected JSON"]),
        (["new", "--architecture=photos"], ["photos", "Is a directory"]),
        (["new", "--architecture=stem.json"], ["Layer 2 in stem.json must have", "max_pool_3x3", "Received: stem"]),
        (["searched", "--architecture=my.json", "--candidates=2"], ["`candidates` compares", "candidates=2"]),
        (["new", "--architecture=my.json", "--dataset=cifar11"], ["dataset='cifar11'", "Did you mean"]),
        (["searched", "--final_dir=searched"], ["searched/config.json is not the config.json", "epnas_tf.training"]),
        (["searched", "--final_dir=photos"], ["photos is not the directory of a run", "another --final_dir", "me.png"]),
        (["searched", "--final_dir=my.json"], ["my.json cannot be written"]),
        (["searched", "--dropout_keep=0"], ["`dropout_keep` must be greater than 0. Received: dropout_keep=0.0"]),
        (["searched", "--drop_path_keep=1.5"], ["`drop_path_keep` must be at most 1. Received: drop_path_keep=1.5"]),
        (["searched", "--label_smoothing=1"], ["`label_smoothing` must be at most 0.9"]),
        (["searched", "--epochs=0"], ["`epochs` must be at least 1. Received: epochs=0"]),
        (["searched", "--learning_rate=nan"], ["`learning_rate` must be greater than 0"]),
        (["searched", "--epochs=abc"], ["--epochs must be a whole number. Received: 'abc'", "--help"]),
        (["searched", "--layers=3"], ["Unknown command line flag 'layers'", "--help"]),
    ],
    ids=lambda value: " ".join(value) or "nothing" if value == [] or not value[0][0].isupper() else "",
)
def test_wrong_arguments_are_refused_before_any_work(folder, arguments, words):
    assert_refused(folder, arguments, *words)


def test_search_without_a_whole_network_is_refused(unbroken, tmp_path):
    run_dir = copy_of(unbroken, tmp_path / "run")
    lines = (run_dir / "trials.jsonl").read_text().splitlines(keepends=True)
    (run_dir / "trials.jsonl").write_text("".join(lines[:4]))
    assert_refused(tmp_path, ["run"], "No architecture of 3 levels is trained yet in run. Let the search go on.")


def test_other_settings_than_the_directory_holds_are_refused(trained):
    words = [f"{trained.path}/final holds a run of other settings:", "another --final_dir to start a new run"]
    words += ["  --learning_rate: 0.05 there, 0.1 now", "  --held_out: False there, True now"]
    assert_refused(trained.path, [trained.path, *TINY, "--learning_rate=0.1", "--held_out"], *words)


def test_second_process_in_the_directory_is_refused(folder):
    with TrainingDirectory(folder / "searched" / "final", TrainingConfig(), ("1 conv_3x3",)):
        assert_refused(folder, ["searched"], "Another process is running in searched/final", "another --final_dir")


def test_training_that_diverges_ends_in_one_message_and_may_be_tried_again(folder):
    flags = ("--channels=4", "--epochs=1", "--restart_epochs=0")
    result = runs.drive("train", "searched", *flags, "--learning_rate=1e20", cwd=folder)
    assert result.returncode == 1
    runs.assert_clear_error(result, "The loss became ", "Use a lower learning rate. Received: learning_rate=1e+20")
    assert result.stderr.count("\n") == 1
    assert re.search(r"^digits: 1294 training, 323 validation and 180 test images", result.stdout, re.MULTILINE)  # all
    with TrainingDirectory(folder / "searched" / "final", TrainingConfig(), ("1 conv_3x3",)):
        pass  # other settings are taken


def test_console_script_of_the_environment_works(tmp_path):
    result = runs.call([SCRIPTS / "epnas-train"], os.curdir, "--l2=-1", cwd=tmp_path)
    runs.assert_clear_error(result, "epnas-train: error: `l2` must be at least 0. Received: l2=-1.0")
