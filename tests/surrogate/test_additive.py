import itertools

import numpy as np
import pytest
import scipy.stats

from epnas_tf.space import MacroSpace
from epnas_tf.surrogate.additive import (
    COST_PENALTIES,
    INTERCEPT_PENALTY,
    AdditiveModel,
    iteration_effect_confidence,
    trend_confidence,
)
from epnas_tf.surrogate.symbol_costs import SymbolCosts
from epnas_tf.surrogate.table import Rows, encode_rows
from tests.space.chain_space import ChainSpace

NOTHING = 1e-9
"""A penalty that leaves plain least squares; terms that the data say nothing of are still zero."""


def rows(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return [space.indices(space.sample(rng, int(rng.integers(1, space.num_levels + 1)))) for _ in range(count)]


def at_once(features, levels, scores, iterations):
    """Rows that were all measured at the same time."""
    return Rows(features, levels, scores, iterations, np.zeros(len(levels)))


def fitted(space, *columns, penalty=NOTHING, iterations=3):
    model = AdditiveModel.zero(space.num_levels, space.num_features, iterations)
    return model.fitted(at_once(*columns), penalty)


class TestFit:
    @pytest.mark.parametrize("space", [ChainSpace(layers=4), MacroSpace(3)], ids=lambda space: space.name)
    def test_finds_a_sum_exactly_and_goes_on_beyond_what_it_saw(self, space):
        rng = np.random.default_rng(1)
        kernel, depths = rng.normal(size=(space.num_levels, space.num_features)), rng.normal(size=space.num_levels + 1)

        def truth(features, levels):
            return np.einsum("nlf,lf->n", features, kernel) + depths[levels]

        seen, others = encode_rows(space, rows(space, 300)), encode_rows(space, rows(space, 50, seed=1))
        model = fitted(space, *seen, truth(*seen), np.zeros(300, int))
        np.testing.assert_allclose(model.predict(*others), truth(*others), atol=2e-3)

    def test_minimises_the_penalised_squares(self):
        """Against a general minimiser's condition: the gradient is zero."""
        space, rng = ChainSpace(layers=3), np.random.default_rng(0)
        features, levels = encode_rows(space, rows(space, 30))
        scores, iterations = rng.uniform(size=30), rng.integers(0, 3, 30)
        iterations[levels == 1] = 0  # so that nothing is known of an effect of iterations
        model = fitted(space, features, levels, scores, iterations, penalty=0.3)
        data = at_once(features, levels, scores, iterations)
        residuals = model.adjust_to_latest_iteration(data) - model.predict(features, levels)
        np.testing.assert_allclose(np.einsum("n,nlf->lf", residuals, features), 0.3 * model.kernel, atol=1e-9)
        for number, depth in itertools.product(range(3), range(4)):
            of_both = (iterations >= number) & (levels == depth)
            penalty = 0.3 if number else 0.3 * INTERCEPT_PENALTY
            assert residuals[of_both].sum() == pytest.approx(penalty * model.levels[number, depth], abs=1e-9)

    def test_repeated_rows_are_averaged(self):
        space = ChainSpace(layers=2)
        features, levels = encode_rows(space, [(0, 1), (0, 1), (2, 2)])
        model = fitted(space, features, levels, np.array([0.2, 0.6, 0.9]), np.zeros(3, int))
        np.testing.assert_allclose(model.predict(features, levels), [0.4, 0.4, 0.9], atol=2e-3)


class TestPasses:
    def data(self, iterations):
        """The same architectures in each pass; a pass adds 0.1 to networks of one level, and 0.2 to deeper ones."""
        space = ChainSpace(layers=2)
        architectures = rows(space, 20) * iterations
        iterations = np.repeat(np.arange(iterations), 20)
        features, levels = encode_rows(space, architectures)
        return space, (features, levels, 0.1 * features[:, 0, 1] + 0.3 + 0.1 * levels * iterations, iterations)

    def test_predicts_for_the_newest(self):
        space, data = self.data(2)
        model = fitted(space, *data)
        np.testing.assert_allclose(model.predict(*data[:2])[:20], data[2][20:], atol=2e-3)

    def test_a_pass_without_scores_is_like_the_last(self):
        space, data = self.data(2)
        before, model = fitted(space, *data, iterations=2), fitted(space, *data, iterations=5)
        np.testing.assert_allclose(model.predict(*data[:2]), before.predict(*data[:2]), atol=2e-3)

    def test_scores_of_earlier_ones_are_brought_up(self):
        space, data = self.data(3)
        model = fitted(space, *data)
        adjusted = model.adjust_to_latest_iteration(at_once(*data))
        np.testing.assert_allclose(adjusted, np.tile(data[2][40:], 3), atol=2e-3)


class TestIterationEffect:
    def rows(self, *iterations):
        """The scores of the three architectures of level 1 in each pass."""
        features = np.tile(np.eye(3, dtype=np.float32)[:, np.newaxis], (len(iterations), 1, 1))
        numbers = np.repeat(np.arange(len(iterations)), 3)
        return at_once(features, np.ones(3 * len(iterations), int), np.concatenate(iterations), numbers)

    def test_equal_scores_are_none_and_a_common_change_is_one(self):
        first = np.array([0.3, 0.5, 0.6])
        np.testing.assert_allclose(iteration_effect_confidence(self.rows(first, first, first + 0.1), 4), [1, 0, 1, 1])

    def test_is_between_them_where_it_may_be_noise(self):
        first, noise = np.array([0.3, 0.5, 0.6]), np.array([0.03, -0.02, 0.01])
        expected = noise.mean() ** 2 / (noise.mean() ** 2 + noise.var(ddof=1) / 3)
        assert iteration_effect_confidence(self.rows(first, first + noise), 2)[1] == pytest.approx(expected)
        assert 0 < expected < 0.3

    def test_unknown_without_level_one(self):
        rows = self.rows(np.full(3, 0.5), np.full(3, 0.5))
        assert iteration_effect_confidence(rows._replace(levels=rows.levels + 1), 2).tolist() == [1, 1]

    def test_better_choices_are_no_better_weights(self):
        """The same scores in both iterations, but for better architectures of level 2 in the second."""
        space = ChainSpace(layers=2)
        first, second = [(0,), (1,), (2,), (0, 0), (1, 0)], [(0,), (1,), (2,), (2, 1), (2, 2)]
        features, levels = encode_rows(space, first + second)
        scores = np.array([0.1 * sum(row) + 0.05 * (sum(row) > 2) for row in first + second])
        data = features, levels, scores, np.repeat([0, 1], 5)
        np.testing.assert_array_equal(
            fitted(space, *data, penalty=0.3).adjust_to_latest_iteration(at_once(*data)), scores
        )


class TestTrend:
    SHAPE = (1, 2)

    def rows(self, scores):
        count = len(scores)
        features, ones = np.zeros((count, 1, 3), np.float32), np.ones(count, int)
        return Rows(features, ones, np.asarray(scores), np.zeros(count, int), np.linspace(-0.5, 0.5, count))

    def test_a_line_is_sure_and_equal_scores_are_none(self):
        assert trend_confidence(self.rows([0.1, 0.2, 0.3, 0.4, 0.5]), self.SHAPE)[0].tolist() == pytest.approx([0, 1])
        assert not trend_confidence(self.rows([0.3] * 5), self.SHAPE).any()

    def test_is_between_them_where_it_may_be_noise(self):
        scores = np.array([0.1, 0.4, 0.2, 0.5, 0.3, 0.7])
        line = scipy.stats.linregress(np.linspace(-0.5, 0.5, 6), scores)
        expected = 1 - line.stderr**2 / line.slope**2
        assert trend_confidence(self.rows(scores), self.SHAPE)[0, 1] == pytest.approx(expected)
        assert 0 < expected < 1

    def test_a_slope_within_its_error_and_too_few_scores_count_as_none(self):
        assert not trend_confidence(self.rows([0.4, 0.1, 0.5, 0.2]), self.SHAPE).any()
        assert not trend_confidence(self.rows([0.1, 0.2, 0.3]), self.SHAPE).any()

    def test_what_weights_learn_during_a_level_is_no_merit_of_the_later_architectures(self):
        """Four architectures in random order, four times; each child finds the weights 0.02 better."""
        space, rng = ChainSpace(layers=2), np.random.default_rng(0)
        architectures = [(first, second) for first in (0, 1) for second in (0, 1)] * 4
        architectures = [architectures[index] for index in rng.permutation(16)]
        features, levels = encode_rows(space, architectures)
        places = np.linspace(-0.5, 0.5, 16)
        scores = 0.5 + 0.1 * features[:, 0, 1] + 0.3 * places
        measured = Rows(features, levels, scores, np.zeros(16, int), places)
        model = AdditiveModel.zero(2, 3, 1).fitted(measured, penalty=0.01)
        np.testing.assert_allclose(model.adjust_to_latest_iteration(measured), scores - 0.3 * places, atol=0.01)
        blind = AdditiveModel.zero(2, 3, 1).fitted(measured._replace(positions=np.zeros(16)), penalty=0.01)
        off = [abs(one.kernel[1, 1] - one.kernel[1, 0]) for one in (model, blind)]  # level 2 is worth nothing
        assert off[0] < off[1] / 3


class TestDraws:
    def draws(self, noise, count=4000):
        space = ChainSpace(layers=2)
        features, levels = encode_rows(space, [(a, b) for a in range(2) for b in range(2)] * 5)
        scores = features[:, 0, 1] + noise * np.random.default_rng(1).normal(size=20)
        rows = at_once(features, levels, scores, np.zeros(20, int))
        model = AdditiveModel.zero(2, 3, 1).fitted(rows, 0.3)
        return model, model.draws(rows, 0.3, count, np.random.default_rng(0))

    def test_lie_around_the_fit(self):
        model, draws = self.draws(noise=0.1)
        assert draws.shape == (4000, 2, 3)
        deviations = draws.std(axis=0)
        # six means, each with a standard error of its deviation / sqrt(4000): five of them
        assert (np.abs(draws.mean(axis=0) - model.kernel) < 5 * deviations / np.sqrt(4000)).all()

    def test_lie_farther_where_less_is_known(self):
        """The third choice has no score: its terms have the prior's deviation, that of the noise / sqrt(0.3)."""
        _, draws = self.draws(noise=0.1)
        deviations = draws.std(axis=0)
        # The noise's deviation by hand, without the model: four groups of five scores each, 16 degrees of freedom; the
        # model has 17. 4,000 draws say it to 1 %.
        noise = 0.1 * np.random.default_rng(1).normal(size=(5, 4))
        estimate = np.sqrt(((noise - noise.mean(axis=0)) ** 2).sum() / 16)
        np.testing.assert_allclose(deviations[:, 2], estimate / np.sqrt(0.3), rtol=0.08)
        assert (deviations[:, 2] > 1.3 * deviations[:, :2].max()).all()
        ratio = deviations[:, 2] / deviations[0, 2]
        np.testing.assert_allclose(ratio, 1, atol=0.1)

    def test_scores_without_noise_leave_little_open(self):
        assert self.draws(noise=0.001)[1].std(axis=0).max() < self.draws(noise=0.1)[1].std(axis=0).max() / 2


class TestCosts:
    """Scores of 5 random whole networks of four layers, with a choice that costs 0, 1 or 2 at each."""

    SPACE = ChainSpace(layers=4)
    COSTS = SymbolCosts.of_space(SPACE, lambda a: np.array([float(sum(ChainSpace(layers=4).indices(a)))]), scaled=True)

    def measured(self, worth, count=5, noise=0.01):
        """Networks, scored by what their choices are worth, float [4, 3]."""
        rng = np.random.default_rng(3)
        features, levels = encode_rows(self.SPACE, [tuple(rng.integers(3, size=4).tolist()) for _ in range(count)])
        scores = 0.5 + np.einsum("nlf,lf->n", features, worth) + noise * rng.normal(size=count)
        return at_once(features, levels, scores, np.zeros(count, int))

    def error(self, worth, costs, count=5):
        """The mean error of the predictions for all 81 networks, less their mean."""
        model = AdditiveModel.zero(4, 3, 1).fitted(self.measured(worth, count), 1.0, costs)
        features, levels = encode_rows(self.SPACE, list(np.ndindex(3, 3, 3, 3)))
        truth, found = np.einsum("nlf,lf->n", features, worth), model.predict(features, levels)
        return np.abs(truth - truth.mean() - found + found.mean()).mean()

    def test_few_scores_suffice_where_scores_follow_costs(self):
        worth = np.tile([0.0, 0.1, 0.2], (4, 1))
        assert self.error(worth, self.COSTS) < 0.6 * self.error(worth, None)  # measured: 0.47

    def test_they_do_little_harm_where_scores_do_not(self):
        worth = np.tile([0.1, 0.0, 0.1], (4, 1))  # on average nothing by cost
        assert self.error(worth, self.COSTS, count=40) < 1.1 * self.error(worth, None, count=40)

    def test_the_fit_is_the_mean_of_the_regressions_by_their_evidence(self):
        """Against the density of the scores, with the noise's variance at its likeliest value, written out."""
        rows = self.measured(np.tile([0.0, 0.1, 0.15], (4, 1)), count=20, noise=0.05)
        differences = rows.scores - rows.scores.mean()
        of_costs, logs, predictions = self.COSTS.of_rows(rows), [], []
        of_level = np.full((20, 1), INTERCEPT_PENALTY**-0.5)
        columns = np.concatenate([rows.features.reshape(20, -1), of_level], axis=1)
        for factor in COST_PENALTIES:
            prior = (of_costs @ of_costs.T / factor + columns @ columns.T) / 0.3
            noise = differences @ np.linalg.solve(prior + np.eye(20), differences) / 20
            normal = scipy.stats.multivariate_normal(cov=noise * (prior + np.eye(20)))
            logs.append(normal.logpdf(differences))
            predictions.append(rows.scores.mean() + prior @ np.linalg.solve(prior + np.eye(20), differences))
        weights = np.exp(np.array(logs) - max(logs))
        model = AdditiveModel.zero(4, 3, 1).fitted(rows, 0.3, self.COSTS)
        found = model.predict(rows.features, rows.levels)
        np.testing.assert_allclose(found, weights @ np.array(predictions) / weights.sum(), atol=1e-9)

    def test_draws_lie_around_the_fit_and_spread_along_the_costs(self):
        rows = self.measured(np.tile([0.0, 0.1, 0.2], (4, 1)), count=30, noise=0.1)
        model = AdditiveModel.zero(4, 3, 1).fitted(rows, 0.3, self.COSTS)
        draws = model.draws(rows, 0.3, 4000, np.random.default_rng(0), self.COSTS)
        deviations = draws.std(axis=0)
        assert (
            np.abs(draws.mean(axis=0) - model.kernel) < 5 * deviations / np.sqrt(4000)
        ).all()  # five standard errors
        assert (deviations > 0).all()
