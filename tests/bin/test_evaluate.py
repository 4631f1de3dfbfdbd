import json
import re
import shutil
import sys

import numpy as np
import pytest

from epnas_tf.bin import evaluate as program
from epnas_tf.bin.console import Terminal
from epnas_tf.config import NOT_AUGMENTED, DataConfig, RunConfig
from epnas_tf.evaluation import Metrics, evaluate, measure
from epnas_tf.metrics import with_interval
from epnas_tf.options import fields_of
from epnas_tf.storage.run_directory import RunDirectory
from tests.bin import runs
from tests.evaluation import artifacts

EVALUATE = (sys.executable, "-m", "epnas_tf.bin.evaluate")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run directory with a final training, and a model exported from another network beside it."""
    path = tmp_path_factory.mktemp("evaluated") / "run"
    data = artifacts.digits()
    artifacts.save_final(path / "final", data)
    artifacts.save_forms(path / "export", artifacts.plain_model(data))
    return path


@pytest.fixture(scope="module")
def other_data(tmp_path_factory):
    """Digits in a file, with names in another order than the model's, and labels that fit."""
    data, file = artifacts.digits(), tmp_path_factory.mktemp("other") / "other.npz"
    names = np.array(artifacts.NAMES[::-1])
    arrays = {"x_train": data.train.images, "x_test": data.test.images}
    np.savez(file, y_train=9 - data.train.labels, y_test=9 - data.test.labels, class_names=names, **arrays)
    return file


def rows(text):
    """Returns the cells of each line."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_run_directory_is_evaluated_on_its_own_data_set(run_dir, tmp_path):
    result = runs.call(EVALUATE, run_dir, "--latency", f"--json={tmp_path / 'figures.json'}")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    expected = evaluate(run_dir).metrics
    document = json.loads((tmp_path / "figures.json").read_text())
    assert Metrics.from_dict(document) == expected
    lines = rows(result.stdout)
    assert lines[:2] == [[f"{run_dir} on digits, test part"], ["180 images of 8×8×1 in 10 classes"]]
    assert ["accuracy", with_interval(expected.accuracy, expected.num_images)] in lines
    assert ["top-5 accuracy", with_interval(expected.top_5, expected.num_images)] in lines
    assert ["loss", f"{expected.loss:.4f} nats"] in lines
    for number, (figures, counts) in enumerate(zip(expected.classes, expected.confusion, strict=True)):
        shares = [f"{100 * value:.0f} %" for value in (figures.precision, figures.recall, figures.f1)]
        assert [figures.name, *shares, str(figures.num_images)] in lines
        assert [str(number), *(str(count) if count else "·" for count in counts)] in lines
    for batch in document["latency"]["batches"]:
        times = [f"{batch[name]:.2f} ms" for name in ("median_ms", "percentile_90_ms")]
        assert any(line[:3] == [str(batch["batch_size"]), *times] for line in lines)
    assert f"latency on {document['latency']['device']}" in result.stdout


def test_exported_model_is_evaluated_on_a_split_of_its_runs_data_set(run_dir):
    model = run_dir / "export" / "model.keras"
    result = runs.drive("evaluate", model, "--split=validation")
    assert result.returncode == 0, result.stderr
    assert f"{model} on digits, validation part\n162 images of 8×8×1 in 10 classes\n" in result.stdout
    assert "the network may have been trained on these images" in result.stdout
    assert "matched by number" in result.stdout
    expected = evaluate(model, split="validation").metrics
    assert ["accuracy", with_interval(expected.accuracy, expected.num_images)] in rows(result.stdout)
    assert "latency" not in result.stdout


def test_another_data_set_of_the_same_classes(run_dir, other_data):
    model = run_dir / "export" / "saved_model"
    result = runs.drive("evaluate", model, f"--dataset={other_data}")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.startswith(f"{model} on other.npz, test part\n")
    assert "matched by name, in another order" in result.stdout
    assert "may have been trained" not in result.stdout
    expected = evaluate(model).metrics
    assert ["accuracy", with_interval(expected.accuracy, expected.num_images)] in rows(result.stdout)


def test_what_was_decided_about_other_images_is_said(run_dir, tmp_path):
    test = artifacts.digits().test
    some = test.labels < 2
    images, names = test.images[some].repeat(3, axis=3), np.array(artifacts.NAMES[:2])
    arrays = {"x_train": images, "y_train": test.labels[some], "x_test": images, "y_test": test.labels[some]}
    np.savez(tmp_path / "some.npz", class_names=names, **arrays)
    model = run_dir / "export" / "saved_model"
    result = runs.drive("evaluate", model, f"--dataset={tmp_path / 'some.npz'}")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert f"{some.sum()} images of 8×8×3 in 2 classes" in lines
    assert "colour images, made grey for a network of grey images" in lines
    assert f"the network also knows, without images here: {', '.join(artifacts.NAMES[2:])}" in lines
    assert ["nine", "-", "-", "-", "0"] in rows(result.stdout)


def test_images_of_another_shape_are_refused_and_no_figures_left(run_dir, tmp_path):
    result = runs.drive("evaluate", run_dir, "--image_size=12", f"--json={tmp_path / 'figures.json'}")
    runs.assert_clear_error(result, "takes images of 8×8×1. Received: digits with 12×12×1", "--image_size=8")
    assert not (tmp_path / "figures.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Give one model", "Received: none"]),
        (["RUN", "RUN"], ["Give one model"]),
        (["nowhere"], ["A model must be", "Received: nowhere, which does not exist"]),
        (["RUN/export"], ["a folder with export.json, model.keras", "Name one of them: RUN/export/model.keras, "]),
        (["SEARCH"], ["has no final training yet", "Run epnas-train on it first"]),
        (["CUT.keras"], ["CUT.keras is not a .keras file that can be read"]),
        (["ALONE.keras"], ["--dataset (`data`) must say which data set", "Received: none"]),
        (["ALONE.keras", "--dataset=cifar11"], ["`dataset` must be", "Did you mean", "cifar10"]),
        (["RUN", "--dataset=nowhere.npz"], ["nowhere.npz", "no such file"]),
        (["RUN", "--split=some"], ["--split must be one of test, validation, train, all. Received: 'some'"]),
        (["RUN", "--views=shifts"], ["--views must be one of single, mirror. Received: 'shifts'"]),
        (["RUN", "--seed=-1"], ["`seed` must be at least 0. Received: seed=-1"]),
        (["RUN", "--json=taken.json"], ["--json must name a new file; nothing is overwritten", "taken.json"]),
        (["RUN", "--json=nowhere/figures.json"], ["--json must name a file in a folder"]),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else None,
)
def test_bad_input_is_refused_before_tensorflow_is_imported(run_dir, tmp_path, arguments, words):
    (tmp_path / "RUN").symlink_to(run_dir)
    shutil.copy(run_dir / "export" / "model.keras", tmp_path / "ALONE.keras")
    (tmp_path / "CUT.keras").write_bytes((tmp_path / "ALONE.keras").read_bytes()[:500])
    (tmp_path / "taken.json").write_text("kept")
    with RunDirectory(tmp_path / "SEARCH", RunConfig()):
        result = runs.light("evaluate", *arguments, cwd=tmp_path)
    runs.assert_clear_error(result, *words, prefix="epnas-evaluate: error: ")
    assert (tmp_path / "taken.json").read_text() == "kept"


def test_help_lists_every_flag():
    result = runs.light("evaluate", "--help")
    assert result.returncode == 0
    for name in ("split", "views", "latency", "json", "seed", *(field.name for field in fields_of(DataConfig))):
        assert bool(re.search(rf"--(\[no\])?{name}: ", result.stdout)) == (name not in NOT_AUGMENTED)


def shown(metrics, width=100):
    console = Terminal(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        program.show_confusion(console, metrics)
    return console.export_text()


def figures(num_classes, mistakes=()):
    """Returns the figures of a classifier that is right but for (true class, predicted class, images)."""
    pairs = [(i, i) for i in range(num_classes)] + [(true, taken) for true, taken, n in mistakes for _ in range(n)]
    labels, predicted = np.array(pairs).T
    return measure(labels, np.eye(num_classes, dtype=np.float32)[predicted], [f"name {i}" for i in range(num_classes)])


def test_most_confused_pairs_are_shown_where_a_matrix_would_not_fit():
    metrics = figures(30, [(3, 4, 2), (7, 1, 5)])
    assert rows(shown(metrics))[1:] == [
        ["true class", "taken for", "images"],
        ["name 7", "name 1", "5"],
        ["name 3", "name 4", "2"],
    ]
    assert "no image was taken for another class" in shown(figures(30))
    assert "confusion matrix" in shown(figures(10))
    assert "true class" in shown(figures(10, [(1, 2, 1)]), width=30)


def test_top_5_accuracy_is_left_out_where_it_says_nothing():
    console = Terminal(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(program.figures_table(figures(5)))
    assert [row[0] for row in rows(console.export_text())] == ["accuracy", "loss"]
