import dataclasses
import itertools
import json
import shutil

import pytest

from epnas_tf.config import ChildConfig
from epnas_tf.errors import RunDirectoryError
from epnas_tf.report import write_report
from epnas_tf.storage.run_directory import RunDirectory
from tests.bin.runs import snapshot
from tests.report import runs
from tests.report.pages import Page, page_of

SECTIONS = {"summary", "architecture", "search", "training", "test", "settings"}


def pictures(run_dir):
    return {file.stem for file in (run_dir / "report").iterdir()}


class TestMacro:
    def test_summary(self, macro):
        text = page_of(macro).texts["summary"]
        metrics = json.loads((macro / "final" / "metrics.json").read_text())
        assert "digits 8 × 8 pixels, grey · 10 classes · 1,455 training, 162 validation, 180 test images" in text
        ended = "The search has ended after 12 children. 1 of them diverged. "
        assert f"{ended}The final training has ended after 12 epochs." in text
        assert f"Test accuracy {100 * metrics['accuracy']:.1f} %" in text
        assert f"on 180 images, top-5 {100 * metrics['top_5']:.1f} %" in text
        assert "Time spent 21 min search 20 min, final training 36 s" in text
        assert f"The trained architecture {runs.best_architectures(macro)[0]}" in text

    def test_sections_and_pictures(self, macro):
        page = page_of(macro)
        assert page.texts.keys() == SECTIONS
        assert pictures(macro) == {
            *("accuracy", "prediction", "updates", "architecture", "front-parameters", "front-multiply-adds"),
            *("loss", "training-accuracy", "learning-rate", "confusion"),
        }
        labels = [attributes["aria-label"] for attributes in page.attributes("svg")]
        assert len(labels) == 10
        assert all(labels)

    def test_search(self, macro):
        text = page_of(macro).texts["search"]
        assert "iteration 1 τ = 4 iteration 2 τ = 1" in text
        assert "A cross is a child that diverged." in text
        assert "all levels" in text
        for architecture in runs.best_architectures(macro):
            assert str(architecture) in text
        assert "They are not known here" not in text

    def test_test(self, macro):
        page = page_of(macro)
        metrics = json.loads((macro / "final" / "metrics.json").read_text())
        text = page.texts["test"]
        for figures in metrics["classes"]:
            assert f"{figures['name']} {figures['num_images']} {100 * figures['precision']:.0f} %" in text
        images = page.attributes("img")
        wrong = [image for image in images if ", taken for " in image["alt"]]
        mistakes = 180 - round(180 * metrics["accuracy"])
        assert (len(images), len(wrong)) == (24 + min(mistakes, 24), min(mistakes, 24))

    def test_settings(self, macro):
        page = page_of(macro)
        assert "What differs from the default is set in bold." in page.texts["settings"]
        source = (macro / "report.html").read_text()
        assert "<dt>iterations</dt><dd><strong>2</strong></dd>" in source
        assert "<dt>epochs</dt><dd>3</dd>" in source
        assert "<dt>epochs</dt><dd><strong>12</strong></dd>" in source
        assert "<dt>held out</dt><dd><strong>yes</strong></dd>" in source
        assert "tensorflow 2." in page.texts["settings"]


class TestMicro:
    def test_trained_architecture_differs_from_the_best(self, micro):
        best, second = runs.best_architectures(micro)[:2]
        text = page_of(micro).texts["architecture"]
        assert "The architecture in training" in page_of(micro).texts["summary"]
        assert str(second) in page_of(micro).texts["summary"]
        assert f"It is not the one that the search ranks first, which is {best}" in text
        assert "cell before the previous" in text

    def test_candidates(self, micro):
        source, text = (micro / "report.html").read_text(), page_of(micro).texts["training"]
        assert "1 90.0 % 79.0 % 1,000 100,000 1 min 0 s" in text
        chosen = source[source.index('<tbody class="chosen">') :]
        assert "2</th><td" in chosen[:120]
        assert source.count('<tbody class="chosen">') == 1

    def test_a_candidate_that_diverged(self, tmp_path):
        runs.make_search(tmp_path)
        best = runs.best_architectures(tmp_path)
        runs.make_training(tmp_path / "final", best[1], candidates=[(best[0], None), (best[1], 0.9)])
        write_report(tmp_path)
        assert "1 diverged 79.0 %" in page_of(tmp_path).texts["training"]

    def test_training_that_runs(self, micro):
        page = page_of(micro)
        assert "The final training has not ended yet: 4 of 12 epochs so far." in page.texts["training"]
        assert "The test images are looked at once, when the final training has ended." in page.texts["test"]
        assert not page.attributes("img")


class TestParts:
    def test_running_search(self, running):
        page = page_of(running)
        assert "The search has not ended yet: 4 of 12 children so far." in page.texts["summary"]
        assert "No final training has begun." in page.texts["summary"]
        assert "There is no whole architecture yet." in page.texts["architecture"]
        assert "No whole architecture, of 3 layers, has been trained yet." in page.texts["search"]
        assert "% level 2 of 3: " in page.texts["summary"]
        assert (
            "162 validation images), on the shared weights; whole networks come at level 3, from child 5 on"
            in (page.texts["summary"])
        )
        assert "There is nothing to test, since no final training has begun." in page.texts["test"]
        assert pictures(running) == {"accuracy", "prediction", "updates"}

    def test_accuracies_are_said_to_be_on_the_weights_that_they_were_measured_on(self, tmp_path):
        found = {}
        for share_weights in (True, False):
            path = tmp_path / str(share_weights)
            child = ChildConfig(share_weights=share_weights)
            write_report(runs.make_search(path, dataclasses.replace(runs.run_config(), child=child)))
            found[share_weights] = (path / "report.html").read_text()
        assert "on weights of its own" not in found[True]
        assert "on the shared weights" not in found[False]
        # In the first figures, the picture of accuracies, the means by level, the best, and two of the Pareto fronts.
        assert found[True].count("on the shared weights") == found[False].count("on weights of its own") == 6

    def test_search_without_a_child(self, tmp_path):
        write_report(runs.make_search(tmp_path, num_children=0))
        assert "No child has been trained yet." in page_of(tmp_path).texts["search"]
        assert pictures(tmp_path) == set()

    def test_search_whose_children_diverged(self, tmp_path):
        write_report(runs.make_search(tmp_path / "all", num_children=2, fail=(1, 2)))
        page = page_of(tmp_path / "all")
        assert "2 of 12 children so far. 2 of them diverged." in page.texts["summary"]
        assert "Every child so far has diverged" in page.texts["search"]
        write_report(runs.make_search(tmp_path / "one", fail=(2,)))
        page = page_of(tmp_path / "one")
        assert "The search has ended after 12 children. 1 of them diverged." in page.texts["summary"]
        assert "Every child so far has diverged" not in page.texts["search"]

    def test_search_without_predictions_states_and_description(self, tmp_path):
        runs.make_search(tmp_path, num_children=2, data=None)
        shutil.rmtree(tmp_path / "state")
        write_report(tmp_path)
        text = page_of(tmp_path).texts["search"]
        assert "Nothing has been predicted yet" in text
        assert "How often each operation was trained is not known" in text
        assert page_of(tmp_path).texts["summary"].startswith("Architecture search with epnas_tf digits The search")

    def test_costs_of_a_run_without_description(self, tmp_path):
        write_report(runs.make_search(tmp_path, data=None))
        text = page_of(tmp_path).texts["search"]
        assert "They are not known here, since the run did not note the shape of its images." in text

    def test_training_only(self, training_only):
        page = page_of(training_only)
        assert "There is no search in this directory." in page.texts["search"]
        assert "The most frequent mistakes" in page.texts["test"]  # a matrix of 100 classes has no numbers
        assert "no validation images were held out" in page.texts["training"]
        assert str(runs.CELL) in page.texts["summary"]
        assert "1,455 training, 600 test images" in page.texts["summary"]  # no validation images are held out
        assert pictures(training_only) == {"architecture", "loss", "training-accuracy", "learning-rate", "confusion"}

    def test_directory_of_a_training(self, training_only, tmp_path):
        shutil.copytree(training_only / "final", tmp_path / "elsewhere")
        write_report(tmp_path / "elsewhere")
        assert page_of(tmp_path / "elsewhere").texts == page_of(training_only).texts

    def test_candidates_only(self, tmp_path):
        runs.make_search(tmp_path)
        best = runs.best_architectures(tmp_path)
        runs.make_training(tmp_path / "final", None, candidates=[(best[0], 0.8)])
        write_report(tmp_path)
        text = page_of(tmp_path).texts["training"]
        assert "The final training is comparing candidates, 1 so far" in text
        assert "No epoch has ended yet." in text

    def test_no_mistakes(self, tmp_path):
        data = runs.description(class_names=("a", "b"))
        runs.make_training(tmp_path / "final", runs.CELL, data=data, mistakes=0)
        metrics = tmp_path / "final" / "metrics.json"
        assert json.loads(metrics.read_text())["accuracy"] == 1
        write_report(tmp_path)
        assert "There are none: every test image is classified right." in page_of(tmp_path).texts["test"]

    def test_no_predictions(self, macro, tmp_path):
        shutil.copytree(macro, tmp_path / "run")
        (tmp_path / "run" / "final" / "test.npz").unlink()
        write_report(tmp_path / "run")
        assert "There are no images to show" in page_of(tmp_path / "run").texts["test"]


class TestNames:
    def test_are_text(self, hostile):
        page = page_of(hostile)
        assert {"script", "b", "i"}.isdisjoint(tag for tag, _ in page.elements)
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert "<script>alert(1)</script>" in page.texts["test"]
        assert runs.HOSTILE[1] in page.texts["test"]
        assert runs.HOSTILE[2] in page.texts["test"]
        assert "<b onload=x>'\"&amp;\ufffd" in page.texts["summary"]

    def test_control_characters_are_replaced(self, hostile):
        source = (hostile / "report.html").read_text(encoding="utf-8")
        assert "猫 \ufffd\ufffd[31m\ufffd\ufffd" in source
        assert {"\x00", "\x1b", "\u202e"}.isdisjoint(source)


class TestFiles:
    @pytest.mark.parametrize("run", ["macro", "micro", "running", "training_only", "hostile"])
    def test_page_needs_nothing_beside_it(self, run, request):
        page = page_of(request.getfixturevalue(run))
        sources = [a[name] for _, a in page.elements for name in ("src", "href", "xlink:href", "srcset") if name in a]
        assert all(source.startswith(("#", "data:")) for source in sources)
        identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(set(identifiers)) == len(identifiers)
        assert {source[1:] for source in sources if source.startswith("#")} <= set(identifiers)
        assert "default-src 'none'" in page.attributes("meta")[-1]["content"]
        assert not page.attributes("script")

    def test_same_run_same_bytes(self, macro, tmp_path):
        for name in ("one", "two"):
            shutil.copytree(macro, tmp_path / name)
        before = {name: content for name, (_, content) in snapshot(macro).items()}
        assert write_report(tmp_path / "one") == tmp_path / "one" / "report.html"
        assert {name: content for name, (_, content) in snapshot(tmp_path / "one").items()} == before

    def test_changes_nothing_else(self, tmp_path):
        runs.make_search(tmp_path)
        runs.make_training(tmp_path / "final", runs.best_architectures(tmp_path)[0])
        (tmp_path / "state" / "after-000099.npz").write_bytes(b"cut short")  # `load` would remove it
        before = snapshot(tmp_path)
        write_report(tmp_path)
        after = snapshot(tmp_path)
        assert {name: after[name] for name in before} == before
        assert {name.split("/")[0] for name in after.keys() - before.keys()} == {"report.html", "report"}

    def test_beside_a_running_process(self, tmp_path):
        config = runs.run_config()
        runs.make_search(tmp_path, config, num_children=6)
        with RunDirectory(tmp_path, config) as directory:
            with open(directory.path / "trials.jsonl", "ab") as file:
                file.write(b'{"child": 7, "iter')  # the next line, half written
            write_report(tmp_path)
            with pytest.raises(RunDirectoryError, match="Another process"):
                RunDirectory(tmp_path, config)
        assert "6 of 12 children so far" in page_of(tmp_path).texts["summary"]

    def test_picture_that_is_no_more_is_removed(self, tmp_path):
        runs.make_search(tmp_path, num_children=0)
        (tmp_path / "report").mkdir()
        for name in ("accuracy.svg", "mine.svg"):
            (tmp_path / "report" / name).write_text("")
        write_report(tmp_path)
        assert pictures(tmp_path) == {"mine"}


class TestRefusals:
    @pytest.mark.parametrize("made", [None, "directory", "file"])
    def test_no_run(self, tmp_path, made):
        path = tmp_path / "run"
        if made == "directory":
            path.mkdir()
        elif made == "file":
            path.write_text("")
        with pytest.raises(
            RunDirectoryError, match=r"directory of a search or a final training. Received: .*run, which"
        ):
            write_report(path)
        assert path.is_dir() == (made == "directory")
        assert not [file for file in tmp_path.rglob("*") if file != path]

    def test_foreign_config(self, tmp_path):
        (tmp_path / "config.json").write_text('{"name": "something else"}')
        with pytest.raises(RunDirectoryError, match=r"is not the config.json of a run"):
            write_report(tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["config.json"]

    @pytest.mark.parametrize(
        ("file", "content"),
        [
            ("trials.jsonl", "nonsense\n"),
            ("trials.jsonl", "{}\n"),
            ("trials.jsonl", "null\n"),
            ("data.json", "{}"),
            ("architecture.json", "{}"),
            ("final/config.json", "{}"),
            ("final/history.jsonl", '{"epoch": "one"}\n'),
            ("final/candidates.jsonl", "[]\n"),
            ("final/metrics.json", '{"accuracy": 1}'),
            ("final/metrics.json", "[1"),
            ("final/test.npz", "PK no archive"),
            ("final/architecture.json", "null"),
        ],
    )
    def test_broken_file(self, macro, tmp_path, file, content):
        path = tmp_path / "run"
        shutil.copytree(macro, path, ignore=shutil.ignore_patterns("report*"))
        (path / file).write_text(content)
        before = snapshot(path)
        with pytest.raises(RunDirectoryError, match=file.split("/")[-1].replace(".", r"\.")):
            write_report(path)
        assert snapshot(path) == before

    def test_refused_write_leaves_the_report_before(self, macro, tmp_path, monkeypatch):
        path = tmp_path / "run"
        shutil.copytree(macro, path)
        (path / "trials.jsonl").write_text("".join((path / "trials.jsonl").read_text().splitlines(keepends=True)[:8]))
        before = (path / "report.html").read_bytes()

        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(RunDirectoryError, match="No space left on device"):
            write_report(path)
        assert (path / "report.html").read_bytes() == before
        assert not list(path.rglob("*.tmp"))

    def test_file_where_the_pictures_belong(self, tmp_path):
        runs.make_search(tmp_path)
        (tmp_path / "report").write_text("mine")
        with pytest.raises(RunDirectoryError, match="cannot be written"):
            write_report(tmp_path)
        assert not (tmp_path / "report.html").exists()
        assert (tmp_path / "report").read_text() == "mine"


def test_page_is_well_formed(macro):
    source = (macro / "report.html").read_text(encoding="utf-8")
    assert source.startswith("<!DOCTYPE html>")
    headings = [int(tag[1]) for tag, _ in Page(source).elements if tag in ("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))
