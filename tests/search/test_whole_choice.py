import collections
import itertools
import zlib

import numpy as np
import pytest

from epnas_tf.config import SearchConfig
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.search.whole_choice import NEAREST, by_local_search
from epnas_tf.space import MacroSpace
from tests.search.chain_searches import make, run, same_state, score, through_json
from tests.space.chain_space import ChainSpace


class TestLocalSearch:
    """Chains of five symbols, with the sum of the symbols as the score of the only draw."""

    SPACE = ChainSpace(5)

    def choose(self, starts, count, measured=(), keeps=None):
        def scores(architectures):
            return np.array([[float(sum(indices)) for indices in architectures]])

        return by_local_search(self.SPACE, scores, starts, count, set(measured), keeps)

    def test_a_step_changes_one_level_and_there_are_two(self):
        assert self.choose([(0, 0, 0, 0, 0)], 1)[0] in set(itertools.permutations((2, 2, 0, 0, 0)))

    def test_the_best_are_chosen_each_once(self):
        chosen = self.choose([(2, 2, 2, 2, 1)], 6)
        assert chosen[0] == (2, 2, 2, 2, 2)
        assert len(set(chosen)) == 6
        assert [sum(indices) for indices in chosen[1:]] == [9] * 5

    def test_measured_ones_are_chosen_only_if_nothing_else_is_left(self):
        best = (2, 2, 2, 2, 2)
        assert best not in self.choose([best], 3, measured=[best])
        assert self.choose([best], 1, measured=list(itertools.product(range(3), repeat=5))) == [best]

    def test_what_breaks_the_constraint_is_not_chosen(self):
        chosen = self.choose(
            [(0, 0, 0, 0, 0)], 4, keeps=lambda found: np.array([sum(indices) <= 2 for indices in found])
        )
        assert max(map(sum, chosen)) == 2

    def test_where_the_constraint_leaves_too_few_all_of_them_are_chosen(self):
        chosen = self.choose(
            [(0, 0, 0, 0, 0)], 50, keeps=lambda found: np.array([sum(indices) <= 1 for indices in found])
        )
        assert sorted(map(sum, chosen)) == [0, 1, 1, 1, 1, 1]

    def test_measured_ones_do_not_hide_what_lies_behind_them(self):
        every = list(itertools.product(range(3), repeat=5))
        chosen = self.choose([(2, 2, 2, 2, 2)], 4, measured=[indices for indices in every if sum(indices) > 2])
        assert sorted(map(sum, chosen)) == [2] * 4

    def test_of_many_extensions_the_nearest_are_tried(self):
        space = MacroSpace(layers=9)
        start = (0,) * 9
        found = by_local_search(space, lambda a: np.zeros((1, len(a))), [start], 5000, set(), None)
        of_last = {indices[-1] for indices in found if indices[:-1] == start[:-1]}
        assert space.num_extensions(9) > NEAREST
        near = space.encode(9, np.array([0])) != space.encode(9, np.array(sorted(of_last - {0})))
        assert near.sum(axis=1).min() == 1  # one skip connection


class TestWholeIterations:
    def test_they_train_whole_networks_after_the_first_level(self):
        search = make(whole_iterations=1, k=4, iterations=3)
        expected = search.num_children
        left, candidates = [], []
        while search.advance():
            left.append(sum(search.remaining_levels.values()))
            candidates += search.ask()
            search.tell(candidates[-1], score(candidates[-1]))
        assert len(candidates) == expected == search.num_children
        assert left == list(range(expected, 0, -1))
        depths = [[c.level for c in candidates if c.iteration == number] for number in range(3)]
        assert depths == [[1] * 3 + [2] * 4 + [3] * 4] * 2 + [[1] * 3 + [3] * 8]
        assert all(c.level == len(c.architecture) for c in candidates)

    def test_they_train_what_was_not_measured_yet(self):
        candidates = run(make(ChainSpace(layers=4), whole_iterations=1, k=4, iterations=2))
        whole = [c.architecture for c in candidates if c.level == 4]
        assert len(set(whole)) == len(whole) == 4 + 12

    def test_their_last_rounds_train_the_best_again_where_scores_are_noisy(self):
        def noisy(candidate):
            return score(candidate) + 0.1 * np.random.default_rng(candidate.number).random()

        search = make(ChainSpace(layers=5), whole_iterations=1, halving_rounds=3, k=5, iterations=2)
        best, trained = {}, collections.defaultdict(list)
        while search.advance():
            (candidate,) = search.ask()
            best.setdefault((search.iteration, search.level), [one.architecture for one in search.ranking()])
            trained[search.iteration, search.level].append(candidate.architecture)
            search.tell(candidate, noisy(candidate))
        first, second = best[1, 5][:2]
        assert collections.Counter(trained[1, 4]) == collections.Counter(best[1, 4][:5])
        assert collections.Counter(trained[1, 5]) == {first: 3, second: 2}
        assert not {*trained[1, 2], *trained[1, 3]} & set(best[1, 2])  # the rounds before, none of iteration 1

    def test_without_noise_nothing_is_trained_again(self):
        def exact(candidate):
            return 0.4 + 0.01 * sum(place * int(digit) for place, digit in enumerate(candidate.architecture, 1))

        search = make(ChainSpace(layers=5), whole_iterations=1, halving_rounds=3, k=12, iterations=2)
        whole = [c.architecture for c in run(search, exact) if c.level == 5]
        assert len(set(whole)) == len(whole) == 12 + 9 + 3 * 12  # level 2 has nine candidates

    def test_they_find_the_best_of_scores_without_a_rule(self):
        """Of 243 chains with scores that no sum of terms explains, 9 and 36 whole ones are trained in each search.

        Drawn by chance, 45 have one of the best three in 46 % of searches, in all five of them in 2 %.
        """

        def value(candidate):
            bumps = [int(a == b) for a, b in itertools.pairwise(candidate.architecture)]
            noise = zlib.crc32(candidate.architecture.encode()) % 100 / 1e4
            return 0.5 + 0.08 * sum(bumps) + noise

        space = ChainSpace(layers=5)
        every = sorted(
            ("".join(symbols) for symbols in itertools.product("012", repeat=5)),
            key=lambda text: sum(a == b for a, b in itertools.pairwise(text)),
        )
        best = set(every[-3:])  # one symbol throughout
        for seed in range(5):
            search = make(space, seed=seed, whole_iterations=1, k=9, iterations=2)
            run(search, value)
            assert search.ranking()[0].architecture in best

    @pytest.mark.parametrize("settings", [{"sampling": "greedy"}, {"iterations": 1}], ids=str)
    def test_other_rules_and_a_single_iteration_have_none(self, settings):
        depths = [c.level for c in run(make(whole_iterations=5, **settings))]
        assert depths == ([1] * 3 + [2] * 4 + [3] * 4) * settings.get("iterations", 2)

    def test_saved_at_any_moment_it_ends_like_an_unbroken_search(self):
        space, settings = ChainSpace(layers=3), {"k": 3, "whole_iterations": 1, "halving_rounds": 1}
        unbroken, other = make(space, **settings), make(space, **settings)
        expected = run(make(space, **settings))
        while unbroken.advance():
            values, arrays = unbroken.get_state()
            other.set_state(through_json(values), arrays)
            same_state(other.get_state(), (values, arrays))
            assert run(other) == expected[unbroken.num_told :]
            (candidate,) = unbroken.ask()
            unbroken.tell(candidate, score(candidate))

    def test_failed_children_stop_nothing(self):
        search = make(whole_iterations=1)
        while search.advance():
            (candidate,) = search.ask()
            failed = candidate.iteration == 1 and candidate.level == 3
            search.tell(candidate, None if failed else score(candidate))
        assert search.finished
        assert len(search.ranking()) == 4

    def test_a_limit_is_kept(self):
        class FewTwos:
            """A constraint: at most two of the symbols are twos."""

            def allowed(self, parents, level):
                def allowed(start, count):
                    flat = range(start, start + count)
                    whole = [(*parents[index % len(parents)], index // len(parents)) for index in flat]
                    return np.array([indices.count(2) <= 2 for indices in whole])

                return allowed

        space = ChainSpace(layers=4)
        search = ProgressiveSearch(space, SearchConfig(k=5, iterations=2), seed=0, constraint=FewTwos())
        whole = [c.architecture for c in run(search) if c.level == 4]
        assert len(whole) == 5 + 15
        assert max(text.count("2") for text in whole) == 2
