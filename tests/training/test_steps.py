import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.data import TrainingPipeline
from epnas_tf.network import Network, VariableStore
from epnas_tf.network.store import Reader
from epnas_tf.seeds import DROPOUT, derived_seed
from epnas_tf.space import build_graph
from epnas_tf.training.auxiliary import with_auxiliary_head
from epnas_tf.training.optimizer import FinalOptimizer
from epnas_tf.training.regularization import DropoutAndDropPath
from epnas_tf.training.steps import cross_entropy, make_steps
from tests.network.architectures import MICRO
from tests.training import helpers
from tests.training.test_schedule import expected_rate

# Six steps in float32, in another order of the same operations.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}
SEEDS = range(helpers.SEED, helpers.SEED + 4)
"""Rounding that changes the sign of a ReLU's input sends weights another way: with one seed of twelve, and which one
depends on the processor. A mistake shows with every seed."""

BARE = dataclasses.replace(helpers.PLAIN, restart_epochs=0, l2=0.0, clip_norm=0.0)
"""One cosine, and nothing that can be left out."""
OPTIMISER = {
    "epochs": 3,
    "batch_size": 50,
    "learning_rate": 0.1,
    "final_learning_rate": 0.02,
    "warmup_epochs": 0.5,
    "restart_epochs": 1,
    "restart_factor": 3,
    "momentum": 0.7,
    "l2": 0.02,
    "l2_on": "kernels",
    "clip_norm": 0.5,
}
REGULARISATION = {"dropout_keep": 0.5, "drop_path_keep": 0.3, "label_smoothing": 0.2, "auxiliary_weight": 0.4}
CUTOUT = 3


def numpy_cross_entropy(labels, scores, smoothing):
    scores = scores.astype(np.float64)
    logarithms = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    targets = np.eye(scores.shape[1])[labels] * (1 - smoothing) + smoothing / scores.shape[1]
    return -(targets * logarithms).sum(axis=1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("classes", [2, 10])
def test_cross_entropy_against_smoothed_labels(smoothing, classes):
    generator = np.random.default_rng(0)
    scores, labels = generator.normal(0, 3, (40, classes)).astype(np.float32), generator.integers(0, classes, 40)
    found = cross_entropy(tf.constant(labels), tf.constant(scores), smoothing)
    np.testing.assert_allclose(found, numpy_cross_entropy(labels, scores, smoothing), rtol=1e-5)


def test_without_smoothing_the_cross_entropy_is_the_plain_one_bit_for_bit():
    scores, labels = tf.random.stateless_normal([40, 10], [0, 1]), tf.range(40) % 10
    plain = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
    assert cross_entropy(labels, scores, 0.0).numpy() == plain.numpy()


def reference(architecture, recipe, cutout=0, seed=helpers.SEED):
    """Trains step by step, the optimiser in NumPy from the formulas; returns variables, momentum and summed losses.

    What dropout and drop-path drop is taken from the class that `test_regularization` tests.
    """
    store, shape = VariableStore(seed), helpers.shape_of(architecture)
    graph = build_graph(architecture, shape)
    network = Network(
        architecture, shape, store, with_auxiliary_head(graph, shape) if recipe.auxiliary_weight else graph
    )
    variables = [variable.value for variable in network.trainable_variables]
    slots = [np.zeros(variable.shape, np.float32) for variable in variables]
    steps, losses = len(helpers.batches(recipe, 0)), []
    for epoch in range(recipe.epochs):
        for images, labels in helpers.batches(recipe, epoch, cutout, seed):
            number = len(losses)
            step_seed = tf.constant([derived_seed(seed, DROPOUT), 0], tf.int64)
            step_seed = tf.random.fold_in(step_seed, tf.constant(number, tf.int64))
            dropping = DropoutAndDropPath(recipe, step_seed, tf.constant((number + 1) / (steps * recipe.epochs)))
            with tf.GradientTape() as tape:
                outputs = network.outputs(images, training=True, regularizer=dropping)
                loss = objective = cross_entropy(labels, outputs[("head", "sum")], recipe.label_smoothing)
                if recipe.auxiliary_weight:
                    scores = outputs[("auxiliary", "sum")]
                    objective += recipe.auxiliary_weight * cross_entropy(labels, scores, recipe.label_smoothing)
            losses.append(loss.numpy())
            gradients = tape.gradient(objective, variables)
            decays = [2 * recipe.l2 * (recipe.l2_on == "all" or len(v.shape) > 1) for v in variables]
            gradients = [g.numpy() + d * v.numpy() for g, d, v in zip(gradients, decays, variables, strict=True)]
            norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients))
            if recipe.clip_norm and norm > recipe.clip_norm:
                gradients = [g * recipe.clip_norm / norm for g in gradients]
            rate = expected_rate(number, steps, recipe)
            for variable, slot, gradient in zip(variables, slots, gradients, strict=True):
                slot[...] = recipe.momentum * slot + gradient
                variable.assign(variable.numpy() - rate * (gradient + recipe.momentum * slot))  # Nesterov
    return helpers.layers_of(store), slots, np.reshape(losses, [recipe.epochs, steps]).sum(axis=1)


def run(architecture, recipe, cutout=0, seed=helpers.SEED):
    """Trains as the project does; returns variables, momentum and summed losses."""
    training = helpers.make_training(architecture, cutout=cutout, seed=seed, **dataclasses.asdict(recipe))
    epochs = [training.run_epoch(number) for number in range(recipe.epochs)]
    index, arrays = training.optimizer.get_state()
    slots = Reader(arrays["slots"]).take(index["slots"])
    return helpers.layers_of(training.store), slots, np.array([e.training_loss * training.steps for e in epochs])


def assert_close(found, expected):
    """Compares layers and losses."""
    assert found[0].keys() == expected[0].keys()
    for key, weights in expected[0].items():
        for one, other in zip(found[0][key], weights, strict=True):
            np.testing.assert_allclose(one, other, **CLOSE, err_msg=str(key))
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-4)


def assert_agrees(architecture, recipe, cutout=0):
    """Checks a training against the formulas with the first of `SEEDS` that rounding spares; returns both, and it."""
    for seed in SEEDS:
        found, expected = run(architecture, recipe, cutout, seed), reference(architecture, recipe, cutout, seed)
        try:
            assert_close(found, expected)
        except AssertionError as error:
            failure = error
        else:
            return found, expected, seed
    raise failure


def assert_differs(found, expected, what):
    """Checks that a comparison notices a setting."""
    try:
        assert_close(found, expected)
    except AssertionError:
        return
    pytest.fail(f"{what} is not felt")


def assert_each_is_felt(found, architecture, recipe, names, cutout=0, seed=helpers.SEED):
    """Checks that a training is told from one in which any of these settings is that of `BARE`."""
    for name in names:
        other = reference(architecture, dataclasses.replace(recipe, **{name: getattr(BARE, name)}), cutout, seed)
        assert_differs(found, other, name)


def test_bare_training_is_that_of_the_formulas():
    found, expected, _ = assert_agrees(helpers.SKIPS, BARE)
    for one, other in zip(found[1], expected[1], strict=True):  # momentum
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_each_setting_of_the_optimiser_changes_what_it_says_and_nothing_else():
    recipe = dataclasses.replace(BARE, **OPTIMISER)
    found, _, seed = assert_agrees(helpers.CHAIN, recipe)
    assert_each_is_felt(found, helpers.CHAIN, recipe, OPTIMISER, seed=seed)


def test_each_regularisation_changes_what_it_says_and_nothing_else():
    recipe = dataclasses.replace(BARE, **REGULARISATION)
    found, _, seed = assert_agrees(helpers.SKIPS, recipe, CUTOUT)
    assert_each_is_felt(found, helpers.SKIPS, recipe, REGULARISATION, CUTOUT, seed)
    assert_differs(found, reference(helpers.SKIPS, recipe, cutout=0, seed=seed), "cutout")


def make_loop(recipe, batch_size=64, architecture=helpers.CHAIN):
    store = VariableStore(0)
    network = Network(architecture, helpers.shape_of(architecture), store)
    optimizer = FinalOptimizer(recipe, network.trainable_variables)
    pipeline = TrainingPipeline(helpers.all_digits(), batch_size, epochs=1)
    return make_steps(network, optimizer, recipe, pipeline.steps, seed=0), pipeline, store


def test_the_loop_is_traced_once():
    loop, pipeline, _ = make_loop(helpers.PLAIN)
    for epoch in range(helpers.PLAIN.epochs):
        iterator, first = iter(pipeline.batches(epoch)), epoch * pipeline.steps
        loop(iterator, tf.constant(first), tf.constant(first + 1))
        loop(iterator, tf.constant(first + 1), tf.constant(first + pipeline.steps))
    assert loop.experimental_get_tracing_count() == 1


def test_the_loop_counts_and_stops_where_the_loss_is_no_number():
    loop, pipeline, _ = make_loop(helpers.PLAIN)
    done, loss, right = loop(iter(pipeline.batches(0)), tf.constant(1), tf.constant(3))
    assert (done.dtype, int(done)) == (tf.int32, 2)
    assert 0 < float(loss) / 2 < 10
    assert 0 <= float(right) <= 2 * 64
    loop, pipeline, _store = make_loop(dataclasses.replace(helpers.PLAIN, learning_rate=1e20), batch_size=20)
    done, loss, _ = loop(iter(pipeline.batches(0)), tf.constant(0), tf.constant(10))
    assert 1 < int(done) < 10
    assert not np.isfinite(loss)


@pytest.mark.parametrize("architecture", [helpers.SKIPS, MICRO], ids=["macro", "micro"])
def test_the_order_of_no_sum_depends_on_execution_timing(architecture):
    """`AddN` starts from any input that has no other reader left; the sum of two is the same in either order."""
    loop, pipeline, _ = make_loop(dataclasses.replace(helpers.PLAIN, clip_norm=1.0), architecture=architecture)
    traced = loop.get_concrete_function(iter(pipeline.batches(0)), tf.constant(0), tf.constant(1))
    definition = traced.graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    assert any(node.op == "ResourceApplyMomentum" for node in nodes)  # the step is among them
    assert [node.name for node in nodes if node.op == "AddN" and node.attr["N"].i > 2] == []
