import os
import subprocess
import sys

import pytest

from epnas_tf.errors import RunDirectoryError
from epnas_tf.report import write_report
from tests.bin.runs import LIMIT_SECONDS, assert_clear_error, call, environment, light, snapshot
from tests.report import runs

REPORT = (sys.executable, "-m", "epnas_tf.bin.report")


def test_writes_the_report_and_says_where(tmp_path):
    run_dir = tmp_path / "a run"
    runs.make_search(run_dir)
    runs.make_training(run_dir / "final", runs.best_architectures(run_dir)[0])
    result = call(REPORT, run_dir)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [str(run_dir / "report.html")]
    by_program = {name: content for name, (_, content) in snapshot(run_dir).items()}
    write_report(run_dir)  # in another process, with other hashes
    assert {name: content for name, (_, content) in snapshot(run_dir).items()} == by_program


def test_final_training_of_another_place_is_shown_with_the_search(tmp_path):
    run_dir, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    runs.make_search(run_dir)
    runs.make_training(elsewhere, runs.best_architectures(run_dir)[0])
    assert light("report", run_dir).returncode == 0
    before = snapshot(run_dir)
    assert "no final training has begun" in (run_dir / "report.html").read_text()
    result = light("report", run_dir, f"--final_dir={elsewhere}")
    assert result.stdout.splitlines() == [str(elsewhere / "report.html")]
    shown = (elsewhere / "report.html").read_text()
    assert "no final training has begun" not in shown
    assert "The best architectures" in shown
    assert write_report(run_dir, elsewhere, tmp_path / "a" / "page") == tmp_path / "a" / "page" / "report.html"
    assert (tmp_path / "a" / "page" / "report.html").read_text() == shown
    assert (tmp_path / "a" / "page" / "report" / "loss.svg").exists()
    assert snapshot(run_dir) == before  # each has a report of its own


def test_final_training_of_the_run_itself_is_shown_in_the_runs_report_however_it_is_named(tmp_path):
    run_dir = tmp_path / "run"
    runs.make_search(run_dir)
    runs.make_training(run_dir / "final", runs.best_architectures(run_dir)[0])
    (tmp_path / "link").symlink_to(run_dir / "final")
    assert write_report(run_dir, tmp_path / "link") == run_dir / "report.html"


def test_only_a_report_that_shows_no_more_is_written_over(tmp_path):
    run_dir, elsewhere, page = tmp_path / "run", tmp_path / "elsewhere", tmp_path / "page"
    runs.make_search(run_dir)
    runs.make_training(elsewhere, runs.best_architectures(run_dir)[0])
    write_report(elsewhere)
    assert write_report(run_dir, elsewhere) == write_report(run_dir, elsewhere) == elsewhere / "report.html"
    page.mkdir()
    (page / "report.html").write_text("<title>My report</title>")
    before = snapshot(tmp_path)
    with pytest.raises(RunDirectoryError, match=r"not written over .* Received: .*elsewhere.report\.html"):
        write_report(elsewhere)
    with pytest.raises(RunDirectoryError, match=r"Received: .*page.report\.html, which is a page of another kind"):
        write_report(run_dir, output=page)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Give one run directory", "Received: none"]),
        (["one", "two"], ["Give one run directory", "Received: one two"]),
        (["nowhere"], ["directory of a search or a final training", "Received: nowhere, which is no directory"]),
        (["."], ["a directory without a config.json", "--run_dir"]),
        ([".", "--final_dir=nowhere"], ["A final training must be", "Received: nowhere, which is none"]),
        (["--nonsense"], ["nonsense"]),
    ],
)
def test_refusals(tmp_path, arguments, words):
    result = light("report", *arguments, cwd=tmp_path)
    assert_clear_error(result, *words)
    assert result.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_broken_run(tmp_path):
    runs.make_search(tmp_path)
    (tmp_path / "trials.jsonl").write_text("{}\n")
    assert_clear_error(light("report", tmp_path), "Line 1 of", "trials.jsonl is not one that a run writes")
    assert not (tmp_path / "report.html").exists()


def test_help():
    result = light("report", "--help")
    assert result.returncode == 0
    assert "epnas-report RUN_DIR" in result.stdout


def test_terminal_that_cannot_show_every_letter(tmp_path):
    data = runs.description(class_names=runs.HOSTILE)
    runs.make_training(tmp_path / "final", runs.CELL, data=data)
    variables = {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C", "MPLCONFIGDIR": os.fspath(tmp_path / "matplotlib")}
    result = subprocess.run(
        [*REPORT, tmp_path], capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment(**variables)
    )
    assert (result.returncode, result.stderr) == (0, "")
