import itertools

import numpy as np
import pytest

from epnas_tf.config import SearchConfig, SurrogateConfig
from epnas_tf.search.level_choice import Budget, LevelChoice
from epnas_tf.search.lookahead import MAX_EXTENSIONS, STEPS, some_extensions, worth_of_room
from epnas_tf.space import MacroSpace
from epnas_tf.surrogate.additive_surrogate import AdditiveSurrogate
from epnas_tf.surrogate.table import Measurement, to_rows
from tests.space.chain_space import ChainSpace


def test_it_is_the_best_of_all_affordable_combinations():
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=(3, choices)) for choices in (4, 3, 5)]
    parts = [np.append(0, rng.integers(1, 60, choices - 1)) / STEPS for choices in (4, 3, 5)]
    found = worth_of_room(scores, parts)
    assert found.shape == (3, STEPS + 1)
    for draw, room in itertools.product(range(3), (0, 1, 17, 50, 99, STEPS)):
        affordable = [
            sum(adds[draw, index] for adds, index in zip(scores, chosen, strict=True))
            for chosen in np.ndindex(4, 3, 5)
            if sum(takes[index] for takes, index in zip(parts, chosen, strict=True)) <= room / STEPS + 1e-9
        ]
        np.testing.assert_allclose(found[draw, room], max(affordable))


def test_without_further_levels_room_is_worth_nothing():
    np.testing.assert_array_equal(worth_of_room([], []), np.zeros((1, STEPS + 1)))


def test_of_very_many_extensions_some_are_looked_at():
    deep = MacroSpace(layers=15, operations=("conv_3x3", "max_pool_3x3"))
    assert len(some_extensions(deep, 1)) == 2
    many = some_extensions(deep, 15)
    assert len(many) <= MAX_EXTENSIONS < deep.num_extensions(15)
    assert many.max() < deep.num_extensions(15)
    assert {deep.extension(15, index).operation for index in many.tolist()} == {"conv_3x3", "max_pool_3x3"}


class Half(Budget):
    """A limit that one of two expensive choices keeps: choice 1 of layer 2, or choice 2 of layer 3."""

    PARTS = np.array([[0.0, 0.0, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 0.6]])

    def room(self, parents, level):
        taken = [[sum(self.PARTS[n, i] for n, i in enumerate((*p, e))) for p in parents] for e in range(3)]
        return lambda start, count: (1 - np.reshape(taken, [-1, 1]))[start : start + count]

    def parts(self, level, indices):
        return self.PARTS[level - 1, indices][:, np.newaxis]


class Blind:
    """The same limit, without a word on what is left."""

    def __init__(self):
        self.allowed = Half().allowed


@pytest.mark.parametrize(("limit", "expected"), [(Blind(), 1), (Half(), 0)], ids=["blind", "looks ahead"])
def test_room_is_kept_for_what_is_worth_more_later(limit, expected):
    """Layer 2's choice 1 adds 0.1, layer 3's choice 2 adds 0.2, and 0 is a little better than the remaining one."""
    space = ChainSpace(layers=3)
    measured = [
        Measurement(
            indices, number, 0, 0.3 + 0.1 * (indices[1] == 1) + 0.2 * (indices[2] == 2) - 0.02 * (indices[1] == 2)
        )
        for number, indices in enumerate(np.ndindex(3, 3, 3))
    ]
    surrogate = AdditiveSurrogate(space.num_features, 3, SurrogateConfig())
    surrogate.fit(to_rows(space, measured), np.random.default_rng(0))
    choice = LevelChoice(space, surrogate, SearchConfig(k=1, exploration=0.0), limit)
    (chosen,) = choice.choose([(0,)], 0, measured, np.random.default_rng(0))
    assert chosen == (0, expected)
