"""Several searches side by side: each as if it were alone."""

import dataclasses
import itertools
import shutil

import numpy as np
import pytest

from epnas_tf.bin.console import Terminal
from epnas_tf.bin.displays.search import LiveDisplay, LiveSearches, LogDisplay
from epnas_tf.children.child import ChildTrainer
from epnas_tf.config import RunConfig
from epnas_tf.data import load
from epnas_tf.errors import RunDirectoryError, SearchError
from epnas_tf.options import from_values
from epnas_tf.report.figures.searches import best_by_iteration
from epnas_tf.report.page import write_report
from epnas_tf.report.search_files import read_search
from epnas_tf.run.runner import run_search, run_searches
from epnas_tf.storage.records import best_trials
from epnas_tf.storage.run_directory import read_config
from epnas_tf.storage.searches import folders_of_searches
from epnas_tf.training.architectures import find_candidates
from epnas_tf.training.settings import training_config
from epnas_tf.training.trainer import train_final
from tests.run.test_runner import SETTINGS, Recorder, Stopped, scored, trials

pytestmark = pytest.mark.usefixtures("without_grappler")

CONFIG = from_values(RunConfig, {**SETTINGS, "k": 2, "seed": 5})  # 2 iterations of 2 and 2 children
NUM_CHILDREN = 8
OTHER = dataclasses.replace(CONFIG, seed=6, data=dataclasses.replace(CONFIG.data, split_seed=5))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two whole searches: their directory, their results and what their listeners heard."""
    path, recorders = tmp_path_factory.mktemp("searches") / "run", [Recorder(), Recorder()]
    return path, run_searches(CONFIG, path, 2, recorders), recorders


def test_the_second_is_what_it_would_be_alone(finished, tmp_path):
    path, results, recorders = finished
    alone = run_search(OTHER, tmp_path / "run")
    assert trials(path / "searches" / "2") == trials(tmp_path / "run") != trials(path)
    assert (results[1].architecture, results[1].score) == (alone.architecture, alone.score)
    assert [read_config(folder) for folder in folders_of_searches(path)] == [CONFIG, OTHER]
    for recorder in recorders:
        assert [candidate.number for candidate, _ in recorder.ended] == list(range(NUM_CHILDREN))


def test_a_split_seed_takes_the_place_of_the_seed_for_the_images():
    digests = [
        load(config.data, config.seed).digest for config in (CONFIG, OTHER, from_values(RunConfig, {**SETTINGS}))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_second_search_can_be_begun_later_and_be_stopped(finished, tmp_path):
    path, expected, _ = finished
    shutil.copytree(path, tmp_path / "run", ignore=shutil.ignore_patterns("searches"))
    with pytest.raises(Stopped):
        run_searches(CONFIG, tmp_path / "run", 2, [Recorder(), Recorder(stop_before=4)])
    recorders = [Recorder(), Recorder()]
    results = run_searches(CONFIG, tmp_path / "run", 2, recorders)
    assert [recorder.num_resumed for recorder in recorders] == [NUM_CHILDREN, 3]
    assert [result.already_finished for result in results] == [True, False]
    assert [result.score for result in results] == [result.score for result in expected]
    for ours, theirs in zip(folders_of_searches(tmp_path / "run"), folders_of_searches(path), strict=True):
        assert trials(ours) == trials(theirs)


def test_a_search_that_fails_lets_the_others_end(monkeypatch, tmp_path):
    scored(monkeypatch, itertools.cycle([0.5, 0.6, 0.7]))
    real = ChildTrainer.outcome

    def outcome(trainer, *arguments):
        failure = "The loss became nan." if trainer.store.seed == OTHER.seed else None
        return dataclasses.replace(real(trainer, *arguments), failure=failure)

    monkeypatch.setattr(ChildTrainer, "outcome", outcome)
    recorders = [Recorder(), Recorder()]
    with pytest.raises(SearchError):
        run_searches(CONFIG, tmp_path / "run", 2, recorders)
    assert len(trials(tmp_path / "run")) == NUM_CHILDREN
    assert "This search has ended; the others go on." in recorders[1].warnings[-1]


def test_refused_settings_leave_no_folder(tmp_path):
    (tmp_path / "run" / "searches" / "3").mkdir(parents=True)
    (tmp_path / "run" / "searches" / "3" / "mine.txt").touch()
    with pytest.raises(RunDirectoryError, match="is not the directory of a run"):
        run_searches(CONFIG, tmp_path / "run", 3)
    with pytest.raises(Stopped):
        run_searches(CONFIG, tmp_path / "new", 2, [Recorder(stop_before=1), Recorder()])
    assert not (tmp_path / "new").exists()


def test_candidates_are_the_best_of_each_search(finished):
    path, _, _ = finished
    best = [best_trials(folder, 2) for folder in folders_of_searches(path)]
    for count in (1, 2):
        found = find_candidates(path, None, count)
        expected = {trial["text"] for trials in best for trial in trials[:count]}
        assert {str(candidate.architecture) for candidate in found} == expected
    first = find_candidates(path, None, 1)[0]
    assert str(first.architecture) == max((trials[0] for trials in best), key=lambda trial: trial["estimate"])["text"]


def test_the_report_shows_every_search(finished, tmp_path):
    path, results, _ = finished
    searches = [read_search(folder) for folder in folders_of_searches(path)]
    for search in searches:
        curve = best_by_iteration(search)
        assert len(curve) == 2
        whole = [trial.score for trial in search.completed if trial.level == 2]
        assert curve[1] == max(whole)
    page = write_report(path, output=tmp_path).read_text()
    assert "Several searches" in page
    assert all(str(result.architecture) in page for result in results)
    assert (tmp_path / "report" / "searches.svg").exists()


def test_the_report_before_any_whole_network(finished, tmp_path):
    with pytest.raises(Stopped):
        run_searches(CONFIG, tmp_path / "run", 2, [Recorder(), Recorder(stop_before=2)])
    assert np.isnan(best_by_iteration(read_search(tmp_path / "run" / "searches" / "2"))).all()
    assert "no whole architecture yet" in write_report(tmp_path / "run").read_text()


def test_the_live_display_has_a_line_for_each(monkeypatch, tmp_path):
    scored(monkeypatch, itertools.cycle([0.5, 0.6, 0.7]))
    with open(tmp_path / "shown", "w+", encoding="utf-8") as file:
        console = Terminal(file=file, width=120, force_terminal=True)
        displays = [LiveDisplay(console, CONFIG.search, number) for number in (1, 2)]
        with LiveSearches(displays) as screen:
            assert "Preparing" in str(screen.render().renderables[0])
            run_searches(CONFIG, tmp_path / "run", 2, displays)
        file.seek(0)
        shown = file.read()
    assert f"{2 * NUM_CHILDREN} of {2 * NUM_CHILDREN} children" in shown
    last = shown[shown.rindex("best so far") :]
    assert all(f"level 2 of 2   child {NUM_CHILDREN} of {NUM_CHILDREN}" in line for line in last.splitlines()[1:3:2])


def test_training_compares_the_best_of_each(finished, tmp_path):
    path, _, _ = finished
    count = len(find_candidates(path, None, 1))
    settings = {"channels": 4, "epochs": 1, "candidate_epochs": 1, "train_images": 300}
    result = train_final(path, training_config(path, **settings), final_dir=tmp_path / "final")
    lines = (tmp_path / "final" / "candidates.jsonl").read_text().splitlines() if count > 1 else []
    assert len(lines) == (count if count > 1 else 0)
    assert result.architecture in [candidate.architecture for candidate in find_candidates(path, None, 1)]


def test_lines_of_a_search_alone_have_no_number(finished, capsys):
    LogDisplay(Terminal(), CONFIG.search).say("one")
    LogDisplay(Terminal(), CONFIG.search, 2).say("two")
    assert capsys.readouterr().out == "one\nsearch 2: two\n"
