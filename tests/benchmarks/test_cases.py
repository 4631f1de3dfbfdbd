"""What networks are drawn, and what a search of them has to train, score and compute."""

import pytest

from benchmarks.cases import (
    Case,
    Figures,
    Point,
    candidates_of_levels,
    children_of_levels,
    mean_cost,
    num_children,
    search_seconds,
    spread_levels,
)
from epnas_tf.config import SearchConfig
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import MacroSpace, MicroSpace


@pytest.mark.parametrize(("space", "children"), [(MacroSpace(12), 843), (MicroSpace(5), 615), (MacroSpace(1), 18)])
def test_children_are_those_of_the_search(space, children):
    assert num_children(space, 25, 3) == ProgressiveSearch(space, SearchConfig(k=25, iterations=3)).num_children
    assert num_children(space, 25, 3) == children


def test_k_larger_than_what_there_is():
    assert children_of_levels(MacroSpace(3), 100) == [6, 72, 100]
    assert candidates_of_levels(MacroSpace(3), 100) == [6 * 12, 72 * 24]


def test_candidates_of_level_12():
    assert candidates_of_levels(MacroSpace(12), 25)[-1] == 307_200


def test_levels_stand_for_all_children():
    assert spread_levels(MicroSpace(5), 25, 41) == [1] * 21 + [2] * 5 + [3] * 5 + [4] * 5 + [5] * 5
    assert spread_levels(MacroSpace(12), 25, 1) == [7]


def test_more_channels_cost_more():
    small, large = (mean_cost(Case("macro", 4, channels, image_shape=(8, 8, 1)), 5, 8) for channels in (4, 8))
    assert small.parameters < large.parameters
    assert small.multiply_adds < large.multiply_adds


def test_seconds_of_a_search():
    point = Point("a search", Case("macro", 2, 4), images=900, k=2, iterations=3)
    figures = Figures(train=0.1, evaluate=0.05, beside=1.0, choice=10.0, state=0)
    # 8 children an iteration; 3 epochs of 9 steps, and a validation of 100 images.
    assert search_seconds(point, figures, 100) == pytest.approx(3 * 8 * (27 * 0.1 + 0.05 + 1.0) + 3 * 10.0)


def test_what_is_sampled_depends_on_the_seed_alone():
    case = Case("micro", 2, 8, image_shape=(8, 8, 1))
    assert len(case.architectures(3)) == 3
    assert case.architectures(3, seed=5) == case.architectures(3, seed=5) != case.architectures(3, seed=6)


def test_a_case_says_what_is_measured():
    assert str(Case("micro", 2, 8, image_shape=(8, 8, 1))) == "micro 2 blocks N = 2, C = 8, 8×8×1"
