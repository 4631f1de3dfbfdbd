import itertools
import json
import math
import random

import numpy as np
import pytest

from epnas_tf.config import SearchConfig, SurrogateConfig
from epnas_tf.errors import ConfigError, SearchError, StateError
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.search.table import Measurement, ScoreTable, from_arrays, to_arrays
from epnas_tf.space import MacroSpace, MicroSpace
from tests.space.chain_space import ChainSpace

SMALL = SurrogateConfig(ensemble=2, hidden_units=6, input_units=6, surrogate_steps=5, surrogate_batch_size=16)


def make(space=None, seed=0, surrogate_config=SMALL, **settings):
    config = SearchConfig(**{"k": 4, "iterations": 2, **settings})
    return ProgressiveSearch(space or ChainSpace(layers=3), config, surrogate_config, seed)


def score(candidate):
    """A score that favours the last choice in every layer, and drifts with the trials as shared weights make it."""
    digits = [int(digit) for digit in candidate.architecture]
    return 0.4 + 0.2 * sum(digits) / len(digits) + 0.001 * (candidate.number % 7)


def run(search, evaluate=score):
    """Runs a search to its end, one child at a time; returns the candidates."""
    candidates = []
    while not search.finished:
        candidates.append(search.ask())
        search.tell(candidates[-1], evaluate(candidates[-1]))
    assert search.ask() is None
    return candidates


def by_level(candidates):
    return {key: list(group) for key, group in itertools.groupby(candidates, lambda c: (c.iteration, c.level))}


def through_json(values):
    return json.loads(json.dumps(values, allow_nan=False))


def same_state(one, other):
    assert one[0] == other[0]
    assert set(one[1]) == set(other[1])
    for name, array in one[1].items():
        np.testing.assert_array_equal(array, other[1][name])


@pytest.fixture(scope="module")
def finished():
    """A finished search and its candidates."""
    search = make()
    return search, run(search)


class TestCourse:
    def test_children_of_each_level(self, finished):
        search, candidates = finished
        sizes = {key: len(group) for key, group in by_level(candidates).items()}
        assert sizes == {(i, level): size for i in (0, 1) for level, size in [(1, 3), (2, 4), (3, 4)]}
        assert [c.number for c in candidates] == list(range(22))
        assert search.num_children == search.num_told == 22
        assert search.ask() is None

    def test_what_comes_next_is_known_within_a_level(self):
        search, candidates, upcoming = make(iterations=1), [], []
        while not search.finished:
            candidates.append(search.ask())
            upcoming.append(search.upcoming)
            search.tell(candidates[-1], score(candidates[-1]))
        expected = [c.architecture for c in candidates[1:]] + [None]
        for last in (2, 6):  # of level 1 and of level 2: it is for the scores to say what follows
            expected[last] = None
        assert upcoming == expected

    def test_level_one_is_exhaustive(self, finished):
        groups = by_level(finished[1])
        for iteration in (0, 1):
            assert sorted(c.architecture for c in groups[iteration, 1]) == ["0", "1", "2"]

    def test_every_candidate_extends_one_of_the_level_before_in_the_same_iteration(self, finished):
        groups = by_level(finished[1])
        for (iteration, level), group in groups.items():
            if level > 1:
                parents = {c.architecture for c in groups[iteration, level - 1]}
                assert all(c.architecture[:-1] in parents for c in group)

    def test_a_level_has_no_architecture_twice(self, finished):
        for group in by_level(finished[1]).values():
            assert len({c.architecture for c in group}) == len(group)

    def test_predictions_begin_with_the_first_fit(self, finished):
        for candidate in finished[1]:
            if candidate.iteration == 0 and candidate.level == 1:
                assert candidate.predicted is None
            else:
                assert -0.1 <= candidate.predicted <= 1.1  # a sum may lie a little outside

    def test_temperature_is_that_of_the_iteration(self, finished):
        assert {(c.iteration, c.temperature) for c in finished[1]} == {(0, 4.0), (1, 1.0)}

    def test_best_is_the_newest_score_of_the_deepest_level(self):
        search = make(reported="score", sampling="probability")
        candidates = run(search)
        newest = {c.architecture: score(c) for c in candidates if c.level == 3}
        assert search.best == (max(newest, key=newest.get), max(newest.values()))

    def test_surrogate_is_fitted_after_each_level(self, finished):
        assert finished[0].surrogate.num_fits == 6

    def test_of_the_paper_is_not_fitted_after_the_very_last_level(self):
        search = make(reported="score")
        run(search)
        assert search.surrogate.num_fits == 5

    @pytest.mark.parametrize("space", [MacroSpace(3), MicroSpace(2)], ids=lambda space: space.name)
    @pytest.mark.parametrize("sampling", ["probability", "uniform"])
    def test_runs_on_the_papers_spaces(self, space, sampling):
        search = make(space, k=5, iterations=1, sampling=sampling)
        candidates = run(search, lambda c: (c.number % 10) / 10)
        assert len(candidates) == space.num_extensions(1) + 5 * (space.num_levels - 1)
        for candidate in candidates:
            space.validate(candidate.architecture)
        assert all(c.predicted is not None for c in candidates if c.level > 1)

    def test_more_than_there_are_gives_all_of_them(self):
        search = make(ChainSpace(layers=3, choices="01"), k=7, iterations=1)
        assert search.num_children == 2 + 4 + 7
        groups = by_level(run(search))
        assert sorted(c.architecture for c in groups[0, 2]) == ["00", "01", "10", "11"]
        assert len(groups[0, 3]) == 7

    def test_single_level(self):
        search = make(ChainSpace(layers=1), iterations=2, shuffle=False)
        assert [c.architecture for c in run(search)] == list("012012")

    def test_the_order_within_a_level_is_random_and_follows_from_the_seed(self):
        runs = [by_level(run(make(ChainSpace(layers=1), iterations=6, seed=seed))) for seed in (0, 0, 1)]
        orders = [[tuple(c.architecture for c in group) for group in groups.values()] for groups in runs]
        assert orders[0] == orders[1] != orders[2]  # two seeds agree with a chance of 6^-6
        assert len(set(orders[0])) > 1  # six random orders of three are all the same with a chance of 6^-5
        assert {tuple(sorted(order)) for order in orders[0]} == {("0", "1", "2")}

    def test_greedy_finds_the_top_of_a_separable_function(self):
        space = ChainSpace(layers=4)
        surrogate_config = SurrogateConfig(hidden_units=20, input_units=20, surrogate_steps=100)
        search = make(space, k=8, iterations=2, sampling="greedy", surrogate_config=surrogate_config)
        values = np.random.default_rng(0).permuted(np.tile([0.1, 0.5, 0.9], (4, 1)), axis=1)

        def value(architecture):
            return float(np.mean([values[layer, int(choice)] for layer, choice in enumerate(architecture)]))

        run(search, lambda c: value(c.architecture))
        every = ["".join(choices) for choices in itertools.product("012", repeat=4)]
        assert search.best == (max(every, key=value), pytest.approx(0.9))


class TestThompson:
    def test_tries_what_no_score_speaks_of(self):
        """Level 1 says nothing of the choices of level 2: over 8 seeds each of them is among the two chosen."""
        chosen = set()
        for seed in range(8):
            search = make(ChainSpace(layers=2), k=2, seed=seed)
            for _ in range(3):
                search.tell(search.ask(), 0.1 * (1 + search.num_told))
            chosen |= {candidate.architecture[-1] for candidate in iter(search.ask, None)}
        assert chosen == {"0", "1", "2"}

    def test_is_greedy_without_exploration_and_in_the_last_iteration(self):
        runs = {
            name: run(make(seed=3, shuffle=False, **settings))
            for name, settings in (
                ("greedy", {"sampling": "greedy"}),
                ("none", {"exploration": 0.0}),
                ("some", {"exploration": 1.0}),
            )
        }
        architectures = {name: [c.architecture for c in candidates] for name, candidates in runs.items()}
        assert architectures["none"] == architectures["greedy"]
        assert architectures["some"] != architectures["greedy"]
        last = [c for c in runs["some"] if c.iteration == 1 and c.level > 1]
        for group in by_level(last).values():
            predicted = [c.predicted for c in group]
            assert predicted == sorted(predicted, reverse=True)

    def test_needs_the_additive_model(self):
        with pytest.raises(ConfigError, match=r"`additive` must be true.*Received: sampling='thompson'"):
            make(surrogate_config=SurrogateConfig(additive=False))


class TestSeeds:
    def test_the_same_seed_gives_the_same_search(self, finished):
        assert run(make()) == finished[1]

    def test_another_seed_gives_another_one(self, finished):
        seeds = [run(make(seed=seed, sampling="probability")) for seed in (0, 1)]
        assert [c.architecture for c in seeds[0]] != [c.architecture for c in seeds[1]]


class TestParallel:
    @pytest.mark.parametrize("shuffle_seed", [0, 1])
    def test_many_outstanding_and_told_in_any_order_equal_one_after_the_other(self, finished, shuffle_seed):
        search, order, candidates = make(), random.Random(shuffle_seed), []
        while not search.finished:
            outstanding = list(iter(search.ask, None))
            assert search.ask() is None
            candidates += outstanding
            for candidate in order.sample(outstanding, len(outstanding)):
                search.tell(candidate.number, score(candidate))
        assert search.ask() is None
        assert candidates == finished[1]
        same_state(search.get_state(), finished[0].get_state())

    def test_waits_only_at_the_end_of_a_level(self):
        search = make()
        first, second, third = search.ask(), search.ask(), search.ask()
        search.tell(second, 0.5)
        search.tell(third, 0.5)
        assert search.ask() is None
        assert not search.finished
        search.tell(first, 0.5)
        assert search.ask().level == 2


class TestTell:
    def test_refuses_what_is_not_outstanding(self):
        search = make()
        with pytest.raises(ValueError, match="Received: 0"):
            search.tell(0, 0.5)
        search.tell(search.ask(), 0.5)
        for number in (0, 1, -1, 99):
            with pytest.raises(ValueError, match=f"asked for. Received: {number}"):
                search.tell(number, 0.5)

    @pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf])
    def test_refuses_what_is_no_accuracy_and_stays_outstanding(self, bad):
        search = make()
        candidate = search.ask()
        with pytest.raises(ValueError, match=r"in \[0, 1\].*Received: score="):
            search.tell(candidate, bad)
        search.tell(candidate, 1.0)
        assert search.num_told == 1


class TestFailures:
    def test_a_failed_child_is_no_parent_and_no_row(self):
        search = make(k=100, iterations=1)
        assert search.num_children == 3 + 9 + 27
        candidates = run(search, lambda c: None if c.architecture in ("1", "20") else score(c))
        groups = by_level(candidates)
        assert {c.architecture[0] for c in groups[0, 2]} == {"0", "2"}
        assert {c.architecture[:2] for c in groups[0, 3]} == {"00", "01", "02", "21", "22"}
        assert search.num_children == search.num_told == len(candidates) == 3 + 6 + 15
        assert len(search.get_state()[1]["table/numbers"]) == 24 - 2

    def test_number_of_children_shrinks_with_each_failure(self):
        search = make(ChainSpace(layers=2), k=100, iterations=2)
        assert search.num_children == 2 * (3 + 9)
        search.tell(search.ask(), None)
        assert search.num_children == (3 + 6) + (3 + 9)

    def test_a_failure_leaves_the_score_of_an_earlier_iteration(self):
        search = make(ChainSpace(layers=1), reported="score")
        run(search, lambda c: 0.5 if c.iteration == 0 else (None if c.architecture == "0" else 0.2))
        assert search.best == ("0", 0.5)

    @pytest.mark.parametrize("reported", ["score", "estimate"])
    def test_a_score_that_comes_late_is_ranked(self, reported):
        search = make(ChainSpace(layers=1), iterations=1, reported=reported)
        first, late, last = [search.ask() for _ in range(3)]
        search.tell(first, 0.5)
        search.tell(last, 0.6)
        assert search.best == (last.architecture, 0.6)
        search.tell(late, 0.9)
        assert search.best == (late.architecture, 0.9)

    def test_a_level_without_survivors_ends_the_search(self):
        search = make()
        for _ in range(2):
            search.tell(search.ask(), None)
        with pytest.raises(SearchError, match=r"level 1 in iteration 1 failed.*lower learning rate.*Received: 3"):
            search.tell(search.ask(), None)
        other = make()
        other.set_state(*search.get_state())
        with pytest.raises(SearchError, match="level 1 in iteration 1 failed"):
            other.ask()


class TestState:
    def test_saved_at_any_moment_it_ends_like_an_unbroken_search(self):
        """After each ask and each tell, with up to two candidates out; the other search is dirty from the last time."""
        space = ChainSpace(layers=3, choices="01")
        unbroken, other = make(space, k=2), make(space, k=2, seed=0)
        expected = run(make(space, k=2))
        moments = 0

        def check():
            nonlocal moments
            moments += 1
            values, arrays = unbroken.get_state()
            other.set_state(through_json(values), arrays)
            same_state(other.get_state(), (values, arrays))
            told = expected[: values["first_number"]]
            told = told + [expected[values["first_number"] + position] for position, _ in values["scores"]]
            assert run(other) == [c for c in expected if c not in told]
            same_state(other.get_state(), final)

        final_search = make(space, k=2)
        run(final_search)
        final = final_search.get_state()
        check()
        while not unbroken.finished:
            outstanding = []
            while len(outstanding) < 2 and (candidate := unbroken.ask()):
                outstanding.append(candidate)
                check()
            for candidate in reversed(outstanding):
                unbroken.tell(candidate, score(candidate))
                check()
        assert moments == 1 + 2 * len(expected)

    def test_a_fresh_search_takes_it(self, finished):
        search = make()
        for _ in range(5):
            search.tell(search.ask(), 0.5 if search.num_told else None)
        search.ask()
        fresh = make(seed=0)
        fresh.set_state(*search.get_state())
        for each in (search, fresh):
            each.tell(5, 0.25)  # was out when the state was saved: may be told without asking again
        candidate = fresh.ask()
        assert candidate.number == 6
        assert candidate == search.ask()

    def test_an_ask_that_was_interrupted_after_the_fit_does_not_fit_again(self, finished, monkeypatch):
        search = make()
        for _ in range(3):
            candidate = search.ask()
            search.tell(candidate, score(candidate))

        def interrupt(parents):
            raise KeyboardInterrupt

        monkeypatch.setattr(search, "_choose", interrupt)
        with pytest.raises(KeyboardInterrupt):
            search.ask()
        fresh = make()
        fresh.set_state(*search.get_state())
        assert run(fresh) == finished[1][3:]

    def test_is_small_and_plain(self, finished):
        values, arrays = finished[0].get_state()
        assert through_json(values) == values
        assert len(json.dumps(values)) < 3000
        assert all(array.dtype.kind in "fi" for array in arrays.values())

    def test_refuses_another_space(self, finished):
        with pytest.raises(StateError, match=r"must be of the space.*Received: space=.*chain"):
            make(ChainSpace(layers=4)).set_state(*finished[0].get_state())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": 99}, "must have format 2. Received: format=99"),
            ({"iteration": 2}, "must be of a search of 2 iterations"),
            ({"chosen": [["x"]]}, "broken"),
            ({"chosen": [[0, 0, 7]]}, "broken"),
            ({"scores": [[50, 0.5]]}, "contradicts itself"),
            ({"predicted": []}, "contradicts itself"),
            ({"chosen": [[0]] * 4}, "contradicts itself"),
        ],
    )
    def test_refuses_broken_values_and_changes_nothing(self, finished, change, message):
        search, _ = finished
        values, arrays = search.get_state()
        with pytest.raises(StateError, match=message):
            search.set_state({**values, **change}, arrays)
        same_state(search.get_state(), (values, arrays))

    def test_refuses_missing_values(self, finished):
        values, arrays = finished[0].get_state()
        for key in ("chosen", "scores"):
            with pytest.raises(StateError, match=f"KeyError.*{key}"):
                make().set_state({name: value for name, value in values.items() if name != key}, arrays)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"table/scores": None}, "scores"),
            ({"table/numbers": np.arange(3)}, "shorter"),
            ({"table/indices": np.full((22, 3), 9)}, "extensions 0 to 2"),
        ],
    )
    def test_refuses_a_broken_table_and_changes_nothing(self, change, message):
        search = make()
        run(search)
        values, arrays = search.get_state()
        broken = {name: array for name, array in {**arrays, **change}.items() if array is not None}
        with pytest.raises(StateError, match=f"saved table.*{message}"):
            search.set_state(values, broken)
        same_state(search.get_state(), (values, arrays))

    def test_refuses_other_sizes_of_the_surrogate(self, finished):
        with pytest.raises(StateError, match="surrogate"):
            make(surrogate_config=SurrogateConfig(hidden_units=7)).set_state(*finished[0].get_state())


class TestRankCorrelation:
    def test_is_that_of_the_last_completed_level(self):
        search = make(iterations=1)
        for candidate in iter(search.ask, None):
            search.tell(candidate, score(candidate))
            if candidate.level == 1:
                assert search.rank_correlation is None  # nothing was predicted
        level = list(iter(search.ask, None))
        assert search.finished
        assert not level
        assert -1 <= search.rank_correlation <= 1

    def test_of_perfect_predictions(self):
        search = make(ChainSpace(layers=2), iterations=1)
        run(search, lambda c: 0.1 * int(c.architecture) if c.predicted is None else c.predicted)
        assert search.rank_correlation == pytest.approx(1)


class TestTable:
    def table(self, *measurements):
        table = ScoreTable()
        for measurement in measurements:
            table.record(Measurement(*measurement))
        return table

    def test_keeps_all_scores_of_a_repeated_architecture_or_the_newest(self):
        rows = [((0,), 0, 0, 0.9), ((1,), 1, 0, 0.8), ((0,), 2, 1, 0.1)]
        table = self.table(*rows)
        assert len(table) == 2
        assert table.measurements("all") == rows
        assert table.measurements("newest") == rows[1:]

    def test_orders_by_trial_in_any_order_of_telling(self):
        rows = [((0,), 3, 0, 0.5), ((1,), 5, 0, 0.5)]
        assert self.table(*reversed(rows)).measurements() == rows
        assert self.table(*reversed(rows)).at_level(1) == [rows[:1], rows[1:]]
        assert self.table(*rows).at_level(2) == []

    def test_round_trip_through_arrays(self):
        rows = [Measurement((0,), 0, 0, 0.1), Measurement((2, 1, 0), 7, 1, 1 / 3)]
        assert from_arrays(to_arrays(rows, 3), ChainSpace(layers=3)) == rows
        assert from_arrays(to_arrays([], 3), ChainSpace(layers=3)) == []


class TestRanking:
    def test_by_score_ties_go_to_the_earlier_trial(self):
        search = make(ChainSpace(layers=1), reported="score", iterations=1, shuffle=False)
        run(search, lambda c: 0.5)
        assert [(r.architecture, r.number, r.score, r.estimate) for r in search.ranking()] == [
            (str(number), number, 0.5, 0.5) for number in range(3)
        ]

    def test_a_lucky_score_is_not_the_best(self):
        """The additive truth is known by heart after 3 passes; one score of a bad architecture is 0.3 too high."""
        space = ChainSpace(layers=2)
        search = make(space, k=9, iterations=3)
        noise = np.random.default_rng(0)

        def value(candidate):
            lucky = 0.3 if candidate.architecture == "00" and candidate.iteration == 2 else 0.0
            worth = 0.3 + 0.1 * sum(int(choice) for choice in candidate.architecture)
            return worth + lucky + noise.normal(0, 0.02)

        run(search, value)
        ranking = search.ranking()
        assert max(ranking, key=lambda r: r.score).architecture in ("00", "22")
        assert ranking[0].architecture == "22"
        assert search.best == ("22", ranking[0].score)
        lucky = next(r for r in ranking if r.architecture == "00")
        assert lucky.estimate < lucky.score - 0.1

    def test_is_the_same_after_going_on(self, finished):
        search = finished[0]
        other = make()
        other.set_state(*search.get_state())
        assert other.ranking() == search.ranking()


def test_state_of_a_space_with_other_operations_of_the_same_number_is_refused():
    settings = (SearchConfig(k=2, iterations=1), SurrogateConfig(surrogate_steps=1), 0)
    there = ProgressiveSearch(MacroSpace(3, ("conv_3x3", "conv_5x5")), *settings)
    for operations in (("conv_5x5", "conv_3x3"), ("conv_3x3", "max_pool_3x3")):
        now = ProgressiveSearch(MacroSpace(3, operations), *settings)
        with pytest.raises(StateError, match="first_level"):
            now.set_state(*there.get_state())
