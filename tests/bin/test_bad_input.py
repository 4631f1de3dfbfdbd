import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.bin import runs

BROKEN_PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def make_folder(root, side=8, classes=("cat", "dog"), images=12):
    """Makes a folder of class folders of grey noise."""
    generator = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(images):
            pixels = generator.integers(0, 256, (side, side), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def assert_refused(cwd, flags, *words):
    """Checks that the binary refuses the flags in one message with these words, and makes no run directory."""
    check_refusal(runs.light("search", *flags, cwd=cwd), cwd, *words)


def assert_data_refused(cwd, flags, *words):
    """Checks the same where it needs TensorFlow to know."""
    check_refusal(runs.drive("search", *flags, cwd=cwd), cwd, *words)


def check_refusal(result, cwd, *words):
    runs.assert_clear_error(result, *words)
    assert not (cwd / "runs").exists() or not list((cwd / "runs").iterdir())


OPERATIONS = "max_pool_3x3, average_pool_3x3, conv_3x3, conv_5x5, sep_conv_3x3, sep_conv_5x5, identity"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dataset=cifar11"], ["`dataset` must be", "dataset='cifar11'", "Did you mean", "cifar10"]),
        (["--dataset=digit"], ["dataset='digit'", "Did you mean", "digits"]),
        (["--dataset=./nowhere"], ["dataset='./nowhere'", "does not exist"]),
        (["--dataset=nowhere.npz"], ["nowhere.npz", "no such file"]),
        (["--dataset=~nobody/photos"], ["~nobody/photos", "does not exist"]),
        (["--dataset=" + 300 * "x"], ["xxx", "which is none of them"]),
        (["--dataset="], ["dataset=''"]),
        (["--k=0"], ["`k` must be at least 1. Received: k=0"]),
        (["--layers=0"], ["`layers` must be at least 1. Received: layers=0"]),
        (["--layers=1000"], ["`layers` must be", "Received: layers=1000"]),
        (["--space=micro", "--blocks=0"], ["`blocks` must be at least 1. Received: blocks=0"]),
        (["--iterations=0"], ["`iterations` must be at least 1. Received: iterations=0"]),
        (["--operations=conv_3x3,conv_9x9"], [f"`operations` must be among {OPERATIONS}", "'conv_9x9'", "--plugins"]),
        (["--operations=stem"], ["`operations` must be among", "'stem'"]),
        (["--operations=conv_3x3 conv_5x5"], [", separated by commas", "'conv_3x3 conv_5x5'"]),
        (["--space=micro", "--operations=pool"], ["`operations` must be among", "identity", "'pool'"]),
        (["--operations=conv_3x3,conv_3x3"], ["`operations`", "conv_3x3"]),
        (["--learning_rate=-1"], ["`learning_rate` must be greater than 0. Received: learning_rate=-1.0"]),
        (["--learning_rate=nan"], ["`learning_rate` must be greater than 0. Received: learning_rate=nan"]),
        (["--epochs=abc"], ["--epochs must be a whole number. Received: 'abc'", "--help"]),
        (["--k=2.5"], ["--k must be a whole number. Received: '2.5'"]),
        (["--space=nano"], ["`space` must be one of macro, micro", "space='nano'", "--plugins"]),
        (["--unknown=3"], ["unknown", "--help"]),
        (["now"], ["Only flags are understood, see --help. Received: now"]),
        (["."], ["Received: ..", "For images of your own give --dataset=."]),
        (["--flagfile=nowhere.cfg"], ["Unable to open flagfile", "nowhere.cfg"]),
        (["--max_params=-1"], ["`max_params` must be at least 0. Received: max_params=-1"]),
        (["--manual_dir=nowhere"], ["`manual_dir`", "dataset='digits'"]),
        (["--manual_dir=nowhere", "--dataset=fashion_mnist"], ["`manual_dir`", "'nowhere'", "no such folder"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("-") else None,
)
def test_wrong_flags_are_refused_before_any_work(tmp_path, flags, words):
    assert_refused(tmp_path, flags, *words)


@pytest.mark.parametrize("name", ["max_params", "max_multiply_adds"])
def test_limits_that_no_network_keeps_are_refused_with_the_least(tmp_path, name):
    small = ["--layers=2", "--channels=4", "--operations=conv_3x3"]
    assert_data_refused(tmp_path, [*small, f"--{name}=100"], f"`{name}` must be at least ", f"Received: {name}=100")


def test_flag_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "flags.cfg").write_bytes(b"--k=\xff\xfe")
    assert_refused(tmp_path, ["--flagfile=flags.cfg"], "decode")


def test_empty_folder_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    assert_refused(tmp_path, ["--dataset=photos"], "one folder for each class, two or more", "photos with 0 folders")


def test_folder_of_one_class_is_refused(tmp_path):
    make_folder(tmp_path / "photos", classes=["cat"])
    assert_refused(tmp_path, ["--dataset=photos"], "two or more", "photos with 1 folders ['cat']")


def test_class_folder_without_images_is_refused(tmp_path):
    make_folder(tmp_path / "photos")
    (tmp_path / "photos" / "owl").mkdir()
    assert_refused(tmp_path, ["--dataset=photos"], "Every class folder must hold images", "owl")


def test_broken_image_is_named(tmp_path):
    (make_folder(tmp_path / "photos") / "dog" / "7.png").write_bytes(BROKEN_PNG)
    assert_data_refused(
        tmp_path,
        ["--dataset=photos"],
        "Every image file must hold a whole image",
        "photos 1 of 24 files",
        "dog/7.png (",
    )


@pytest.mark.parametrize("space", ["macro", "micro", "staged"])
def test_images_smaller_than_the_space_halves_are_refused(tmp_path, space):
    make_folder(tmp_path / "photos", side=3)
    assert_data_refused(tmp_path, ["--dataset=photos", f"--space={space}"], "at least", "Received:", "3×3")


def test_data_set_that_cannot_be_downloaded_is_refused(tmp_path):
    flags = ("--dataset=cifar10", f"--data_dir={tmp_path / 'data'}", f"--run_dir={tmp_path / 'run'}")
    result = runs.drive("search", *flags, moment="no network")
    runs.assert_clear_error(result, "cifar10 could not be downloaded", "no network?", "Network is unreachable")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_refused_data_leave_no_run_that_the_corrected_settings_would_not_fit(tmp_path):
    assert_data_refused(tmp_path, ["--crop_padding=9"], "`crop_padding` must be less than", "crop_padding=9")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/null/run", "Not a directory"),  # a file is in the way, whoever asks
        ("/proc/run", "No such file or directory"),  # no one makes a directory there, root no more than others
        ("file", "exists|Not a directory"),
    ],
)
def test_run_directory_that_cannot_be_written_is_refused(tmp_path, path, reason):
    (tmp_path / "file").write_text("a file in its place")
    result = runs.light("search", f"--run_dir={path}", cwd=tmp_path)
    runs.assert_clear_error(result, f"{path} cannot be written: ")
    assert re.search(reason, result.stderr)
    assert (tmp_path / "file").read_text() == "a file in its place"


def test_directory_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("Dear …")
    before = runs.snapshot(tmp_path)
    result = runs.light("search", f"--run_dir={tmp_path / 'home'}")
    runs.assert_clear_error(result, "is not the directory of a run", "Received: letter.txt")
    assert runs.snapshot(tmp_path) == before
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "other"}', '{"format": "epnas_tf.run", "version": 9}']
)
def test_broken_config_file_is_refused(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(text)
    result = runs.light("search", f"--run_dir={tmp_path / 'run'}")
    runs.assert_clear_error(result, f"{tmp_path / 'run' / 'config.json'} is not the config.json of a run. Received: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ layers }", ["Expected JSON, but line 1", "Received:"]),
        ('{"format": "epnas_tf.architecture", "version": 2, "space": "macro", "layers": []}', ["version=2"]),
        ('{"format": "something"}', ["`format` must be \"epnas_tf.architecture\". Received: 'something'"]),
        (
            '{"format": "epnas_tf.architecture", "version": 1, "space": "macro", '
            '"layers": [{"operation": "conv_3x3", "skips": [3]}]}',
            ["skips", "3"],
        ),
        (
            '{"format": "epnas_tf.architecture", "version": 1, "space": "micro", '
            '"blocks": [{"left": {"operation": "conv_3x3", "input": 1}, '
            '"right": {"operation": "identity", "input": -1}}]}',
            ["input", "1"],
        ),
    ],
    ids=["not JSON", "other version", "other format", "impossible skip", "impossible input"],
)
def test_broken_architecture_file_is_refused(tmp_path, text, words):
    file = tmp_path / "architecture.json"
    file.write_text(text)
    result = runs.light("show", file)
    runs.assert_clear_error(result, str(file), *words)
    assert result.stdout == ""


def test_show_refuses_what_it_cannot_show(tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ([tmp_path / "nowhere.json"], ["nowhere.json, which cannot be read: No such file or directory. Check"]),
        ([tmp_path / "empty"], [f"Received: {tmp_path / 'empty'}, which holds no config.json. Check"]),
        ([300 * "a"], ["a path cannot be used: File name too long. Received: aaa"]),
        ([], ["Give one run directory or one architecture file"]),
        (["one", "two"], ["Received: one two"]),
        (["--best=0", "one"], ["--best must be a whole number of at least 1"]),
    ):
        runs.assert_clear_error(runs.light("show", *arguments), *words)


@pytest.mark.parametrize("flags", [runs.TINY, ["--help"]], ids=["output", "help"])
def test_output_that_cannot_be_written_ends_in_one_message(tmp_path, flags):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*runs.SEARCH, *flags, f"--run_dir={tmp_path / 'run'}"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=runs.environment(),
            timeout=runs.LIMIT_SECONDS,
        )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "the output cannot be written: No space left on device" in result.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a file system of its own, of 8 MB, and the file that fills it; None where mounting is refused."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    yield disk, disk / "ballast" if mounted else None
    if mounted:
        subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_stops_the_run_cleanly_and_it_goes_on_when_there_is_space(unbroken, small_disk):
    disk, ballast = small_disk
    run_dir = shutil.copytree(unbroken.path, disk / "run")
    runs.newest_file(run_dir).unlink()  # as where the last child is not yet trained
    result = runs.drive_search(run_dir, moment="the disk is full", nth=1, ballast=ballast and str(ballast))
    runs.assert_clear_error(result, f"{run_dir}/state cannot be written: ")
    assert re.search("No space left on device|File too large", result.stderr)
    assert result.stderr.count("\n") == 1
    assert runs.state(run_dir).number == 11
    assert not list(run_dir.rglob("*.tmp"))
    if ballast:
        ballast.unlink()
    result = runs.drive_search(run_dir)
    assert result.returncode == 0, result.stderr
    assert "Going on after child 11 of 12." in result.stdout
    runs.assert_same_result(run_dir, unbroken.path)


def test_state_cut_short_and_half_a_line_fall_back_to_the_state_before(unbroken, tmp_path):
    run_dir = shutil.copytree(unbroken.path, tmp_path / "run")
    newest = runs.newest_file(run_dir)
    os.truncate(newest, newest.stat().st_size // 2)
    with open(run_dir / "trials.jsonl", "a") as file:
        file.write('{"child": 13, "iterat')
    result = runs.drive_search(run_dir)
    assert result.returncode == 0, result.stderr
    assert f"warning: {newest} is not whole" in result.stdout
    assert "going on from the state before it." in result.stdout
    assert "Going on after child 11 of 12." in result.stdout
    runs.assert_same_result(run_dir, unbroken.path)


def test_run_whose_states_are_all_cut_short_is_refused_and_left_alone(unbroken, tmp_path):
    run_dir = shutil.copytree(unbroken.path, tmp_path / "run")
    for file in (run_dir / "state").glob("*.npz"):
        os.truncate(file, 1000)
    before = runs.snapshot(run_dir)
    result = runs.drive_search(run_dir)
    runs.assert_clear_error(
        result, f"None of the states in {run_dir}/state is whole", f"Remove {run_dir} to start anew"
    )
    assert runs.snapshot(run_dir) == before


def test_children_that_diverge_are_failed_trials_and_the_search_goes_on(tmp_path):
    flags = (*runs.TINY, "--layers=2", "--iterations=1", f"--run_dir={tmp_path / 'run'}")
    result = runs.drive("search", *flags, moment="children diverge", nth=[2, 4])
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    trials = runs.trials(tmp_path / "run")
    assert [trial["child"] for trial in trials if trial["status"] == "failed"] == [2, 4]
    assert all("score" in trial for trial in trials if trial["status"] == "completed")
    assert f"{len(trials)} children in" in result.stdout
    assert ", 2 of them failed" in result.stdout
    assert result.stdout.count("warning: Child ") == 2
    assert "warning: Child 4 failed: The loss became nan. The shared weights are as before it." in result.stdout
    assert len(re.findall(r"^child \d+/\d+ .*accuracy -  ", result.stdout, re.MULTILINE)) == 2


def test_wrong_flags_are_refused_without_importing_tensorflow(tmp_path):
    result = runs.call((*runs.SEARCH[:1], "-X", "importtime", *runs.SEARCH[1:]), "--k=0", cwd=tmp_path)
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines() if "import time:" in line}
    assert "epnas_tf.config" in imported
    assert not imported & {"tensorflow", "keras", "sklearn", "scipy", "tensorflow_datasets"}
