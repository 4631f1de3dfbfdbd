import io
import os
import shutil
import signal
import subprocess
import sys

import pytest

from epnas_tf.bin import console
from epnas_tf.bin.console import Terminal, print_in_any_encoding
from tests.bin import runs

STARTED = """
import sys
from epnas_tf.bin.console import UNUSED_BY_KERAS, quiet_tensorflow
with quiet_tensorflow():
    print(sorted({"keras", "tensorflow", *UNUSED_BY_KERAS} & set(sys.modules)))
import matplotlib, sklearn
print(matplotlib.__name__, sklearn.__name__)
"""


def test_tensorflow_is_started_without_what_no_binary_uses_and_that_can_be_imported_later():
    result = runs.call((sys.executable, "-c", STARTED))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["['keras', 'tensorflow']", "matplotlib sklearn"]
    assert result.stderr == ""


BROKEN_KERAS = """
import sys
from epnas_tf.bin.console import quiet_tensorflow
with quiet_tensorflow():
    import keras
print(keras.config.backend(), keras.config.floatx(), keras.config.max_epochs())
"""


def test_a_command_runs_keras_on_tensorflow_whatever_is_set_for_keras(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float8"}')
    keras = {"KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path), "KERAS_MAX_EPOCHS": "many", "KERAS_NNX_ENABLED": "1"}
    result = runs.call((sys.executable, "-c", BROKEN_KERAS), **keras)
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "note: Keras runs on TensorFlow here, whatever KERAS_BACKEND is. Received: jax",
        "tensorflow float32 None",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["keras.json"]


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("ascii", rb"8x8 ... -3 tau = 1/2 r^2 caf\xe9 \u732b caf\xe9"),
        ("latin-1", b"8\xd78 ... -3 tau = \xbd r\xb2 caf\xe9 \\u732b caf\\xe9"),
        ("utf-8", "8×8 … −3 τ = ½ r² café 猫 caf\\xe9".encode()),
    ],
)
def test_a_text_is_written_out_where_the_terminal_lacks_its_characters(encoding, printed):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        print_in_any_encoding()
        Terminal().print("8×8 … −3 τ = ½ r² café 猫 " + os.fsdecode(b"caf\xe9"))
    stream.flush()
    assert stream.buffer.getvalue() == printed + b"\n"


@pytest.fixture(scope="module")
def calls(ranked, tmp_path_factory):
    """Every command's name and arguments, on a search and a comparison that are finished."""
    run_dir = tmp_path_factory.mktemp("console") / "a-run-whose-path-is-wider-than-the-terminal"
    shutil.copytree(ranked.path, run_dir)
    short = ("--epochs=1", "--restart_epochs=0", "--channels=4", "--normal_cells=1")
    return {
        "search": (*runs.TINY, f"--run_dir={run_dir}"),
        "show": (run_dir,),
        "train": (run_dir, "--train_images=100", *short),
        "evaluate": (run_dir,),
        "export": (run_dir, "--format=keras", "--overwrite"),
        "rank": (run_dir, *runs.RANK),
        "report": (run_dir,),
    }


@pytest.fixture(scope="module")
def printed(calls):
    """The output of each command on a narrow terminal in ASCII, by the command's name."""
    printed = {}
    for binary, arguments in calls.items():
        result = runs.drive(binary, *arguments, moment="the terminal is narrow and ASCII")
        assert result.returncode == 0, result.stderr
        printed[binary] = result.stdout
    return printed


def test_every_command_prints_in_ascii(printed):
    assert all(map(str.isascii, printed.values()))
    texts = {binary: " ".join(text.split()) for binary, text in printed.items()}
    assert "images of 8x8x1 in 10 classes" in texts["search"]
    assert "Kendall's tau" in texts["rank"]
    assert "images of 8x8x1 in 10 classes" in texts["evaluate"]


def test_every_command_breaks_sentences_between_words_and_no_paths(calls, printed):
    sentences = {
        "search": "of that: ",
        "show": "validation images",
        "train": "test accuracy",
        "evaluate": "confusion matrix: images of the class in the row, taken for the class in the column",
        "export": "each file was loaded again and compared on",
        "rank": "with 95 % intervals from 10 on",
        "report": "report.html",
    }
    for binary, text in printed.items():
        for character, spelled_out in console.SPELLED_OUT.items():  # which came after lines were broken
            text = text.replace(spelled_out, character) if len(spelled_out) > 1 else text
        lines = text.splitlines()
        wide = [line for line in lines if len(line) > 50 and " " in line.strip()]
        copied = ("settings: ", "run dir: ", "final dir: ", "rank dir: ", "architecture: ")
        assert all(line.startswith(copied) or "/epnas-" in line or "  epnas-" in line for line in wide), wide
        assert sentences[binary] in " ".join(" ".join(lines).split())
    path = str(calls["report"][0])
    assert f"{path}/report.html" in lines


def test_a_refusal_breaks_between_words_and_keeps_what_is_to_be_copied():
    result = runs.drive("search", "--dataset=no/such/folder", moment="the terminal is narrow")
    runs.assert_clear_error(result)
    assert all(len(line) <= 50 for line in result.stderr.splitlines())
    assert "dataset='no/such/folder', which does not exist" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--layers=abc", "--layers must be a whole number. Received: 'abc'. Give one, such as --layers=12, or leave"),
        ("--learning_rate=a: b", "--learning_rate must be a number. Received: 'a: b'. Give one, such as"),
        ("--verbose=maybe", "--verbose must be true or false. Received: 'maybe'."),
        ("--mirror=maybe", "--mirror must be one of auto, yes, no. Received: 'maybe'."),
        ("--run_dir=", "--run_dir must be a path. Received: ''. Give one, or leave the flag out."),
    ],
)
def test_a_flag_with_a_wrong_value_says_what_was_expected(flag, words):
    runs.assert_clear_error(runs.light("search", flag), f"epnas-search: error: {words}", "See epnas-search --help.")


def test_an_output_without_a_name_is_refused():
    result = runs.light("predict", "model", "photo.jpg", "--output=")
    runs.assert_clear_error(result, "--output must be a path. Received: ''.")


def test_a_bound_of_a_flag_is_told():
    result = runs.light("show", "run", "--best=0")
    runs.assert_clear_error(result, "--best must be a whole number of at least 1. Received: '0'.")


def test_help_does_not_send_users_to_flags_of_absl():
    result = runs.light("show", "--help")
    assert result.returncode == 0
    assert "--best" in result.stdout
    assert "helpfull" not in result.stdout


def test_a_refusal_is_printed_in_ascii():
    result = runs.drive("search", "--dataset=no/猫", moment="the terminal is ASCII")
    runs.assert_clear_error(result, r"dataset='no/\u732b', which does not exist")


def test_a_class_folder_that_is_not_utf_8_ends_a_search_before_it_begins(tmp_path):
    for name in (os.fsdecode(b"caf\xe9"), "tea"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    result = runs.drive("search", f"--dataset={tmp_path / 'photos'}", cwd=tmp_path)
    runs.assert_clear_error(result, r"a class name must be UTF-8", r"Received: b'caf\xe9'. Rename it")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_run_directory_that_is_not_utf_8_is_refused(tmp_path):
    result = runs.drive("search", *runs.TINY, "--run_dir=" + os.fsdecode(b"caf\xe9"), cwd=tmp_path)
    runs.assert_clear_error(result, r"a run directory must be UTF-8. Received: b'caf\xe9'. Rename it.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, ["text in UTF-8. Received: --flagfile=my.cfg with b'# gr\\xfc', which", "Save it as UTF-8."]),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ["text in ASCII", "Set PYTHONUTF8=1"]),
    ],
)
def test_a_flag_file_in_another_encoding_is_named(environment, words, tmp_path):
    (tmp_path / "my.cfg").write_bytes("--layers=2\n# grün\n--k=2\n".encode("latin-1"))
    result = runs.call(runs.SEARCH, "--flagfile=my.cfg", cwd=tmp_path, **environment)
    runs.assert_clear_error(result, *words)


def test_ctrl_c_before_a_command_has_begun_is_no_traceback():
    interrupt = "import signal; from epnas_tf.bin import console; signal.raise_signal(signal.SIGINT)"
    started = subprocess.run([sys.executable, "-c", interrupt], capture_output=True, text=True)
    assert (started.returncode, started.stderr) == (-signal.SIGINT, "\n-c: stopped before it began.\n")


def test_ctrl_c_while_tensorflow_starts_shows_none_of_its_messages(monkeypatch, capfd):
    def start():
        os.write(2, b"I0000 oneDNN custom operations are on.\n")
        raise KeyboardInterrupt

    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setattr(console, "_import_tensorflow", start)
    with pytest.raises(KeyboardInterrupt), console.quiet_tensorflow():
        pass
    assert capfd.readouterr().err == ""
