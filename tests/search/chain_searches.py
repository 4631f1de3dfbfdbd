"""Small searches of a space of one's own, by scores that a formula gives."""

import itertools
import json

import numpy as np

from epnas_tf.config import SearchConfig, SurrogateConfig
from epnas_tf.search.progressive import ProgressiveSearch
from tests.space.chain_space import ChainSpace

LSTM = SurrogateConfig(
    additive=False, cost_terms=False, hidden_units=6, input_units=6, surrogate_steps=5, surrogate_batch_size=16
)


def make(space=None, seed=0, surrogate_config=SurrogateConfig(), **settings):
    config = SearchConfig(**{"k": 4, "iterations": 2, "whole_iterations": 0, "halving_rounds": 0, **settings})
    return ProgressiveSearch(space or ChainSpace(layers=3), config, surrogate_config, seed)


def score(candidate):
    """A score that favours the last choice in every layer, and drifts with the trials as shared weights make it."""
    digits = [int(digit) for digit in candidate.architecture]
    return 0.4 + 0.2 * sum(digits) / len(digits) + 0.001 * (candidate.number % 7)


def run(search, evaluate=score):
    """Runs a search to its end, one child at a time; returns the candidates."""
    candidates = []
    while search.advance():
        candidates += search.ask()
        search.tell(candidates[-1], evaluate(candidates[-1]))
    assert search.finished
    assert search.ask() == []
    return candidates


def interrupted(*arguments, **named):
    raise KeyboardInterrupt


def by_level(candidates):
    return {key: list(group) for key, group in itertools.groupby(candidates, lambda c: (c.iteration, c.level))}


def through_json(values):
    return json.loads(json.dumps(values, allow_nan=False))


def same_state(one, other):
    assert one[0] == other[0]
    assert set(one[1]) == set(other[1])
    for name, array in one[1].items():
        np.testing.assert_array_equal(array, other[1][name])
