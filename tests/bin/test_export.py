import json
import shutil
import sys
from pathlib import Path

import pytest

from epnas_tf.bin.export import files_table
from epnas_tf.export import FORMATS, ExportedFile, ExportResult, Parity
from epnas_tf.storage.data_file import describe_data
from tests.bin import runs
from tests.export import networks

EXPORT = (sys.executable, "-m", "epnas_tf.bin.export")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run directory with nothing but a finished final training on the digits, whose values are random."""
    path, data = tmp_path_factory.mktemp("trained") / "run", networks.digits()
    network = networks.make_network(networks.SMALL, data.image_shape, channels=networks.CONFIG.network.channels)
    networks.save_final(path / "final", network, describe_data(data))
    return path


@pytest.fixture
def run_dir(trained, tmp_path):
    """A copy of it for a test of its own."""
    return shutil.copytree(trained, tmp_path / "run")


def assert_refused(result, run_dir, before, *words):
    runs.assert_clear_error(result, *words)
    assert result.returncode == 1
    assert runs.snapshot(run_dir) == before
    assert not list(run_dir.glob("*.part"))


def test_run_directory_is_exported_in_every_format(run_dir):
    result = runs.call(EXPORT, run_dir)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    document = json.loads((run_dir / "export" / "export.json").read_text())
    lines = [line.split() for line in result.stdout.splitlines()]
    for entry, file in zip(document["files"], FORMATS.values(), strict=True):
        assert f"writing {file.file}" in result.stdout
        measured = [f"{entry['max_difference']:.1e}", f"{100 * entry['equal_predictions']:.1f}", "%"]
        assert [file.name, file.file, f"{entry['bytes'] / 1000:,.0f}", "kB", *measured] in lines
        assert [file.name, *file.content.split(), *file.good_for.split()] in lines
    assert (
        f"{run_dir / 'export'}: each file was loaded again and compared on 180 test images of digits" in result.stdout
    )
    assert "writing model_full_int8.tflite, calibrated on 300 training images of digits\n" in result.stdout
    assert f"epnas-evaluate {run_dir / 'export' / 'saved_model'} --latency" in result.stdout


def test_an_export_is_replaced_only_when_that_is_asked_for(run_dir, tmp_path):
    output = tmp_path / "mine"
    assert runs.drive("export", run_dir, f"--output={output}", "--format=keras").returncode == 0
    assert {file.name for file in output.iterdir()} == {"model.keras", "export.json"}
    before = runs.snapshot(output)
    result = runs.drive("export", run_dir, f"--output={output}", "--format=tflite")
    assert_refused(result, output, before, "exists", "--overwrite", str(output))
    result = runs.drive("export", run_dir, f"--output={output}", "--format=tflite", "--overwrite")
    assert result.returncode == 0, result.stderr
    assert {file.name for file in output.iterdir()} == {"model.tflite", "export.json"}
    assert not (run_dir / "export").exists()


@pytest.mark.parametrize(("name", "limit"), [("saved_model", 30_000), ("keras", 60_000)])
def test_full_disk(run_dir, name, limit):
    before = runs.snapshot(run_dir)
    result = runs.drive("export", run_dir, f"--format={name}", moment="files have a limit", bytes=limit)
    assert_refused(result, run_dir, before, "cannot be written")


def test_unfinished_training(run_dir):
    shutil.rmtree(run_dir / "final" / "state")
    before = runs.snapshot(run_dir)
    assert_refused(runs.drive("export", run_dir), run_dir, before, "has not ended", "epnas-train")


def test_checkpoint_that_is_cut_short(run_dir):
    file = next((run_dir / "final" / "state").glob("*.npz"))
    file.write_bytes(file.read_bytes()[:-100])
    before = runs.snapshot(run_dir)
    assert_refused(runs.drive("export", run_dir), run_dir, before, str(run_dir / "final"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Give one run directory", "none"]),
        (["run", "other"], ["Give one run directory", "run other"]),
        (["nowhere"], ["directory of a run", "nowhere"]),
        (["foreign"], ["foreign", "notes.txt"]),
        (["run", "--format=onnx"], ["`format` must be one or more of saved_model, keras", "onnx"]),
        (["run", "--format="], ["`format` must be one or more"]),
        (["run", "--output=foreign/notes.txt"], ["foreign/notes.txt exists"]),
        (["run", "--output=foreign", "--overwrite"], ["replaces a folder that an export wrote", "notes.txt"]),
        (["run", "--output=foreign/notes.txt/export"], ["cannot be written", "Not a directory"]),
    ],
)
def test_bad_input_is_refused_before_tensorflow_is_imported(run_dir, tmp_path, arguments, words):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    before = runs.snapshot(tmp_path)
    result = runs.light("export", *arguments, cwd=tmp_path)
    assert_refused(result, tmp_path, before, *words)


def test_help_lists_the_flags():
    result = runs.light("export", "--help")
    assert result.returncode == 0
    for flag in ("--format", "--output", "--[no]overwrite"):
        assert flag in result.stdout
    for entry in FORMATS.values():
        assert f"{entry.content}: {entry.good_for}" in result.stdout


def test_equal_predictions_have_the_digits_that_the_images_allow():
    file = ExportedFile(FORMATS["keras"], Path("model.keras"), 1000, Parity(54, 0.1, 1, 1))
    assert list(files_table(ExportResult(Path("export"), (file,), "54 images", {})).columns[-1].cells) == ["98 %"]
