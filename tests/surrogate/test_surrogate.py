import dataclasses
import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from epnas_tf.config import PAPER_SURROGATE, SurrogateConfig
from epnas_tf.errors import SearchError, StateError
from epnas_tf.space import MacroSpace, MicroSpace
from epnas_tf.surrogate import lstm_graphs, lstm_surrogate
from epnas_tf.surrogate.additive_surrogate import AdditiveSurrogate
from epnas_tf.surrogate.lstm_surrogate import LSTMSurrogate
from epnas_tf.surrogate.surrogate import score_candidates
from epnas_tf.surrogate.table import Rows, encode_rows
from tests.bin import runs
from tests.space.chain_space import ChainSpace

SIZES = {"hidden_units": 12, "input_units": 10, "surrogate_steps": 30, "surrogate_batch_size": 16}
OURS = SurrogateConfig()
PAPERS = dataclasses.replace(PAPER_SURROGATE, **SIZES)
SEVERAL = dataclasses.replace(PAPERS, ensemble=3, refit=True)
EACH = pytest.mark.parametrize("config", [PAPERS, SEVERAL, OURS], ids=["paper", "several", "ours"])

TOLERANCE = 2e-5
"""Absolute, on log scores: the two ways add the same float32 products of some 100 terms in another order (about 1e-6 on
a logit of order one), and XLA's exponential and TensorFlow's differ in the last bits."""


def make(space, config=PAPERS, seed=0):
    sizes = (space.num_features, space.num_levels, config)
    return AdditiveSurrogate(*sizes, iterations=2) if config.additive else LSTMSurrogate(*sizes, seed)


def table(space, rows, scores, passes=0):
    scores = np.asarray(scores, np.float32)
    passes = np.broadcast_to(np.int32(passes), scores.shape)
    return Rows(*encode_rows(space, rows), scores, passes, np.zeros(len(rows), np.float32))


def scores_of(scorer, space, level, parents, **options):
    """Those of all candidates of a level, in their order."""
    chunks = score_candidates(scorer, space, level, parents, **options)
    return np.concatenate([chunk for _, chunk in chunks], axis=-1)


def log_scores(model, space, level, parents):
    return scores_of(model.log_scorer(*encode_rows(space, parents)), space, level, len(parents))


def random_rows(space, num_rows, seed=0, level=None):
    """Random architectures, of random levels unless one is given, as indices."""
    rng = np.random.default_rng(seed)
    levels = [level or int(rng.integers(1, space.num_levels + 1)) for _ in range(num_rows)]
    return [tuple(int(rng.integers(space.num_extensions(l))) for l in range(1, depth + 1)) for depth in levels]


def separable_scores(rows):
    return np.array([0.5 + 0.4 * np.mean([index - 1 for index in row]) for row in rows], np.float32)


def keras_twin(model):
    """The same surrogate out of Keras's own layers, with a mask in place of levels."""
    shape, weights = model._shape, model._weights
    features, mask = keras.Input(shape), keras.Input((shape[0],), dtype="bool")
    layers = [
        keras.layers.Dense(weights.input_kernel.shape[2]),
        keras.layers.LSTM(weights.output_kernel.shape[1]),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    hidden = layers[1](layers[0](features), mask=mask)
    twin = keras.Model([features, mask], layers[2](hidden)[:, 0])
    values = iter(weights)
    for layer in layers:
        layer.set_weights([next(values).numpy().reshape(own.shape) for own in layer.weights])
    return twin


def masks(levels, num_levels):
    return np.arange(num_levels)[np.newaxis] < levels[:, np.newaxis]


@pytest.fixture(scope="module")
def chain():
    """A space, a surrogate of it that was fitted, and its data."""
    space = ChainSpace(layers=5)
    rows = random_rows(space, 60)
    data = table(space, rows, separable_scores(rows))
    model = make(space)
    model.fit(data, np.random.default_rng(0))
    return space, model, data


class TestWeights:
    def test_linear_kernels_are_uniform_and_biases_zero(self):
        weights = lstm_surrogate.first_weights(MacroSpace(12).num_features, PAPER_SURROGATE, (0,))
        for kernel, bias in [(weights.input_kernel, weights.input_bias), (weights.output_kernel, weights.output_bias)]:
            assert np.abs(kernel).max() <= 1
            assert kernel.std() == pytest.approx(1 / np.sqrt(3), abs=0.08)  # 4 sigma for the 100 of the output kernel
            assert not bias.any()
        assert weights.lstm_bias.tolist() == [[[0] * 100 + [1] * 100 + [0] * 200]]

    @pytest.mark.parametrize("floatx", ["float32", "bfloat16"])
    def test_are_those_of_keras_layers(self, floatx):
        seeds = [int(seed) for seed in np.random.SeedSequence((7,)).generate_state(4)]
        uniform = keras.initializers.RandomUniform
        first = keras.layers.Dense(6, kernel_initializer=uniform(-1.0, 1.0, seed=seeds[0]))
        cell = keras.layers.LSTMCell(
            8,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seeds[1]),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seeds[2]),
        )
        last = keras.layers.Dense(1, kernel_initializer=uniform(-1.0, 1.0, seed=seeds[3]))
        for layer, size in ((first, 5), (cell, 6), (last, 8)):
            layer.build((None, size))
        keras.config.set_floatx(floatx)
        try:
            weights = lstm_surrogate.first_weights(5, SurrogateConfig(input_units=6, hidden_units=8), (7,))
        finally:
            keras.config.set_floatx("float32")
        for ours, variable in zip(weights, [*first.weights, *cell.weights, *last.weights], strict=True):
            np.testing.assert_array_equal(ours[0], np.atleast_2d(variable.numpy()))
            assert ours.dtype == np.float32

    def test_members_are_different(self):
        weights = lstm_surrogate.first_weights(5, SurrogateConfig(ensemble=3), (0,))
        for kernel in (weights.input_kernel, weights.lstm_kernel, weights.lstm_recurrent_kernel, weights.output_kernel):
            assert (kernel[0] != kernel[1]).mean() > 0.9
            assert (kernel[1] != kernel[2]).mean() > 0.9

    def test_seed_decides(self):
        space = ChainSpace()
        states = [make(space, seed=seed).get_state() for seed in (3, 3, 4)]
        for name, array in states[0].items():
            np.testing.assert_array_equal(array, states[1][name])
        assert (states[0]["surrogate/input_kernel"] != states[2]["surrogate/input_kernel"]).all()

    def test_stays_float32_under_a_policy_of_mixed_precision(self):
        keras.config.set_dtype_policy("mixed_float16")
        try:
            space = ChainSpace(layers=2)
            scores = make(space).predict(*encode_rows(space, random_rows(space, 4)))
        finally:
            keras.config.set_dtype_policy("float32")
        assert scores.dtype == np.float32


class TestAgainstKeras:
    @pytest.mark.parametrize("space", [MacroSpace(4), MicroSpace(3)], ids=lambda space: space.name)
    def test_predictions_equal_keras(self, space):
        model = make(space)
        features, levels = encode_rows(space, random_rows(space, 50))
        expected = keras_twin(model).predict([features, masks(levels, space.num_levels)], verbose=0)
        np.testing.assert_allclose(model.predict(features, levels), expected, atol=1e-6)

    @pytest.mark.parametrize("steps", [1, 4])
    def test_training_equals_keras(self, steps):
        space = MicroSpace(2)
        config = dataclasses.replace(
            PAPERS, surrogate_steps=steps, surrogate_batch_size=64, surrogate_learning_rate=1e-3
        )
        model = make(space, config)
        model.num_fits = 1  # the first fit would centre the predictions
        rows = random_rows(space, 20)
        features, levels = encode_rows(space, rows)
        scores = np.linspace(0.2, 0.8, len(rows)).astype(np.float32)
        twin = keras_twin(model)
        before = [variable.numpy() for variable in twin.trainable_variables]
        twin.compile(keras.optimizers.Adam(1e-3), "mean_absolute_error")
        for _ in range(steps):
            twin.train_on_batch([features, masks(levels, space.num_levels)], scores)
        model.fit(table(space, rows, scores), np.random.default_rng(0))
        for start, found, expected in zip(before, model._weights, twin.trainable_variables, strict=True):
            # Adam divides by the gradient's size, so rounding shows most where a gradient is nearly 0: hence a bound of
            # 2 % of a step, 1e-3, instead of a relative one.
            np.testing.assert_allclose(found.numpy().reshape(expected.shape), expected.numpy(), atol=2e-5 * steps)
            assert np.abs(expected.numpy() - start).max() > 5e-4


@pytest.fixture(params=[True, False], ids=["compiled", "as it is"])
def graph(request, monkeypatch):
    """Lets candidates be scored by the graph that XLA compiles, or by the other one, whatever their number."""
    monkeypatch.setattr(lstm_graphs, "FEW", 0 if request.param else 2**30)


class TestFactoredScores:
    @pytest.mark.usefixtures("graph")
    @pytest.mark.parametrize(
        ("space", "level"),
        [(MacroSpace(5), level) for level in range(2, 6)] + [(MicroSpace(3), level) for level in (2, 3)],
        ids=lambda value: getattr(value, "name", value),
    )
    @EACH
    def test_equal_whole_sequences(self, space, level, config):
        model = make(space, config)
        known = random_rows(space, 40)
        for seed in range(2):
            model.fit(table(space, known, np.linspace(0.2, 0.7, 40), seed), np.random.default_rng(seed))
        parents = random_rows(space, 7, level=level - 1)
        found = log_scores(model, space, level, parents)
        whole = [(*parent, index) for index in range(space.num_extensions(level)) for parent in parents]
        expected = np.log(model.predict(*encode_rows(space, whole)))
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)

    def test_drawn_scores_are_the_sums_with_other_terms(self):
        space, level = MacroSpace(4), 3
        model = make(space, OURS)
        data = table(space, random_rows(space, 40), np.random.default_rng(0).uniform(0.2, 0.7, 40))
        model.fit(data, np.random.default_rng(0))
        parents = random_rows(space, 7, level=level - 1)
        encoded = encode_rows(space, parents)
        kernels = model.drawn_kernels(data, 3, 1.0, np.random.default_rng(1))
        found = scores_of(model.drawn_scorer(kernels, *encoded), space, level, len(parents))
        whole = [(*parent, index) for index in range(space.num_extensions(level)) for parent in parents]
        features, levels = encode_rows(space, whole)
        expected = model.predict(features, levels) + np.einsum("nlf,clf->cn", features, kernels - model._model.kernel)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        none = model.drawn_kernels(data, 3, 0.0, np.random.default_rng(1))
        np.testing.assert_array_equal(none, np.broadcast_to(model._model.kernel, none.shape))

    @pytest.mark.usefixtures("graph")
    def test_first_level_starts_from_the_zero_state(self, chain):
        space, model, _ = chain
        found = scores_of(model.log_scorer(np.zeros((1, 5, 3), np.float32), np.zeros(1, np.int32)), space, 1, 1)
        expected = np.log(model.predict(*encode_rows(space, [(0,), (1,), (2,)])))
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)

    @pytest.mark.usefixtures("graph")
    @pytest.mark.parametrize("factor", [1.0, 30.0, 1e4])
    def test_hold_for_saturated_gates_and_stay_finite(self, factor):
        space = MacroSpace(3)
        model = make(space)
        state = model.get_state()
        state["surrogate/lstm_kernel"] *= factor
        state["surrogate/output_kernel"] *= factor
        model.set_state(state)
        parents = random_rows(space, 5, level=2)
        found = log_scores(model, space, 3, parents)
        whole = encode_rows(space, [(*parent, i) for i in range(space.num_extensions(3)) for parent in parents])
        expected = tf.math.log_sigmoid(model.outputs(*whole)[0]).numpy()
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected, atol=TOLERANCE * factor, rtol=1e-5)

    @pytest.mark.usefixtures("graph")
    @EACH
    def test_chunks_follow_one_another_and_encode_each_extension_once(self, config, monkeypatch):
        space = MacroSpace(4)
        scorer = make(space, config).log_scorer(*encode_rows(space, random_rows(space, 3, level=3)))
        [(_, whole)] = score_candidates(scorer, space, 4, 3)
        seen = []
        encode = space.encode
        monkeypatch.setattr(space, "encode", lambda level, indices: seen.extend(indices) or encode(level, indices))
        chunks = list(score_candidates(scorer, space, 4, 3, chunk_size=20))
        assert seen == list(range(space.num_extensions(4)))
        assert [offset for offset, _ in chunks] == list(range(0, 3 * 48, 18))
        np.testing.assert_allclose(np.concatenate([chunk for _, chunk in chunks]), whole, atol=1e-6)


class TestFit:
    @EACH
    def test_error_falls_and_ranking_generalises(self, config):
        space = ChainSpace(layers=4)
        sizes = {"hidden_units": 20, "input_units": 20, "surrogate_steps": 200, "additive_penalty": 0.01}
        model = make(space, dataclasses.replace(config, **sizes))
        rows = random_rows(space, 60)
        data = table(space, rows, separable_scores(rows))
        before = np.abs(model.predict(data.features, data.levels) - data.scores).mean()
        after = [model.fit(data, np.random.default_rng(i)) for i in range(3)]
        assert after[-1] < 0.15 * before  # the scores are means over levels, which no sum of terms is
        others = random_rows(space, 100, seed=1, level=4)
        predicted = model.predict(*encode_rows(space, others))
        assert stats.spearmanr(predicted, separable_scores(others)).statistic > 0.8

    def test_returns_the_mean_absolute_error_of_all_rows(self, chain):
        _, model, data = chain
        error = model.fit(data, np.random.default_rng(1))
        assert error == pytest.approx(np.abs(model.predict(data.features, data.levels) - data.scores).mean())

    def test_padding_does_not_matter(self, chain):
        _, model, (features, levels, *_) = chain
        padded = np.where(masks(levels, 5)[:, :, np.newaxis], features, np.float32(7))
        np.testing.assert_array_equal(model.predict(features, levels), model.predict(padded, levels))

    @pytest.mark.parametrize("config", [PAPERS, SEVERAL], ids=["paper", "several"])
    def test_nothing_is_traced_twice(self, config):
        space = ChainSpace(layers=2)
        config = dataclasses.replace(config, hidden_units=13)  # no other test's, whose graphs it would share
        model = make(space, config)
        for num_rows in (1, 5, 40):
            rows = random_rows(space, num_rows, level=1)
            data = table(space, rows, np.full(num_rows, 0.5))
            model.fit(data, np.random.default_rng(0))
            scores = model.log_scorer(data.features, data.levels)(np.eye(3, dtype=np.float32)[:num_rows])
            assert model.num_traces == 4  # all but the one that XLA compiles
        assert model.num_fits == 3
        other = make(space, config, seed=1)
        other.fit(data, np.random.default_rng(0))
        assert not np.array_equal(other.log_scorer(data.features, data.levels)(np.eye(3, dtype=np.float32)), scores)
        assert other.num_traces == 4

    def test_many_rows_are_predicted_in_blocks(self, chain, monkeypatch):
        _, model, (features, levels, *_) = chain
        whole = model.predict(features, levels)
        monkeypatch.setattr(lstm_surrogate, "ROWS_AT_ONCE", 7)
        np.testing.assert_allclose(model.predict(features, levels), whole, atol=1e-6)

    def test_learning_rate_falls_after_the_first_fit(self):
        space = ChainSpace(layers=2)
        rates = {"first_surrogate_learning_rate": 1e-2, "surrogate_learning_rate": 1e-6}
        model = make(space, dataclasses.replace(PAPERS, surrogate_steps=1, **rates))
        data = table(space, [(0,), (1,)], [0.2, 0.3])
        moves = []
        for _ in range(2):
            before = model.get_state()["surrogate/lstm_kernel"]
            model.fit(data, np.random.default_rng(0))
            moves.append(np.abs(model.get_state()["surrogate/lstm_kernel"] - before).max())
        assert moves[0] == pytest.approx(1e-2, rel=0.05)  # Adam's first step is as long as its rate
        assert moves[1] < 2e-6

    @pytest.mark.parametrize("median", [0.0, 0.1, 0.5, 0.93, 1.0])
    def test_first_fit_starts_from_the_median_score(self, median):
        space = MicroSpace(2)
        model = make(space)
        data = table(space, random_rows(space, 21, level=1), np.full(21, median))
        model._centre(data)
        assert np.median(model.predict(data.features, data.levels)) == pytest.approx(
            np.clip(median, 0.01, 0.99), abs=1e-5
        )

    def test_high_accuracies_do_not_saturate_the_first_fit(self):
        """Of the paper's size; with an output bias of zero 6 of these 8 seeds saturate."""
        space = MicroSpace(2)
        model = make(space, PAPER_SURROGATE)
        rows = [(index,) for index in range(105)]
        features, _ = encode_rows(space, rows)
        for seed in range(8):
            rng = np.random.default_rng(seed)
            scores = (0.9 + 0.02 * features[:, 0] @ rng.normal(size=space.num_features)).clip(0, 1).astype(np.float32)
            model.set_state(make(space, PAPER_SURROGATE, seed).get_state())
            error = model.fit(table(space, rows, scores), rng)
            assert error < np.abs(scores - np.median(scores)).mean()

    @pytest.mark.parametrize(("num_rows", "size"), [(6, 6), (100, 16)])
    def test_minibatches_use_all_rows_alike(self, num_rows, size):
        batches = lstm_surrogate.minibatches(num_rows, 16, 30, np.random.default_rng(0))
        assert batches.shape == (30, size)
        assert batches.dtype == np.int32
        assert np.ptp(np.bincount(batches.ravel(), minlength=num_rows)) <= 1

    def test_refuses_wrong_shapes(self, chain):
        _, model, data = chain
        with pytest.raises(ValueError, match=r"\(rows, 5, 3\).*Received: features.shape=\(60, 4, 3\)"):
            model.predict(data.features[:, :4], data.levels)
        with pytest.raises(ValueError, match=r"Received: shapes \(59,\), \(60,\), \(60,\) for 60 rows"):
            model.fit(data._replace(scores=data.scores[:59]), np.random.default_rng(0))

    @EACH
    def test_divergence_is_an_error_of_the_search(self, config):
        space = ChainSpace(layers=2)
        model = make(space, config)
        for _ in range(2):
            with pytest.raises(SearchError, match="diverged in fit 1"):
                model.fit(table(space, random_rows(space, 5), np.full(5, np.nan)), np.random.default_rng(0))

    @EACH
    @pytest.mark.parametrize("error", [KeyboardInterrupt, SearchError])
    def test_a_fit_that_does_not_come_to_its_end_changes_nothing(self, chain, config, error, monkeypatch):
        space, _, data = chain
        model = make(space, config)
        model.fit(data, np.random.default_rng(0))
        before = model.get_state()
        with monkeypatch.context() as patch:
            # Only the very last of a fit is left out.
            patch.setattr(model, "predict", lambda *arguments: raised(error))
            with pytest.raises(error):
                model.fit(data._replace(scores=data.scores + 0.1), np.random.default_rng(1))
        after = model.get_state()
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array, err_msg=name)


def raised(error):
    raise error


class TestState:
    @EACH
    def test_round_trip_is_exact_and_training_goes_on_alike(self, chain, config):
        space, _, data = chain
        model = make(space, config, seed=9)
        for passes in range(2):
            model.fit(data._replace(iterations=data.iterations + passes), np.random.default_rng(passes))
        other = make(space, config, seed=9)
        other.set_state(model.get_state())
        assert other.num_fits == model.num_fits > 0
        errors = [each.fit(data, np.random.default_rng(5)) for each in (model, other)]
        assert errors[0] == errors[1]
        found = other.get_state()
        for name, array in model.get_state().items():
            np.testing.assert_array_equal(array, found[name])

    def test_is_a_copy(self, chain):
        _, model, data = chain
        state = model.get_state()
        kernel = state["surrogate/lstm_kernel"].copy()
        model.fit(data, np.random.default_rng(6))
        np.testing.assert_array_equal(kernel, state["surrogate/lstm_kernel"])

    def test_refuses_another_shape_and_changes_nothing(self, chain):
        space, model, _ = chain
        before = model.get_state()
        state = make(space, seed=5).get_state()
        state["surrogate/lstm_bias"] = np.zeros(3, np.float32)
        with pytest.raises(StateError, match=r"lstm_bias` must have shape \(1, 1, 48\).*Received: shape=\(3,\)"):
            model.set_state(state)
        for name, array in model.get_state().items():
            np.testing.assert_array_equal(array, before[name])

    def test_refuses_missing_and_unknown_arrays(self, chain):
        _, model, _ = chain
        state = model.get_state()
        state["other"] = state.pop("surrogate/adam_step")
        with pytest.raises(StateError, match=r"lacks \['surrogate/adam_step'\].*Received: \['other'\]"):
            model.set_state(state)


SCRIPT = """
import hashlib, json
import numpy as np, tensorflow as tf
tf.config.experimental.enable_op_determinism()
from tests.surrogate.test_surrogate import *
space = MacroSpace(4)
model = make(space, dataclasses.replace(PAPER_SURROGATE, surrogate_steps=20), seed=1)
rows = random_rows(space, 100)
for seed in range(2):
    error = model.fit(table(space, rows, np.linspace(0, 1, 100)), np.random.default_rng(seed))
scores = log_scores(model, space, 4, random_rows(space, 25, level=3))
state = b"".join(array.tobytes() for array in model.get_state().values())
print(json.dumps([error, hashlib.sha256(state + scores.tobytes()).hexdigest()]))
"""


def test_two_processes_give_the_same_bits():
    """One is forked, the other begins anew, so their hashes of strings differ."""
    outputs = [runs.code(SCRIPT), runs.call((sys.executable, "-c", SCRIPT), TF_CPP_MIN_LOG_LEVEL="3")]
    assert [output.returncode for output in outputs] == [0, 0], outputs
    results = [json.loads(output.stdout) for output in outputs]
    assert results[0] == results[1]
