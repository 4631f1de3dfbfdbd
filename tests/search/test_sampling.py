import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from epnas_tf.config import SearchConfig
from epnas_tf.errors import SearchError
from epnas_tf.search import sampling

FALSE_ALARM = 1e-6
"""Chance that a chi-square test below fails although the sampling is right; fixed seeds draw it only once."""


def split(log_scores, *sizes):
    """Cuts log scores into chunks of the given sizes, gone through again and again."""
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(log_scores):
            return
        yield start, log_scores[start : start + size]
        start += size


def choose(log_scores, k, rule="probability", temperature=1.0, seed=0, sizes=(1000,)):
    rng = np.random.default_rng(seed)
    return sampling.choose(split(np.asarray(log_scores), *sizes), k, rule, temperature, rng)


class TestTemperature:
    def test_geometric_falls_by_equal_ratios(self):
        config = SearchConfig(iterations=3, initial_temperature=4.0, final_temperature=1.0)
        assert [sampling.temperature(config, t) for t in range(3)] == [4.0, pytest.approx(2.0), 1.0]

    def test_linear_falls_by_equal_steps(self):
        config = SearchConfig(
            iterations=4, initial_temperature=4.0, final_temperature=1.0, temperature_schedule="linear"
        )
        assert [sampling.temperature(config, t) for t in range(4)] == pytest.approx([4, 3, 2, 1])

    @pytest.mark.parametrize("schedule", ["geometric", "linear"])
    def test_ends_are_exact_and_a_single_iteration_has_the_final_one(self, schedule):
        config = SearchConfig(initial_temperature=3.7, final_temperature=0.3, temperature_schedule=schedule)
        assert sampling.temperature(config, 0) == 3.7
        assert sampling.temperature(config, config.iterations - 1) == 0.3
        assert sampling.temperature(dataclasses.replace(config, iterations=1), 0) == 0.3

    @pytest.mark.parametrize("iteration", [-1, 3])
    def test_refuses_other_iterations(self, iteration):
        with pytest.raises(ValueError, match=f"Received: iteration={iteration}"):
            sampling.temperature(SearchConfig(iterations=3), iteration)


class TestProbability:
    scores = np.array([0.9, 0.05, 0.4, 0.6, 0.2])

    @pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
    def test_first_draw_has_the_papers_probability(self, temperature):
        draws = 20_000
        # One candidate set after the other out of one generator: the noise of the draws is independent.
        rng = np.random.default_rng(1)
        chunk = [(0, np.log(self.scores))]
        first = [sampling.choose(chunk, 1, "probability", temperature, rng)[0][0] for _ in range(draws)]
        p = self.scores / self.scores.sum()
        expected = p ** (1 / temperature) / np.sum(p ** (1 / temperature))
        counts = np.bincount(first, minlength=len(p))
        assert stats.chisquare(counts, draws * expected).pvalue > FALSE_ALARM

    def test_ordered_pairs_are_drawn_without_replacement(self):
        draws, temperature = 30_000, 2.0
        rng = np.random.default_rng(2)
        chunk = [(0, np.log(self.scores))]
        pairs = [tuple(sampling.choose(chunk, 2, "probability", temperature, rng)[0]) for _ in range(draws)]
        weights = self.scores ** (1 / temperature)
        total = weights.sum()
        exact = {
            (i, j): weights[i] / total * weights[j] / (total - weights[i])
            for i, j in itertools.permutations(range(len(weights)), 2)
        }
        assert sum(exact.values()) == pytest.approx(1)
        counts = [pairs.count(pair) for pair in exact]
        assert stats.chisquare(counts, draws * np.array(list(exact.values()))).pvalue > FALSE_ALARM

    def test_a_common_factor_of_the_scores_changes_nothing(self):
        log_scores = np.log(np.random.default_rng(0).random(500))
        assert choose(log_scores, 20)[0].tolist() == choose(log_scores - 3, 20)[0].tolist()

    def test_low_temperature_becomes_greedy_without_overflow(self):
        log_scores = np.log(np.linspace(1e-30, 1, 400))
        chosen, log_chosen = choose(log_scores, 5, temperature=1e-6)
        assert chosen.tolist() == [399, 398, 397, 396, 395]
        assert np.isfinite(log_chosen).all()

    def test_tiny_scores_do_not_underflow(self):
        scores = np.full(100, 1e-30)
        scores[7] = 1e-28  # at τ = 0.01 it is 10^200 times as likely as the others, of probability 10^-3000
        with np.errstate(all="raise"):
            assert choose(np.log(scores), 3, temperature=0.01)[0][0] == 7

    def test_high_temperature_becomes_uniform(self):
        log_scores = np.log(np.linspace(0.01, 1, 300))
        uniform = choose(log_scores, 10, "uniform")[0]
        assert choose(log_scores, 10, temperature=1e9)[0].tolist() == uniform.tolist()

    def test_seed_decides(self):
        log_scores = np.zeros(1000)
        assert choose(log_scores, 10, seed=3)[0].tolist() == choose(log_scores, 10, seed=3)[0].tolist()
        assert choose(log_scores, 10, seed=3)[0].tolist() != choose(log_scores, 10, seed=4)[0].tolist()


class TestGreedyAndUniform:
    def test_greedy_equals_argsort(self):
        log_scores = np.log(np.random.default_rng(0).random(5000)).astype(np.float32)
        chosen, log_chosen = choose(log_scores, 50, "greedy", sizes=(512,))
        assert chosen.tolist() == np.argsort(-log_scores)[:50].tolist()
        assert log_chosen.tolist() == log_scores[chosen].tolist()

    def test_greedy_ties_go_to_the_lower_index(self):
        log_scores = np.array([-1, 0, -1, 0, -1, 0, -1, 0], float)
        for sizes in [(8,), (3,), (1,)]:
            assert choose(log_scores, 6, "greedy", sizes=sizes)[0].tolist() == [1, 3, 5, 7, 0, 2]

    def test_greedy_draws_nothing(self):
        rng = np.random.default_rng(0)
        sampling.choose([(0, np.zeros(10))], 3, "greedy", 1.0, rng)
        assert rng.random() == np.random.default_rng(0).random()

    def test_uniform_takes_no_notice_of_the_scores(self):
        draws, rng = 20_000, np.random.default_rng(5)
        chunk = [(0, np.log([1e-20, 0.5, 1.0, 1.0]))]
        counts = np.bincount(np.concatenate([sampling.choose(chunk, 1, "uniform", 1.0, rng)[0] for _ in range(draws)]))
        assert stats.chisquare(counts).pvalue > FALSE_ALARM


class TestStream:
    @pytest.mark.parametrize("rule", sampling.RULES)
    @pytest.mark.parametrize("k", [1, 25, 400])
    def test_choice_does_not_depend_on_the_chunks(self, rule, k):
        log_scores = np.round(np.log(np.random.default_rng(0).random(3001)), 1)  # many ties
        whole = choose(log_scores, k, rule, sizes=(5000,))
        for sizes in [(1,), (7, 100), (1000,)]:
            for one, other in zip(whole, choose(log_scores, k, rule, sizes=sizes), strict=True):
                np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("rule", sampling.RULES)
    def test_more_than_there_are_gives_all_of_them(self, rule):
        chosen, log_scores = choose(np.log([0.1, 0.2, 0.3]), 10, rule, sizes=(2,))
        assert sorted(chosen) == [0, 1, 2]
        assert chosen.dtype == np.int64
        assert log_scores.dtype == np.float64

    def test_no_candidates_give_none(self):
        assert choose([], 3)[0].size == 0

    @pytest.mark.parametrize("rule", ["probability", "greedy"])
    def test_a_score_of_zero_is_taken_only_if_nothing_else_is_left(self, rule):
        log_scores = np.array([-np.inf, -900, -np.inf, -800, -np.inf])
        assert sorted(choose(log_scores, 2, rule, sizes=(2,))[0]) == [1, 3]
        assert choose(log_scores, 4, rule, sizes=(2,))[0].tolist()[2:] == [0, 2]

    def test_memory_is_a_chunk_and_k(self):
        import tracemalloc

        tracemalloc.start()
        sampling.choose(sampling.uniform_chunks(2_000_000, 10_000), 25, "uniform", 1.0, np.random.default_rng(0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000  # bytes; the whole stream would be 16 million

    def test_uniform_chunks_cover_all(self):
        assert [(offset, chunk.size) for offset, chunk in sampling.uniform_chunks(25, 10)] == [
            (0, 10),
            (10, 10),
            (20, 5),
        ]

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_refuses_what_is_no_score(self, bad):
        with pytest.raises(SearchError, match=f"Received: {bad} for candidate 3"):
            choose([0, 0, 0, bad, 0], 2, sizes=(2,))

    def test_refuses_gaps(self):
        with pytest.raises(ValueError, match=r"starts at candidate 2.*Received: offset=3"):
            sampling.choose([(0, np.zeros(2)), (3, np.zeros(2))], 1, "greedy", 1.0, np.random.default_rng(0))

    @pytest.mark.parametrize(
        ("k", "rule", "temperature", "received"),
        [(0, "greedy", 1.0, "k=0"), (1, "best", 1.0, "rule='best'"), (1, "greedy", 0.0, "temperature=0.0")],
    )
    def test_refuses_bad_arguments(self, k, rule, temperature, received):
        with pytest.raises(ValueError, match=f"Received: {received}"):
            choose([0.0], k, rule, temperature)


class TestInTurns:
    def chosen(self, scores, k, size=3, **options):
        """Chooses from chunks of so many candidates."""
        scores = np.asarray(scores, float)
        starts = range(0, scores.shape[1], size)
        flat, values = sampling.choose_in_turns([(s, scores[:, s : s + size]) for s in starts], k, **options)
        return flat.tolist(), values.tolist()

    def test_each_draw_takes_its_best_that_is_left(self):
        scores = [[5, 4, 3, 2, 1, 0, 0], [5, 0, 1, 2, 3, 4, 0]]
        assert self.chosen(scores, 4) == ([0, 5, 1, 4], [5, 4, 4, 3])

    def test_a_single_draw_is_greedy(self):
        scores = np.random.default_rng(0).normal(size=(1, 50))
        greedy, _ = sampling.choose([(0, scores[0])], 7, "greedy", 1.0, np.random.default_rng(0))
        assert self.chosen(scores, 7)[0] == greedy.tolist()

    @pytest.mark.parametrize("size", [1, 4, 100])
    def test_chunks_do_not_matter(self, size):
        scores = np.random.default_rng(1).normal(size=(5, 60))
        assert self.chosen(scores, 12, size) == self.chosen(scores, 12, 60)

    def test_fewer_candidates_than_k_are_all(self):
        assert sorted(self.chosen([[1, 2, 3], [3, 2, 1]], 10)[0]) == [0, 1, 2]

    def test_only_what_is_allowed(self):
        allowed = np.array([False, True, True, False, True])
        flat, _ = self.chosen(
            [[9, 1, 2, 8, 0], [9, 0, 1, 8, 5]], 5, allowed=lambda start, n: allowed[start : start + n]
        )
        assert flat == [2, 4, 1]

    def test_refuses_what_is_no_score_and_no_k(self):
        with pytest.raises(SearchError, match=r"diverged.*Received: NaN from candidate 3"):
            self.chosen([[1, 2, 3, np.nan]], 2)
        with pytest.raises(ValueError, match="Received: k=0"):
            self.chosen([[1, 2]], 0)


@pytest.mark.parametrize(("iterations", "expected"), [(1, [0.7]), (3, [0.7, 0.7, 0])])
def test_exploration_ends_before_the_last_of_several_iterations(iterations, expected):
    config = SearchConfig(iterations=iterations, exploration=0.7)
    assert [sampling.exploration(config, iteration) for iteration in range(iterations)] == expected


@pytest.mark.parametrize(
    ("rounds", "count", "settings", "expected"),
    [
        (7, 25, {}, [0, 0, 0, 0, 25, 12, 6]),
        (7, 25, {"halving_rounds": 2}, [0, 0, 0, 0, 0, 25, 12]),
        (3, 5, {}, [0, 0, 5]),  # at most half of the rounds
        (6, 2, {}, [0, 0, 0, 2, 1, 1]),
        (1, 25, {}, [0]),
        (2, 25, {"halving_rounds": 0}, [0, 0]),
    ],
)
def test_fewer_and_fewer_of_the_best_are_trained_again(rounds, count, settings, expected):
    config = SearchConfig(**settings)
    assert [sampling.trained_again(config, number, rounds, count) for number in range(1, rounds + 1)] == expected
