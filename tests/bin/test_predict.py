import csv
import io
import json
import os
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from epnas_tf.evaluation import predict
from tests.bin import runs
from tests.evaluation import artifacts

PREDICT = (sys.executable, "-m", "epnas_tf.bin.predict")
STRANGE = b"caf\xe9\n.png"
"""A file's name that is no UTF-8 and has two lines."""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run directory with a final training on the digits."""
    path = tmp_path_factory.mktemp("trained") / "run"
    artifacts.save_final(path / "final", artifacts.digits())
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Digits in two folders; one file is cut short, one is no image, and one has a strange name."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "more").mkdir()
    for number, image in enumerate(artifacts.digits().test.images[:6]):
        Image.fromarray(image[:, :, 0]).save(folder / ("more" if number % 2 else "") / f"{number}.png")
    shutil.copy(folder / "0.png", os.fsencode(folder) + b"/" + STRANGE)
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:60])
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def expected(run_dir, images):
    return predict(run_dir, images)


def assert_cut_is_told(result):
    assert result.returncode == 1
    note, error = result.stderr.splitlines()
    assert note.startswith("files left out: ")
    assert "(.txt 1)" in note
    assert error.startswith("epnas-predict: error: Every image file must hold a whole image; the others are answered.")
    assert "Received: 1 of 8 files that cannot be read: " in error
    assert "cut.png (" in error
    assert "Traceback" not in result.stderr


def test_table_shows_class_probability_and_next_best(run_dir, images, expected):
    result = runs.drive("predict", run_dir, images, "--top=2")
    assert_cut_is_told(result)
    lines = [re.split(r"\s{2,}", line) for line in result.stdout.splitlines()]
    assert lines[0] == ["file", "class", "probability", "next best"]
    assert len(lines) == 9
    for file, row in zip(expected.files, expected.probabilities, strict=True):
        first, second = np.argsort(-row, kind="stable")[:2]
        shown = file if "caf" not in file else f"{images}/caf\\xe9\\n.png"
        cells = [shown, str(first), f"{100 * row[first]:.1f} %", f"{second} {100 * row[second]:.1f} %"]
        assert cells in lines
    assert any(line[0] == f"{images}/cut.png" and line[1].startswith("cannot be read: ") for line in lines)


def test_csv_has_all_probabilities_and_exact_paths(run_dir, images, expected, tmp_path):
    result = runs.drive("predict", run_dir, images, "--format=csv", f"--output={tmp_path / 'answers.csv'}")
    assert_cut_is_told(result)
    assert result.stdout == f"7 images classified: {tmp_path / 'answers.csv'}\n"
    text = (tmp_path / "answers.csv").read_bytes().decode("utf-8", "surrogateescape")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["file"]: row["error"] for row in rows if row["error"]} == expected.broken
    answered = [row for row in rows if not row["error"]]
    assert tuple(row["file"] for row in answered) == expected.files
    assert any(os.fsencode(row["file"]).endswith(STRANGE) for row in answered)
    names = expected.class_names
    found = np.array([[row[f"probability of {name}"] for name in names] for row in answered], np.float32)
    np.testing.assert_array_equal(found, expected.probabilities)
    assert [row["class"] for row in answered] == expected.class_name
    assert [float(row["probability"]) for row in answered] == pytest.approx(found.max(axis=1).tolist())
    assert sorted(tmp_path.iterdir()) == [tmp_path / "answers.csv"]


def test_json_says_how_the_images_were_prepared(run_dir, images, expected):
    result = runs.drive("predict", run_dir, images, "--format=json")
    assert_cut_is_told(result)
    document = json.loads(result.stdout)
    assert tuple(document["class_names"]) == expected.class_names
    assert document["preparation"]["height"] == 8
    answered = [entry for entry in document["files"] if "error" not in entry]
    assert tuple(entry["file"] for entry in answered) == expected.files
    found = np.array([entry["probabilities"] for entry in answered], np.float32)
    np.testing.assert_array_equal(found, expected.probabilities)
    assert {entry["file"]: entry["error"] for entry in document["files"] if "error" in entry} == expected.broken


def test_whole_files_alone_end_well(run_dir, images):
    result = runs.call(PREDICT, run_dir, images / "0.png", images / "more", cwd=images)
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [
        str(images / name) for name in ("0.png", "more/1.png", "more/3.png", "more/5.png")
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Give a model, then image files or folders", "Received: nothing"]),
        (["RUN"], ["Give a model, then image files or folders", "Received: RUN"]),
        (["nowhere", "IMAGES"], ["A model must be", "Received: nowhere, which does not exist"]),
        (["RUN", "nowhere.jpg"], ["Received: nowhere.jpg, which does not exist"]),
        (["RUN", "TEXTS"], ["There must be an image", "Received: TEXTS, without any", ".txt 1"]),
        (["RUN", "IMAGES", "--output=taken"], ["--output must name a new file; nothing is overwritten", "taken"]),
        (["RUN", "IMAGES", "--output=nowhere/a.csv"], ["--output must name a file in a folder"]),
        (["RUN", "IMAGES", "--top=0"], ["--top must be a whole number of at least 1. Received: '0'"]),
        (["RUN", "IMAGES", "--format=xml"], ["--format must be one of table, csv, json. Received: 'xml'"]),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_bad_input_is_refused_before_tensorflow_is_imported(run_dir, images, tmp_path, arguments, words):
    (tmp_path / "RUN").symlink_to(run_dir)
    (tmp_path / "IMAGES").symlink_to(images)
    (tmp_path / "TEXTS").mkdir()
    (tmp_path / "TEXTS" / "a.txt").write_text("no image")
    (tmp_path / "taken").write_text("kept")
    result = runs.light("predict", *arguments, cwd=tmp_path)
    runs.assert_clear_error(result, *words, prefix="epnas-predict: error: ")
    assert (tmp_path / "taken").read_text() == "kept"
