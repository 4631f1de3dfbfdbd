import random
import re
import shutil
import signal
import subprocess

import pytest

from epnas_tf.config import RunConfig, SearchConfig, SpaceConfig
from epnas_tf.storage.run_directory import RunDirectory, read_config
from tests.bin import runs

# The moment, its occurrence in that process (from 1), and the number of children whose state is saved by then.
# A process writes data.json as it writes states, before all of them.
KILLS = (
    ("half of config.json is written", 1, 0),
    ("in a child's training", 1, 0),
    ("half of a line is written", 2, 1),
    ("a line is written", 1, 1),
    ("half of a state is written", 3, 2),
    ("a state is written, not renamed", 1, 2),
    ("a state is renamed", 2, 3),
    ("a child is trained, not told", 2, 4),
    ("before architecture.json", 1, 5),
    ("half of architecture.json is written", 1, 6),
    ("after a child", 2, 8),
    ("before the end", 1, 12),
)
SEED = 2018


def test_search_killed_at_twelve_exact_moments_ends_like_an_unbroken_one(unbroken, tmp_path):
    run_dir, began = tmp_path / "run", []
    for moment, nth, saved in KILLS:
        noted = tmp_path / "children"
        noted.write_text("")
        result = runs.drive_search(run_dir, moment=moment, nth=nth, children=str(noted))
        assert result.returncode == -signal.SIGKILL, (moment, result.stdout[-500:], result.stderr)
        assert num_saved(run_dir) == saved, moment
        began.append([int(number) for number in noted.read_text().split()])
    result = runs.drive_search(run_dir)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    runs.assert_same_result(run_dir, unbroken.path)
    assert_at_most_one_child_again_a_kill(began)


def num_saved(run_dir):
    files = list((run_dir / "state").glob("after-*.npz"))
    return max((int(file.stem.removeprefix("after-")) for file in files), default=0)


def assert_at_most_one_child_again_a_kill(began):
    """Each process must begin with the child that the one before it died in, or with the next."""
    last = 0
    for numbers in filter(None, began):
        assert numbers[0] in (last, last + 1)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        last = numbers[-1]
    assert last == runs.NUM_CHILDREN


def test_search_stopped_from_outside_at_a_random_moment_ends_like_an_unbroken_one(unbroken, tmp_path):
    generator, run_dir = random.Random(SEED), tmp_path / "run"
    shown, code, errors = interrupt(run_dir, generator.randint(1, 2), generator.uniform(0, 0.2))
    assert "Traceback" not in errors
    assert code == 130
    assert "epnas-search: stopped. The same command goes on from the last child." in errors
    assert "There is nothing to train yet: whole networks come at level 3, from child 5 of 12 on." in errors
    result = runs.drive_search(run_dir)
    assert result.returncode == 0
    resumed = int(re.search(r"^Going on after child (\d+)", result.stdout, re.MULTILINE)[1])
    assert resumed in (shown, shown + 1)  # a child that was shown is saved; one may be saved and not yet shown
    runs.assert_same_result(run_dir, unbroken.path)


def interrupt(run_dir, child, delay):
    """Does to a new search what Ctrl-C does, some time after a child's line.

    Returns:
        The last child that it showed, its exit code, and its errors.
    """
    process = subprocess.Popen(
        [*runs.SEARCH, *runs.TINY, f"--run_dir={run_dir}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=runs.environment(PYTHONUNBUFFERED="1"),
    )
    shown = 0
    for line in process.stdout:
        if found := re.match(r"child (\d+)/", line):
            shown = int(found[1])
            if shown >= child:
                break
    assert shown, process.communicate()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(delay)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=runs.LIMIT_SECONDS)
    shown = max([shown, *(int(n) for n in re.findall(r"^child (\d+)/", rest, re.MULTILINE))])
    return shown, process.returncode, errors


def test_ctrl_c_is_answered_while_a_child_trains(tmp_path):
    flags = ("--layers=2", "--k=1", "--iterations=1", "--channels=48", "--epochs=2000", "--operations=conv_5x5")
    process = subprocess.Popen(
        [*runs.SEARCH, *flags, "--noforecast", f"--run_dir={tmp_path / 'run'}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=runs.environment(PYTHONUNBUFFERED="1"),
    )
    assert any(line.startswith("digits:") for line in process.stdout)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)  # until the graph is traced and its loop runs, for minutes
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=20)  # an instant, if the machine is not busy
    finally:
        process.kill()
    assert process.returncode == 130
    missing = "There is nothing to train yet: whole networks come at level 2, from child 2 of 2 on."
    assert errors.strip() == f"epnas-search: stopped. The same command goes on from the last child. {missing}"


def test_finished_run_says_so_and_changes_no_file(unbroken):
    before = runs.snapshot(unbroken.path)
    result = runs.drive_search(unbroken.path)
    assert result.returncode == 0
    assert f"This search is finished; {unbroken.path} holds its result." in result.stdout
    assert not re.search(r"^child ", result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-6:] == unbroken.stdout.splitlines()[-6:]
    assert runs.snapshot(unbroken.path) == before


def test_settings_in_another_order_and_defaults_given_are_the_same_run(unbroken):
    flags = (*runs.TINY[::-1], f"--run_dir={unbroken.path}", "--momentum=0.90", "--seed=0", "--blocks=5")
    result = runs.drive("search", *flags)
    assert result.returncode == 0
    assert "This search is finished" in result.stdout


def test_other_settings_are_refused_with_exactly_those_that_differ(unbroken):
    before = runs.snapshot(unbroken.path)
    result = runs.light_search(unbroken.path, "--k=3", "--learning_rate=0.1", "--operations=conv_3x3", "--seed=1")
    runs.assert_clear_error(result, f"{unbroken.path} holds a run of other settings", "another --run_dir")
    assert [line for line in result.stderr.splitlines() if line.startswith("  --")] == [
        "  --operations: conv_3x3,max_pool_3x3 there, conv_3x3 now",
        "  --learning_rate: 0.05 there, 0.1 now",
        "  --k: 2 there, 3 now",
        "  --seed: 0 there, 1 now",
    ]
    assert runs.snapshot(unbroken.path) == before


def test_second_process_in_a_run_directory_is_refused(unbroken, tmp_path):
    run_dir = shutil.copytree(unbroken.path, tmp_path / "run")
    before = runs.snapshot(run_dir)
    with RunDirectory(run_dir, read_config(run_dir)):
        result = runs.light_search(run_dir)
    runs.assert_clear_error(result, f"Another process is running in {run_dir}")
    assert runs.snapshot(run_dir) == before


def test_second_process_in_a_new_run_directory_is_refused(tmp_path):
    config = RunConfig(space=SpaceConfig(layers=2), search=SearchConfig(k=1))
    with RunDirectory(tmp_path / "run", config):
        result = runs.light_search(tmp_path / "run")
    runs.assert_clear_error(result, f"Another process is running in {tmp_path / 'run'}")
