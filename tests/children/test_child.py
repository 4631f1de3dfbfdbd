"""The training of a child against an independent one, and what it leaves in the store."""

import dataclasses
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.children.child import ChildTrainer, child_store, cosine_learning_rate
from epnas_tf.children.outcome import ChildDiverged
from epnas_tf.config import ChildConfig
from epnas_tf.network import Network, VariableStore, to_model
from epnas_tf.network.layout import Layout
from epnas_tf.space import NetworkShape
from tests.bin import runs
from tests.children.children import digits, noise, trainer
from tests.network.architectures import macro, micro
from tests.network.closed_forms import macro_parameters
from tests.network.values import arrays, assert_same_values, keys_of

SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=2)
CHILD = macro("conv_3x3", ("sep_conv_3x3", 0))
SMALL_CHILD = macro("conv_3x3")
POOLED_CHILD = macro("max_pool_3x3", "sep_conv_3x3")

DIGITS_SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=8, num_levels=3)
DIGITS_CHILD = macro("conv_3x3", "max_pool_3x3", ("sep_conv_3x3", 0))

# What both sides of a block give back is one tensor, and three gradients meet in block 1 and in the input.
TWO_POOLS = micro(("conv_3x3", -1, "identity", -1), ("max_pool_3x3", 1, "max_pool_3x3", 1))
MICRO = micro(("sep_conv_3x3", -2, "average_pool_3x3", -1), ("identity", 1, "sep_conv_5x5", -1))
MICRO_SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=8, num_levels=2, normal_cells=1)

CLIP_NORM = 0.5
CONSTANT = {"learning_rate": 0.05, "final_learning_rate": 0.05}

# The two trainings run the same float32 arithmetic, once in one graph and once step by step, where sums are added in
# another order: 1e-7 a step, that ReLUs and batch norms make larger from step to step. Measured: 0.2 % of this. The
# smallest wrong turn of `test_the_comparison_notices` is sixty times this.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


pytestmark = pytest.mark.usefixtures("without_grappler")


def digits_trainer(store, **settings):
    train, validation = digits()
    return trainer(store, DIGITS_SHAPE, train=train, validation=validation, batch_size=16, **{"epochs": 4, **settings})


def settings_of(**others):
    """Returns the settings that the comparisons use: a bound on the gradient that is felt, and a strong L2."""
    return {"l2": 5e-3, "clip_norm": CLIP_NORM, "epochs": 2, **CONSTANT, **others}


def reference(store, architecture, batches, learning_rates, settings, *, shape=SHAPE, optimizer=None):
    """Trains the Keras way, step by step, with Keras's SGD; returns it and the norms of the gradients."""
    network = Network(architecture, shape, store)
    variables = network.trainable_variables
    optimizer = optimizer or keras.optimizers.SGD(
        learning_rates[0],
        momentum=settings.get("momentum", 0.9),
        nesterov=settings.get("nesterov", True),
        global_clipnorm=settings["clip_norm"] or None,
    )
    norms = []
    for learning_rate, (images, labels) in zip(learning_rates, batches, strict=True):
        with tf.GradientTape() as tape:
            scores = network(images, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, scores, from_logits=True))
            decayed = [v.value for v in variables if settings.get("l2_on") == "all" or len(v.shape) > 1]
            loss += settings["l2"] * tf.add_n([tf.reduce_sum(tf.square(value)) for value in decayed])
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        norms.append(float(tf.linalg.global_norm(gradients)))
        optimizer.learning_rate = learning_rate
        optimizer.apply(gradients, variables)
    return optimizer, norms


def weights(store, shape=SHAPE, architecture=CHILD):
    """Returns all variables of a child."""
    return store.snapshot(keys_of(shape, architecture))


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for key in expected:
        for one, other in zip(found[key], expected[key], strict=True):
            np.testing.assert_allclose(one, other, **CLOSE, err_msg=str(key))


@pytest.fixture(scope="module")
def learned():
    """A child that was trained on the digits: (store, trainer, result)."""
    store = VariableStore(0)
    child_trainer = digits_trainer(store)
    return store, child_trainer, child_trainer.train(DIGITS_CHILD, seed=0)


def test_a_child_learns_the_digits(learned):
    _, _, result = learned
    assert result.score > 0.6  # chance is 0.1
    assert result.steps == 4 * (600 // 16)
    assert result.training_loss < np.log(10)
    assert result.parameters == macro_parameters(DIGITS_CHILD, DIGITS_SHAPE)
    assert min(result.build_seconds, result.train_seconds, result.evaluate_seconds) > 0


def test_the_score_is_the_accuracy_on_all_validation_images(learned):
    """200 images in batches of 50; the moving statistics, not those of a batch."""
    store, _, result = learned
    images, labels = digits()[1]
    probabilities = to_model(Network(DIGITS_CHILD, DIGITS_SHAPE, store)).predict(images, verbose=0)
    assert result.score == (probabilities.argmax(axis=1) == labels).mean()
    loss = -np.log(probabilities[np.arange(len(labels)), labels].astype(np.float64)).mean()
    np.testing.assert_allclose(result.validation_loss, loss, rtol=1e-4)  # 200 float32 logarithms, added up


def test_a_last_smaller_validation_batch_counts_each_image_once():
    store, validation = VariableStore(0), noise(70, seed=4)  # 50 and 20
    result = trainer(store, SHAPE, validation=validation).train(SMALL_CHILD, seed=0)
    predictions = to_model(Network(SMALL_CHILD, SHAPE, store)).predict(validation[0], verbose=0)
    assert result.score == (predictions.argmax(axis=1) == validation[1]).mean()


def test_the_same_seeds_give_the_same_bits_even_after_a_child_that_diverged(learned):
    store, _, result = learned
    again = VariableStore(0)
    with pytest.raises(ChildDiverged):
        digits_trainer(again, learning_rate=1e20).train(DIGITS_CHILD, seed=7)
    repeated = digits_trainer(again).train(DIGITS_CHILD, seed=0)
    untimed = {"build_seconds": 0, "train_seconds": 0, "evaluate_seconds": 0}
    assert dataclasses.replace(repeated, **untimed) == dataclasses.replace(result, **untimed)
    # `learned` is not trained further by any test.
    keys = keys_of(DIGITS_SHAPE, DIGITS_CHILD)
    assert_same_values(arrays(again, keys), arrays(store, keys))


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32(learned):
    store = child_store(ChildConfig(mixed_precision=True), 0)
    result = digits_trainer(store, mixed_precision=True).train(DIGITS_CHILD, seed=0)
    for layer in Network(DIGITS_CHILD, DIGITS_SHAPE, store).layers.values():
        assert layer.compute_dtype == "bfloat16"
        assert {weight.dtype for weight in layer.weights} <= {"float32"}
    assert result.training_loss != learned[2].training_loss
    # bfloat16 has 8 bits, and what is summed in it depends on the processor: 13 % were seen on one without AVX-512.
    assert result.training_loss == pytest.approx(learned[2].training_loss, rel=0.25)
    assert result.score > 0.6


def test_reused_traces_give_the_same_bits():
    """Of cells; `tests/run/test_runner.py` compares a search of layers with skips."""
    found = []
    for reuse in (False, True):
        store = VariableStore(0)
        one = trainer(store, MICRO_SHAPE, reuse_traces=reuse)
        results = [one.train(child, seed=number) for number, child in enumerate((MICRO, TWO_POOLS))]
        found.append([(result.score, result.training_loss, result.validation_loss) for result in results])
        arrays = store.get_state()[1] | one.optimizer.get_state()[1]
        found[-1].append({name: array.tobytes() for name, array in arrays.items()})
    assert found[0] == found[1]


def test_a_child_that_is_traced_ahead_gives_the_same_bits():
    children = [macro("sep_conv_3x3"), SMALL_CHILD, macro("max_pool_3x3")]
    found = []
    for ahead in (False, True):
        store = VariableStore(0)
        one = trainer(store, SHAPE)
        # What follows is another one once, and unknown at the end.
        following = [children[2], children[2], None] if ahead else [None] * 3
        results = [one.train(*each) for each in zip(children, range(3), following, strict=True)]
        found.append([(result.score, result.training_loss, result.validation_loss) for result in results])
        arrays = store.get_state()[1] | one.optimizer.get_state()[1]
        found[-1].append({name: array.tobytes() for name, array in arrays.items()})
    assert found[0] == found[1]


def test_a_child_is_traced_in_another_thread_while_one_trains(monkeypatch):
    traced = []
    real = ChildTrainer.trace

    def trace(self, network, *arguments):
        traced.append((network.architecture, threading.current_thread() is threading.main_thread()))
        return real(self, network, *arguments)

    monkeypatch.setattr(ChildTrainer, "trace", trace)
    other = macro("max_pool_3x3")
    for settings, in_main in (({}, False), ({"trace_ahead": False}, True), ({"share_weights": False}, True)):
        traced.clear()
        one = trainer(VariableStore(0), SHAPE, **settings)
        one.train(SMALL_CHILD, 0, following=other)
        one.train(other, 1)
        assert traced == [(SMALL_CHILD, True), (other, in_main)], settings


def test_what_tracing_ahead_raises_is_raised_when_the_child_is_trained(monkeypatch):
    one = trainer(VariableStore(0), SHAPE)
    monkeypatch.setattr(one._prefetcher, "_trace", lambda network: 1 // 0)
    one.train(SMALL_CHILD, 0, following=CHILD)
    with pytest.raises(ZeroDivisionError):
        one.train(CHILD, 1)
    one.train(CHILD, 1)  # it is traced anew


def assert_xla_gives_nearly_the_same():
    """Trains with XLA and without."""
    found, expected = VariableStore(0), VariableStore(0)
    result, plain = (trainer(s, SHAPE, xla=s is found).train(POOLED_CHILD, seed=0) for s in (found, expected))
    assert result.steps == 3
    assert result.training_loss == pytest.approx(plain.training_loss, rel=1e-5)
    assert_close(weights(found, architecture=POOLED_CHILD), weights(expected, architecture=POOLED_CHILD))


XLA_CHILD = """
import os, sys
os.environ["XLA_FLAGS"] = f"--xla_dump_to={sys.argv[1]} --xla_dump_hlo_as_text"
from tests.children.test_child import assert_xla_gives_nearly_the_same
assert_xla_gives_nearly_the_same()
"""


def test_xla_gives_nearly_the_same_and_compiles_a_childs_step_once(tmp_path):
    """What it takes for constants, it compiles anew for every value."""
    result = runs.code(XLA_CHILD, tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.glob("*step*before_optimizations.txt"))) == 1


def test_a_profile_leaves_the_shared_weights_as_they_were(tmp_path):
    store = VariableStore(0)
    child_trainer = trainer(store, SHAPE)
    child_trainer.train(SMALL_CHILD, seed=0)
    before = store.get_state()
    child_trainer.profile(SMALL_CHILD, 0, tmp_path)
    after = store.get_state()
    assert after[0] == before[0]
    for name, values in before[1].items():
        np.testing.assert_array_equal(after[1][name], values)
    (profile,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    assert b"Conv2D" in profile.read_bytes()  # the steps' own operations are in it


def test_another_seed_gives_another_order_of_the_images():
    results = [trainer(VariableStore(0), SHAPE).train(SMALL_CHILD, seed) for seed in (0, 1)]
    assert results[0].training_loss != results[1].training_loss


def test_training_the_same_child_again_goes_on_from_its_weights():
    store = VariableStore(0)
    short = digits_trainer(store, epochs=1)
    losses = [short.train(DIGITS_CHILD, seed).training_loss for seed in range(2)]
    assert losses[1] < 0.9 * losses[0]
    assert set(store.updates.values()) == {2 * short.training.steps}


@pytest.mark.parametrize("l2_on", ["kernels", "all"])
def test_training_is_that_of_keras_sgd(l2_on):
    """Nesterov momentum, L2 as l2 * sum(w²), then the bound on the global norm.

    At a constant learning rate, for Keras puts it into the momentum and TensorFlow does not.
    """
    settings = settings_of(l2_on=l2_on)
    found, expected = VariableStore(1), VariableStore(1)
    child_trainer = trainer(found, SHAPE, **settings)
    child_trainer.train(CHILD, seed=3)
    rates = [0.05] * child_trainer.training.steps
    optimizer, norms = reference(expected, CHILD, child_trainer.training.batches(3), rates, settings)
    assert min(norms) > CLIP_NORM  # the bound was felt
    assert_close(weights(found), weights(expected))

    weights_of = Layout(found, Network(CHILD, SHAPE, found).layers).weights
    by_layer = weights_of.arrays(weights_of.join_arrays(child_trainer.optimizer.read(weights_of.sizes)))
    slots = [slot for of_layer in by_layer.values() for slot in of_layer]
    for slot, velocity in zip(slots, optimizer.momentums, strict=True):
        np.testing.assert_allclose(-0.05 * slot, velocity.numpy(), **CLOSE)


@pytest.mark.parametrize(
    "wrong",
    [{"nesterov": False}, {"momentum": 0.8}, {"l2": 2.5e-3}, {"l2": 0.0}, {"l2_on": "all"}, {"clip_norm": 0.0}],
    ids=str,
)
def test_the_comparison_notices(wrong, right_weights):
    settings = {**settings_of(), **wrong}
    expected = VariableStore(1)
    batches = trainer(expected, SHAPE, **settings_of()).training.batches(3)
    reference(expected, CHILD, batches, [0.05] * 6, settings)
    with pytest.raises(AssertionError):
        assert_close(weights(expected), right_weights)


@pytest.fixture(scope="module")
def right_weights():
    store = VariableStore(1)
    batches = trainer(store, SHAPE, **settings_of()).training.batches(3)
    reference(store, CHILD, batches, [0.05] * 6, settings_of())
    return weights(store)


def test_momentum_goes_on_from_child_to_child_if_it_is_to_be_kept():
    """Then two children of three steps are one of six: the slots live with the shared variables."""
    settings = settings_of(epochs=1)
    kept, anew, optimizer = VariableStore(1), VariableStore(1), None
    ours = [trainer(VariableStore(1), SHAPE, keep_momentum=keep, **settings) for keep in (True, False)]
    for seed in (3, 4):
        for child_trainer in ours:
            child_trainer.train(CHILD, seed)
        batches = ours[0].training.batches(seed)
        optimizer, _ = reference(kept, CHILD, batches, [0.05] * 3, settings, optimizer=optimizer)
        reference(anew, CHILD, batches, [0.05] * 3, settings)
    for child_trainer, right, wrong in zip(ours, (kept, anew), (anew, kept), strict=True):
        assert_close(weights(child_trainer.store), weights(right))
        with pytest.raises(AssertionError):
            assert_close(weights(child_trainer.store), weights(wrong))


def cosine(step, steps, first, last):
    return last + (first - last) * 0.5 * (1 + np.cos(np.pi * step / steps))


@pytest.mark.parametrize("steps", [4, 100])
def test_cosine_learning_rate(steps):
    config = ChildConfig(learning_rate=0.05, final_learning_rate=0.0005)
    rates = [float(cosine_learning_rate(tf.constant(step), steps, config)) for step in range(steps + 1)]
    assert rates[0] == pytest.approx(0.05, rel=1e-6)
    assert rates[steps // 2] == pytest.approx((0.05 + 0.0005) / 2, rel=1e-5)
    assert rates[steps] == pytest.approx(0.0005, rel=1e-5)
    # float32 of a difference of two cosines of order 1, times 0.05
    np.testing.assert_allclose(rates, [cosine(step, steps, 0.05, 0.0005) for step in range(steps + 1)], atol=1e-8)
    decay = keras.optimizers.schedules.CosineDecay(0.05, steps, alpha=0.01)
    np.testing.assert_allclose(rates, [float(decay(step)) for step in range(steps + 1)], atol=1e-8)
    assert rates == sorted(rates, reverse=True)


def test_each_child_begins_its_cosine_anew():
    """Without momentum the two forms of SGD agree at any learning rate, so each step's rate shows in the weights."""
    settings = settings_of(learning_rate=0.2, final_learning_rate=0.002, momentum=0.0, epochs=1)
    found, expected = VariableStore(1), VariableStore(1)
    child_trainer = trainer(found, SHAPE, **settings)
    rates = [cosine(step, 3, 0.2, 0.002) for step in range(3)]
    for seed in (3, 4):
        child_trainer.train(CHILD, seed)
        reference(expected, CHILD, child_trainer.training.batches(seed), rates, settings)
        assert_close(weights(found), weights(expected))


def black_images():
    """Images that give the stem's kernel no gradient at all."""
    images, labels = noise(8)
    return np.zeros_like(images), labels


@pytest.mark.parametrize(("l2", "kept"), [(0.0, 1.0), (0.125, 0.5)])
def test_without_l2_a_variable_without_gradient_keeps_every_bit(l2, kept):
    """With it, the kernel shrinks by one step of lr * 2 * l2 * w: here 2 * 0.125 * 2 = 0.5, all of them exact."""
    store = VariableStore(0)
    kernel = Network(SMALL_CHILD, SHAPE, store).layers[("stem",)].kernel
    before = kernel.numpy()
    settings = {"l2": l2, "clip_norm": 0.0, "momentum": 0.0, "learning_rate": 2.0, "final_learning_rate": 2.0}
    trainer(store, SHAPE, train=black_images(), **settings).train(SMALL_CHILD, seed=0)
    np.testing.assert_array_equal(kernel.numpy(), before * np.float32(kept))


def step_norm(clip_norm):
    """Returns how far one step of learning rate 1 without momentum and L2 goes: the norm of the bounded gradient."""
    store = VariableStore(0)
    variables = Network(SMALL_CHILD, SHAPE, store).trainable_variables
    before = [variable.numpy() for variable in variables]
    settings = {"l2": 0.0, "clip_norm": clip_norm, "momentum": 0.0, "learning_rate": 1.0, "final_learning_rate": 1.0}
    trainer(store, SHAPE, train=noise(8), **settings).train(SMALL_CHILD, seed=0)
    after = [variable.numpy() for variable in variables]
    return np.sqrt(sum(np.sum((new - old) ** 2) for new, old in zip(after, before, strict=True))), after


def test_clip_norm_bounds_the_gradient_and_zero_switches_it_off():
    unbounded, values = step_norm(0.0)
    _, far_away = step_norm(2.0**30)  # a power of two scales exactly, so nothing may change
    for one, other in zip(values, far_away, strict=True):
        np.testing.assert_array_equal(one, other)
    assert unbounded > 0.5
    np.testing.assert_allclose(step_norm(0.25)[0], 0.25, rtol=1e-4)  # a float32 sum of 300 squares


def nan_images():
    images, labels = noise()
    images[5, 3, 3, 0] = np.nan
    return images, labels


DIVERGING = {
    "huge_learning_rate": ({"learning_rate": 1e20}, noise, r"The loss became nan after \d of 12 steps"),
    "nan_images": ({}, nan_images, r"The loss became nan after [123] of 12 steps"),
    # The losses stay finite: batch norm divides by a variance that became infinite.
    "infinite_variance": (
        {"learning_rate": 1e12, "final_learning_rate": 1e12},
        noise,
        "The loss is .* after 12 of 12 steps, but a variable became NaN or infinite",
    ),
    # The losses of the training stay small: batch norm takes the size of what it gets away.
    "destroyed_weights": (
        {"learning_rate": 1e5, "final_learning_rate": 1e5},
        noise,
        r"The loss is .* after 12 of 12 steps, but [\de+.]+ in validation",
    ),
}


@pytest.mark.parametrize(("settings", "images", "message"), DIVERGING.values(), ids=DIVERGING.keys())
def test_a_diverging_child_leaves_no_trace(settings, images, message):
    """Every weight, statistic, slot and count is as before, also those of layers that it was the first to use."""
    store = VariableStore(0)
    trainer(store, SHAPE).train(CHILD, seed=0)
    untouched = VariableStore(0)
    untouched.set_state(*store.get_state())
    keys = keys_of(SHAPE, CHILD, SMALL_CHILD)
    before, updates = arrays(store, keys_of(SHAPE, CHILD)), dict(store.updates)
    with pytest.raises(ChildDiverged, match=message):
        trainer(store, SHAPE, train=images(), epochs=4, **settings).train(SMALL_CHILD, seed=0)
    assert_same_values(arrays(store, keys_of(SHAPE, CHILD)), before)
    assert store.updates == updates
    Network(SMALL_CHILD, SHAPE, untouched)
    Network(CHILD, SHAPE, untouched)
    assert_same_values(arrays(store, keys), arrays(untouched, keys))


class TestSharedWeights:
    def test_without_them_a_child_leaves_nothing_and_finds_nothing(self):
        store = VariableStore(0)
        alone = trainer(store, SHAPE, share_weights=False)
        first = alone.train(CHILD, seed=1)
        assert len(store) == 0
        trainer(store, SHAPE).train(CHILD, seed=2)
        keys = keys_of(SHAPE, CHILD)
        before = arrays(store, keys)
        again = alone.train(CHILD, seed=1)
        assert (again.score, again.training_loss) == (first.score, first.training_loss)
        assert_same_values(arrays(store, keys), before)


def test_a_child_is_scored_once_more_as_after_its_training(learned):
    _, child_trainer, result = learned
    assert child_trainer.score(DIGITS_CHILD) == result.score


def test_a_run_is_pure_and_commit_alone_changes_what_children_share():
    """Two runs from one snapshot are equal, and prepare, run and commit are what `train` does."""
    store, at_once = VariableStore(0), VariableStore(0)
    stepwise, other = trainer(store, SHAPE), trainer(at_once, SHAPE)
    for seed in (3, 4):  # the second one begins with the momentum of the first
        child = stepwise.prepare(SMALL_CHILD)
        before, values = store.get_state(), stepwise.snapshot(child)
        copies = [array.copy() for array in values]
        outcomes = [child.run(values, seed) for _ in range(2)]
        for arrays_of in ((child.layout.join(*o.values) for o in outcomes), (values, copies)):
            assert len({tuple(array.tobytes() for array in one) for one in arrays_of}) == 1
        assert store.get_state()[0] == before[0]
        np.testing.assert_array_equal(store.get_state()[1]["weights"], before[1]["weights"])
        stepwise.commit(outcomes[0].values, dict.fromkeys(child.layout.keys, outcomes[0].result.steps))
        result = other.train(SMALL_CHILD, seed)
        assert (result.score, result.training_loss) == (outcomes[1].result.score, outcomes[1].result.training_loss)
        for one, expected in ((stepwise.store, other.store), (stepwise.optimizer, other.optimizer)):
            (index, found), (expected_index, wanted) = one.get_state(), expected.get_state()
            assert index == expected_index
            assert [array.tobytes() for array in found.values()] == [array.tobytes() for array in wanted.values()]


def test_shared_values_from_elsewhere_count_for_more_than_the_own_store():
    """A worker's store never changes; what it is sent, and its initial values, are what a child begins with."""
    here, worker = trainer(VariableStore(0), SHAPE), trainer(VariableStore(0), SHAPE)
    here.train(SMALL_CHILD, seed=3)
    keys = keys_of(SHAPE, CHILD)  # one layer more, which no child has trained yet
    sent = here.shared(keys)
    assert 0 < len(sent.variables) < len(keys)
    found, expected = worker.outcome(CHILD, 4, shared=sent), here.outcome(CHILD, 4)
    assert found.result.training_loss == expected.result.training_loss
    for one, other in zip(found.values, expected.values, strict=True):
        assert_same_values(one, other)
    assert worker.optimizer.get_state()[0] == {"slots": []}


def test_a_diverged_outcome_says_so_and_is_not_committed():
    store = VariableStore(0)
    one = trainer(store, SHAPE, learning_rate=1e20, epochs=4)
    before = (one.prepare(SMALL_CHILD), store.get_state()[1]["weights"])[1]
    outcome = one.outcome(SMALL_CHILD, 0)
    assert "steps" in outcome.failure
    assert outcome.scored is None
    with pytest.raises(ChildDiverged, match="steps"):
        one.train(SMALL_CHILD, 0)
    np.testing.assert_array_equal(store.get_state()[1]["weights"], before)
    assert one.optimizer.get_state()[0] == {"slots": []}
    assert not store.updates
