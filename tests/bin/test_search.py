import codecs
import fcntl
import json
import os
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte
import pytest

from epnas_tf.bin.search import warning_of_depth
from epnas_tf.config import RunConfig
from epnas_tf.metrics import accuracy_interval, with_interval
from epnas_tf.options import fields_of, values_of
from epnas_tf.run.one_search import PARTS
from epnas_tf.space import MacroSpace, MicroSpace, load_architecture
from epnas_tf.storage.records import best_trials
from tests.bin import runs

FLAGS = runs.ROOT / "flags"
SCRIPTS = Path(sys.executable).parent
WIDTH, HEIGHT = 120, 60

# The paper's numbers (section 5), and ENAS's (its own source) where the paper defers to it; see BUILD_NOTES.md.
PAPER = {
    "dataset": "cifar10",
    "validation_fraction": "0.1",  # ENAS: 5,000 of 50,000
    "crop_padding": "4",
    "mirror": "yes",
    "cutout": "0",
    "train_images": "0",
    "channels": "24",
    "k": "25",
    "iterations": "3",
    "sampling": "probability",
    "initial_temperature": "4.0",
    "final_temperature": "1.0",
    "temperature_schedule": "geometric",
    "hidden_units": "100",
    "input_units": "100",
    "first_surrogate_learning_rate": "0.01",
    "surrogate_learning_rate": "0.002",
    "surrogate_steps": "200",
    "surrogate_batch_size": "64",
    "epochs": "3",
    "learning_rate": "0.05",
    "final_learning_rate": "0.0005",
    "momentum": "0.9",
    "keep_momentum": "True",
    "l2_on": "all",
    "clip_norm": "5.0",
    "mixed_precision": "False",
    "xla": "False",
    "mirrored": "False",
}
OPERATIONS = "max_pool_3x3, average_pool_3x3, conv_3x3, conv_5x5, sep_conv_3x3, sep_conv_5x5"
PAPER_MACRO = {
    **PAPER,
    "space": "macro",
    "layers": "12",
    "operations": OPERATIONS,
    "batch_size": "128",
    "l2": "0.00025",
}
PAPER_MICRO = {
    **PAPER,
    "space": "micro",
    "blocks": "5",
    "normal_cells": "2",
    "operations": f"{OPERATIONS}, identity",
    "batch_size": "160",
    "l2": "0.0001",
}


def printed_settings(stdout):
    lines = [line.split(maxsplit=1) for line in stdout.splitlines() if line.startswith("  ")]
    return {name: value.strip() for name, value in lines}


@pytest.mark.parametrize(("file", "expected"), [("paper_macro", PAPER_MACRO), ("paper_micro", PAPER_MICRO)])
def test_papers_flag_files_print_exactly_the_papers_numbers(file, expected):
    # The run directory is refused after the settings are printed, so nothing is downloaded.
    result = runs.light("search", f"--flagfile={FLAGS / file}.cfg", "--run_dir=/dev/null/run", "--verbose")
    assert "/dev/null/run cannot be written" in result.stderr
    settings = printed_settings(result.stdout)
    assert {name: settings[name] for name in expected} == expected
    assert settings.keys() == {"run_dir", *values_of(RunConfig())}


SEARCHES = sorted(file for file in FLAGS.glob("*.cfg") if not file.stem.endswith("_final"))


@pytest.mark.parametrize("file", SEARCHES, ids=lambda file: file.stem)
def test_flag_files_name_settings_only_and_each_once(file):
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    names = [re.fullmatch(r"--([a-z0-9_]+)=\S+", line)[1] for line in lines]
    assert len(set(names)) == len(names)
    assert set(names) <= values_of(RunConfig()).keys()


def test_quickstart_is_a_search_on_the_digits():
    result = runs.light("search", f"--flagfile={FLAGS / 'quickstart.cfg'}", "--run_dir=/dev/null/run", "--verbose")
    settings = printed_settings(result.stdout)
    assert settings["dataset"] == "digits"
    assert settings["operations"] == "residual, residual_double, inverted_3x3_e3, inverted_3x3_e6, none"


@pytest.mark.parametrize("preset", [["--preset=quickstart"], ["--preset", "quickstart"]], ids=["joined", "apart"])
def test_preset_is_the_flag_file_and_flags_beside_it_go_before_it(preset):
    result = runs.light("search", "--k=3", *preset, "--run_dir=/dev/null/run", "--verbose")
    settings = printed_settings(result.stdout)
    assert (settings["k"], settings["layers"]) == ("3", "6")


def test_presets_that_are_there_are_named_where_another_is_asked_for():
    runs.assert_clear_error(runs.light("search", "--preset=fast"), "first_look, paper_macro, paper_micro, quickstart")


def test_help_begins_with_what_is_used_most_and_groups_the_rest():
    text = runs.light("search", "--help").stdout
    titles = re.findall(r"^([a-z' ]+):$", text, re.MULTILINE)
    assert titles[:3] == ["used most", "this program", "search space"]
    first = text[text.index("used most:") : text.index("this program:")]
    assert re.findall(r"^  +--(\w+):", first, re.MULTILINE) == [
        *("channels", "dataset", "epochs", "image_size", "iterations", "k", "layers", "max_params", "preset"),
        *("run_dir", "space"),
    ]


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull"])
def test_help_lists_every_setting_with_its_source(flag):
    result = runs.light("search", flag)
    assert result.returncode == 0
    assert result.stderr == ""
    text = re.sub(r"\s+", " ", result.stdout)
    assert text.startswith("Searches for a convolutional network")
    for field in fields_of(RunConfig):
        assert f"--{field.name}: " in text or f"--[no]{field.name}: " in text
        assert re.sub(r"\s+", " ", field.metadata["help"]) in text
    assert "--run_dir: " in text


def test_help_does_not_import_tensorflow():
    result = runs.call((sys.executable, "-X", "importtime", *runs.SEARCH[1:]), "--help")
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines() if line.startswith("import time:")}
    assert "epnas_tf.config" in imported
    assert not imported & {"tensorflow", "keras", "keras_tuner", "sklearn", "scipy", "tensorflow_datasets"}


def test_console_scripts_of_the_environment_work(unbroken):
    result = runs.call([SCRIPTS / "epnas-search"], "--k=0")
    runs.assert_clear_error(result, "epnas-search: error: `k` must be at least 1. Received: k=0")
    result = runs.call([SCRIPTS / "epnas-show"], unbroken.path)
    assert result.returncode == 0
    assert result.stderr == ""


def test_start_says_what_differs_from_the_defaults_and_what_the_search_will_take(unbroken):
    lines = unbroken.stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("child 1/12"))
    settings = shlex.split(lines[1].removeprefix("settings: ").removesuffix("(others at their defaults: --verbose)"))
    typed = {flag for flag in runs.TINY if flag not in ("--dataset=digits", "--noforecast")}
    assert (lines[0], set(settings)) == (f"run dir: {unbroken.path}", typed)
    took = r"12 children to train, about (\d+ seconds|\d+ minutes) by a few timed steps; up to \d\.\d GB of memory, .*"
    assert re.fullmatch(took, lines[first - 2])
    assert lines[first - 1] == "whole networks come at level 3, from child 5 of 12 on"
    assert first < 8  # nothing pushes it off the screen


def test_finished_search_times_nothing(unbroken, tmp_path):
    run_dir = shutil.copytree(unbroken.path, tmp_path / "run")
    result = runs.drive("search", *runs.TINY, "--forecast", f"--run_dir={run_dir}")
    assert result.returncode == 0
    assert "children to train" not in result.stdout
    assert "This search is finished" in result.stdout


CHILD = re.compile(
    r"child (?P<child>\d+)/12  iteration (?P<iteration>\d)/2  level (?P<level>\d)/3  accuracy (?P<accuracy>\d+) %  "
    r"predicted (?P<predicted>- \(nothing scored yet\)|\d+ %)  "
    r"best (?P<best>\d+ % at level \d|\d+ % estimated, \d+ % measured)  "
    r"rank correlation (- \(needs 3 predictions a level\)|[+-]\d\.\d\d)  "
    r"left (\d+:)?\d+:\d\d  (?P<text>1 .*)"
)


def test_log_has_one_line_a_child_that_agrees_with_its_trial(unbroken):
    assert unbroken.stderr == ""
    lines = unbroken.stdout.splitlines()
    assert "digits: 270 training, 30 validation and 180 test images of 8×8×1 in 10 classes" in lines
    shown = [CHILD.fullmatch(line) for line in lines if line.startswith("child ")]
    trials = runs.trials(unbroken.path)
    assert all(shown)
    assert len(shown) == len(trials) == runs.NUM_CHILDREN
    for line, trial in zip(shown, trials, strict=True):
        assert [int(line[name]) for name in ("child", "iteration", "level")] == [
            trial[name] for name in ("child", "iteration", "level")
        ]
        assert line["text"] == trial["text"]
        assert line["accuracy"] == f"{100 * trial['score']:.0f}"  # of 30 images
        predicted = trial["predicted"]
        assert line["predicted"] == ("- (nothing scored yet)" if predicted is None else f"{100 * predicted:.0f} %")
    best = [line["best"] for line in shown]
    assert [text[-1] if "level" in text else "" for text in best] == [*"1122", *[""] * 8]
    for number in range(4):
        level = trials[number]["level"]
        so_far = max(trial["score"] for trial in trials[: number + 1] if trial["level"] == level)
        assert best[number] == f"{100 * so_far:.0f} % at level {level}"
    first = best_trial(unbroken.path)
    assert best[-1].endswith(f"{100 * first['score']:.0f} % measured")


def best_trial(run_dir):
    """Returns the trial of the whole network that the search ranks first."""
    return best_trials(run_dir, 3)[0]


def test_end_shows_the_best_architecture_and_what_to_type_next(unbroken):
    best = best_trial(unbroken.path)
    assert str(load_architecture(unbroken.path / "architecture.json")) == best["text"]
    end = unbroken.stdout.splitlines()[-11:]
    assert re.fullmatch(r"12 children in \d+ s", end[0])
    parts = re.fullmatch(r"of that: " + ", ".join(rf"{part} (\d+) %" for part in (*PARTS, "rest")), end.pop(1))
    assert sum(map(int, parts.groups())) == pytest.approx(100, abs=4)  # six rounded numbers
    assert end[1].startswith("best architecture, by an estimate of its accuracy on the shared weights")
    low, high = (100 * limit for limit in accuracy_interval(best["score"], 30))
    measured = f"{100 * best['score']:.0f} % ({low:.0f} … {high:.0f} %) measured on 30 validation images"
    assert end.pop(2) == f"  {100 * best['estimate']:.0f} % estimated, {measured}"
    assert end[2:5] == [f"  {best['text']}", f"  {unbroken.path / 'architecture.json'}", "next:"]
    for comment, line, program in zip(end[5::2], end[6::2], ("train", "report"), strict=True):
        assert comment.startswith("  # the ")
        typed = shlex.split(line)
        assert typed[0].endswith(f"epnas-{program}")
        assert typed[1:] == [str(unbroken.path)]
        help_of = subprocess.run([typed[0], "--help"], capture_output=True, text=True, check=True)
        assert f"epnas-{program} RUN_DIR" in help_of.stdout


def test_show_prints_a_runs_best_architectures(unbroken):
    result = runs.light("show", unbroken.path, "--best=1")
    assert result.returncode == 0
    best = best_trial(unbroken.path)
    assert f"{unbroken.path}: the best 1 of " in result.stdout
    row = next(line for line in result.stdout.splitlines() if re.match(r"[\d.]+ %", line))
    low, high = (100 * limit for limit in accuracy_interval(best["score"], 30))
    accuracies = [f"{100 * best[name]:.0f} %" for name in ("estimate", "score")]
    expected = [
        *accuracies,
        f"{low:.0f} … {high:.0f} %",
        f"{best['parameters']:,}",
        str(best["child"]),
        str(best["iteration"]),
        best["text"],
    ]
    assert re.split(r"\s{2,}", row.strip()) == expected
    for number, layer in enumerate(best["architecture"]["layers"], 1):
        assert re.search(rf"^{number} +{layer['operation']} +", result.stdout, re.MULTILINE)


def test_show_leaves_out_a_line_that_is_still_being_written(unbroken, tmp_path):
    run_dir = shutil.copytree(unbroken.path, tmp_path / "run")
    with open(run_dir / "trials.jsonl", "a") as file:
        file.write('{"child": 13, "iterat')
    result = runs.light("show", run_dir)
    assert result.returncode == 0
    assert result.stdout == runs.light("show", unbroken.path).stdout.replace(str(unbroken.path), str(run_dir))


def test_show_says_so_when_no_whole_network_is_trained_yet(unbroken, tmp_path):
    run_dir = shutil.copytree(unbroken.path, tmp_path / "run")
    lines = (run_dir / "trials.jsonl").read_text().splitlines(keepends=True)
    (run_dir / "trials.jsonl").write_text("".join(lines[:4]))
    best = max(trial["score"] for trial in runs.trials(run_dir)[2:])
    words = f"So far: level 2 of 3, {with_interval(best, 30)}; whole networks come at level 3, from child 5 of 12 on."
    runs.assert_clear_error(runs.light("show", run_dir), "No architecture of 3 levels is trained yet", words)


def test_show_prints_an_architecture_file(unbroken):
    result = runs.light("show", unbroken.path / "architecture.json")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    architecture = load_architecture(unbroken.path / "architecture.json")
    assert lines[0] == str(architecture)
    assert lines[2].split() == ["layer", "operation", "reads"]
    assert re.split(r"\s{2,}", lines[3].strip()) == ["1", architecture.layers[0].operation, "stem"]
    assert lines[6].startswith("What each layer reads")
    assert len(lines) == 3 + 3 + 1


def test_show_prints_a_cell_block_by_block(tmp_path):
    left, right = {"operation": "identity", "input": -2}, {"operation": "conv_3x3", "input": -1}
    blocks = [{"left": left, "right": right}, {"left": left, "right": {**right, "input": 1}}]
    value = {"format": "epnas_tf.architecture", "version": 1, "space": "micro", "blocks": blocks}
    (tmp_path / "cell.json").write_text(json.dumps(value))
    result = runs.light("show", tmp_path / "cell.json")
    assert result.returncode == 0
    rows = [re.split(r"\s{2,}", line.strip()) for line in result.stdout.splitlines()[3:]]
    assert rows == [
        ["1", "identity", "the cell before the previous", "conv_3x3", "the previous cell"],
        ["2", "identity", "the cell before the previous", "conv_3x3", "block 1"],
        ["What each operation of a block is applied to. The cell’s output is block 2."],
    ]


class Terminal:
    """A pseudo-terminal with a program in it, and everything that its screen showed.

    Args:
        command: the program with its arguments.
    """

    def __init__(self, command):
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.stream = pyte.Stream(self.screen)
        self.shown = []
        self.hidden_cursor = False
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.before = termios.tcgetattr(slave)
        environment = runs.environment(TERM="xterm-256color")
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        try:
            self._read(master, process)
            self.after = termios.tcgetattr(slave)
        finally:
            process.kill()
            self.code = process.wait()
            os.close(slave)
            os.close(master)

    def _read(self, master, process):
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        ends = time.monotonic() + runs.LIMIT_SECONDS
        ended = False
        while True:
            ready, _, _ = select.select([master], [], [], 0.1)
            if ready:
                self.stream.feed(decoder.decode(os.read(master, 65536)))
                self.hidden_cursor |= self.screen.cursor.hidden
                self.shown.append(self.text)
            elif ended:  # everything that it wrote is read
                return
            ended = process.poll() is not None
            assert time.monotonic() < ends

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def assert_clean(self):
        """Checks that the program left the terminal as a shell wants it."""
        assert self.hidden_cursor  # or the next line would show nothing
        assert not self.screen.cursor.hidden
        assert self.screen.cursor.x == 0
        assert self.after == self.before


def test_live_display_shows_the_search_and_leaves_a_clean_terminal(unbroken, tmp_path):
    terminal = Terminal([*runs.SEARCH, *runs.TINY, f"--run_dir={tmp_path / 'run'}"])
    assert terminal.code == 0
    whole = re.compile(
        r"^iteration +2 of 2   level \d of 3   child (?P<child>\d+) of 12\n"
        r"time +\d+:\d\d gone, \d+:\d\d left\n"
        r"training +1 .*\n"
        r"last child +\d+ %  1 .*\n"
        r"best so far +\d+ % estimated, \d+ % \(\d+ … \d+ %\) measured  1 .*\| 3 .*\n"
        r"surrogate +rank correlation (- \(needs 3 predictions a level\)|[+-]\d\.\d\d), predicts \d+ %$",
        re.MULTILINE,
    )
    seen = {int(match["child"]) for text in terminal.shown if (match := whole.search(text))}
    assert len(seen) > 1  # it moves; which children the four refreshes a second catch is chance
    assert not re.search(r"^child \d+/12", terminal.text, re.MULTILINE)
    assert terminal.text.count("best so far") == 1  # one display, not one above the other
    assert re.search(r"\nnext:\n  # the best architecture from fresh weights\n  \S*epnas-train ", terminal.text)
    terminal.assert_clean()
    runs.assert_same_result(tmp_path / "run", unbroken.path)


def test_live_display_leaves_a_clean_terminal_when_every_child_diverges(tmp_path):
    command = [*runs.SEARCH, *runs.TINY, "--learning_rate=1e30", "--clip_norm=0", f"--run_dir={tmp_path / 'run'}"]
    terminal = Terminal(command)
    assert terminal.code == 1
    message = re.sub(r"\s+", "", terminal.text)  # the terminal breaks lines within words
    assert "Traceback" not in message
    assert "warning:Child1failed:" in message
    assert "epnas-search:error:Everychildoflevel1initeration1failed" in message
    assert "Alowerlearningrate" in message
    terminal.assert_clean()
    assert [trial["status"] for trial in runs.trials(tmp_path / "run")] == ["failed", "failed"]


def test_depth_that_cannot_be_scored_is_warned_of():
    assert warning_of_depth(MacroSpace(20), k=25) == ""
    assert warning_of_depth(MicroSpace(5), k=25) == ""
    warning = warning_of_depth(MacroSpace(30), k=25)
    assert "level 24 of 30 has up to 1,258,291,200 candidates" in warning
