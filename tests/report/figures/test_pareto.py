import dataclasses

import pytest

from epnas_tf.cost.network_cost import cost
from epnas_tf.report.figures import pareto
from epnas_tf.report.figures.drawing import drawing
from epnas_tf.report.search_files import read_search
from epnas_tf.space import NetworkShape, build_graph


@pytest.fixture(scope="module")
def search(macro):
    return read_search(macro)


def size(search, trial, measure):
    shape = NetworkShape(search.description.image_shape, 10, search.config.network.channels, search.depth)
    return getattr(cost(build_graph(trial.architecture, shape), shape.image_shape), measure)


@pytest.mark.parametrize("measure", list(pareto.MEASURES))
def test_nothing_beats_what_is_on_the_front(search, measure):
    whole = search.best_trials()
    on_front = [trial for _, trial in pareto.front(pareto.sized(search), measure)]
    assert on_front
    for trial in whole:
        beaten = any(
            size(search, other, measure) <= size(search, trial, measure) and other.score > trial.score
            for other in whole
        )
        assert not (beaten and trial in on_front)
    assert max(trial.score for trial in whole) == on_front[-1].score


def test_pictures_and_rows(search):
    with drawing():
        pictures = pareto.front_pictures(search)
    assert [picture.name for picture in pictures] == ["front-parameters", "front-multiply-adds"]
    number = len(search.best_trials())
    assert f"of {number} architectures" in pictures[0].alt
    found = pareto.all_fronts(search)
    children = {trial.child for m in pareto.MEASURES for _, trial in pareto.front(pareto.sized(search), m)}
    assert {trial.child for _, trial in found} == children
    assert [cost.parameters for cost, _ in found] == sorted(cost.parameters for cost, _ in found)


def test_a_single_architecture_has_no_picture(search):
    one = dataclasses.replace(search, trials=tuple(t for t in search.trials if t == search.best_trials()[0]))
    with drawing():
        assert pareto.front_pictures(one) == []


def test_sizes_that_are_not_known_have_no_front(search):
    unknown = dataclasses.replace(search, description=None)
    with drawing():
        assert pareto.front_pictures(unknown) == []
    assert pareto.all_fronts(unknown) == []
