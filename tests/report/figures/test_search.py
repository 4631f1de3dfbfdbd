import dataclasses
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from epnas_tf.report.figures import search as search_figures
from epnas_tf.report.figures.drawing import drawing, percent_axis, plot
from epnas_tf.report.figures.svg import HREF, SVG
from epnas_tf.report.search_files import read_search
from epnas_tf.space import STAGED_OPERATIONS, definition_of_space
from tests.report import runs


@pytest.fixture(scope="module")
def search(macro):
    return read_search(macro)


def texts(picture):
    return [element.text for element in ElementTree.fromstring(picture.svg).iter(f"{{{SVG}}}text")]


def markers(picture):
    return len([element for element in ElementTree.fromstring(picture.svg).iter(f"{{{SVG}}}use") if element.get(HREF)])


def test_accuracy_has_a_dot_for_every_child(search):
    with drawing():
        whole = search_figures.accuracy_picture(search)
        fewer = search_figures.accuracy_picture(dataclasses.replace(search, trials=search.trials[:-2], best=None))
    assert whole.alt.startswith("Validation accuracy of 11 children, from ")
    assert markers(whole) > markers(fewer)
    assert {"level", "1", "2", "3", "iteration 1", "τ = 4", "iteration 2", "τ = 1"} <= set(texts(whole))
    assert "layers" in whole.caption


def test_the_temperature_is_shown_only_where_it_counts(search):
    rule = dataclasses.replace(search.config.search, sampling="thompson")
    with drawing():
        shown = search_figures.accuracy_picture(
            dataclasses.replace(search, config=dataclasses.replace(search.config, search=rule))
        )
    assert {"iteration 1", "iteration 2"} <= set(texts(shown))
    assert "τ" not in " ".join([*texts(shown), shown.caption])


def test_no_child_no_picture(search):
    empty = dataclasses.replace(search, trials=(), updates=None)
    with drawing():
        assert search_figures.accuracy_picture(empty) is None
        assert search_figures.prediction_picture(empty) is None
        assert search_figures.updates_picture(empty) is None


def test_alike_scores_can_be_drawn(search):
    trials = tuple(dataclasses.replace(trial, score=0.5, predicted=0.5) for trial in search.trials[:1])
    one = dataclasses.replace(search, trials=trials)
    with drawing():
        assert "1 child" in search_figures.accuracy_picture(one).alt
        assert "1 child" in search_figures.prediction_picture(one).alt


def test_many_iterations_are_not_all_named(search):
    trials = tuple(dataclasses.replace(search.trials[0], child=i, iteration=i, score=0.5) for i in range(1, 31))
    with drawing():
        shown = texts(search_figures.accuracy_picture(dataclasses.replace(search, trials=trials)))
    assert len([text for text in shown if text.startswith("τ")]) < 8


def test_macro_updates_are_those_of_the_store(search):
    rows, names, counts = search_figures.updates_by_place(search.updates, definition_of_space("macro"))
    assert rows == ["layer 1", "layer 2", "layer 3"]
    assert names == ["max_pool_3x3", "conv_3x3"]
    expected = [
        [
            runs.STEPS
            * sum(len(a.layers) > i and a.layers[i].operation == n for a in (t.architecture for t in search.completed))
            for n in names
        ]
        for i in range(3)
    ]
    np.testing.assert_array_equal(counts, expected)


def test_micro_updates_are_summed_over_cells():
    updates = {
        ("cell", 1, "block", 1, "left", "identity"): 5,
        ("cell", 2, "block", 1, "left", "identity"): 5,
        ("cell", 3, "block", 1, "left", "identity", "halving"): 7,
        ("cell", 3, "block", 1, "right", "conv_3x3"): 2,
        ("cell", 3, "block", 1, "sum"): 99,
        ("cell", 3, "input", -1, "block", 1): 99,
        ("cell", 3, "input", -1, "sources"): 99,
        ("stem",): 99,
    }
    rows, names, counts = search_figures.updates_by_place(updates, definition_of_space("micro"))
    assert (rows, names) == (["block 1 left", "block 1 right"], ["conv_3x3", "identity"])
    np.testing.assert_array_equal(counts, [[0, 17], [2, 0]])


def test_micro_updates_of_a_real_store(micro):
    search = read_search(micro)
    rows, names, counts = search_figures.updates_by_place(search.updates, definition_of_space("micro"))
    assert rows == ["block 1 left", "block 1 right", "block 2 left", "block 2 right"]
    assert names == ["max_pool_3x3", "conv_3x3"]
    assert counts.sum(axis=1).min() > 0
    with drawing():
        assert "summed over the cells" in search_figures.updates_picture(search).caption


def test_heat_map_shows_its_counts():
    with drawing():
        drawn = search_figures.heat_map("updates", ["layer 1"], ["conv_3x3", "mine"], np.array([[1500, 0]]), "", "")
    assert texts(drawn) == ["conv", "3×3", "layer 1", "1.50k", "mine"]


def test_heat_map_of_many_operations_shows_their_short_names():
    names = list(STAGED_OPERATIONS[:9])
    with drawing():
        drawn = search_figures.heat_map("updates", ["stage 1 block 1"], names, np.zeros((1, 9), int), "", "")
    assert texts(drawn) == ["–", "stage 1 block 1", "R½", "R", "R2", "I33", "I36", "I53", "I56", "I33s"]


def test_no_label_of_an_accuracy_lies_above_100_percent():
    figure, axes = plot(100)
    axes.set_ylim(0.7, 1.2)  # room for a text
    percent_axis(axes.yaxis)
    figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "100 %" in labels
    assert all(not label or float(label.removesuffix(" %")) <= 100 for label in labels)
