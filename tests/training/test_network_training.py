import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.baselines.families import FAMILIES, Form
from epnas_tf.data import ImageData, Images
from epnas_tf.errors import ConfigError, DataError
from epnas_tf.network import to_model
from epnas_tf.space import NetworkShape
from epnas_tf.training import network_training
from epnas_tf.training.network_training import NetworkTraining, TrainingDiverged
from tests.network.architectures import macro
from tests.training import helpers

SINGLE = macro("conv_3x3")


def run(training, epochs=2):
    """Trains for some epochs and returns what they gave, without their times."""
    return [dataclasses.replace(training.run_epoch(number), seconds=0.0) for number in range(epochs)]


@pytest.mark.parametrize("architecture", [helpers.SKIPS, helpers.CELL], ids=["macro", "micro"])
def test_with_everything_off_the_training_is_that_of_the_plain_network_bit_for_bit(architecture):
    recipe = dataclasses.replace(helpers.PLAIN, l2=0.0, clip_norm=0.0)
    training = helpers.make_training(architecture, l2=0.0, clip_norm=0.0)
    epochs = run(training)
    store, expected = helpers.plain_loop(architecture, recipe)
    helpers.assert_same_state(training.store, store)
    for epoch, (loss, right) in zip(epochs, expected, strict=True):
        assert epoch.training_loss == loss / training.steps
        assert epoch.training_accuracy == right / (training.steps * recipe.batch_size)


@pytest.fixture(scope="module")
def chain():
    """A training of the chain with L2 and the bound, and what its epochs gave."""
    training = helpers.make_training()
    return training, run(training)


def test_l2_and_the_bound_are_the_searchs(chain):
    store, _ = helpers.plain_loop(helpers.CHAIN, helpers.PLAIN)
    helpers.assert_same_state(chain[0].store, store)


def test_drop_path_leaves_a_network_without_skip_connections_as_it_is_bit_for_bit(chain):
    training = helpers.make_training(drop_path_keep=0.3)
    assert run(training) == chain[1]
    helpers.assert_same_state(training.store, chain[0].store)


def test_how_many_steps_run_at_a_time_changes_nothing(chain, monkeypatch):
    monkeypatch.setattr(network_training, "STEPS_A_CALL", 2)
    training, told = helpers.make_training(), []
    epochs = [training.run_epoch(number, told.append) for number in range(2)]
    assert told == [0, 2, 3, 2, 3]  # 0: the graph is made
    helpers.assert_same_state(training.store, chain[0].store)
    # The losses are added in another order.
    losses = [[epoch.training_loss for epoch in some] for some in (epochs, chain[1])]
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_epochs_say_what_they_are(chain):
    training, epochs = chain
    assert training.steps == 200 // 64
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert all(epoch.validation_loss is epoch.validation_accuracy is None for epoch in epochs)
    assert epochs[1].learning_rate < epochs[0].learning_rate < 0.05
    assert 0 < epochs[1].training_loss < epochs[0].training_loss + 1
    assert training.run_epoch(2 - 1).seconds > 0  # the last: nothing after it looks at this training


def test_another_seed_gives_other_initial_values_and_another_order(chain):
    training = helpers.make_training(seed=4)
    loss = training.run_epoch(0).training_loss
    assert loss != chain[1][0].training_loss


def test_held_out_images_are_measured_with_the_moving_statistics():
    data = helpers.digits()
    training = helpers.make_training(data=data, held_out=True)
    (epoch,) = run(training, 1)
    images = (data.validation.images - data.mean) / data.std
    probabilities = to_model(training.plain_network()).predict(images, verbose=0)
    right = probabilities.argmax(axis=1) == data.validation.labels
    np.testing.assert_allclose(epoch.validation_accuracy, right.mean(), rtol=1e-6)
    losses = -np.log(probabilities[np.arange(len(images)), data.validation.labels])
    np.testing.assert_allclose(epoch.validation_loss, losses.mean(), rtol=1e-4)


@pytest.fixture(scope="module")
def mixed():
    """A training in mixed precision, and its losses."""
    training = helpers.make_training(helpers.SKIPS, mixed_precision=True)
    return training, [epoch.training_loss for epoch in run(training)]


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32(mixed):
    mixed, loss = mixed
    full = helpers.make_training(helpers.SKIPS)
    losses = [loss, [epoch.training_loss for epoch in run(full)]]
    for layer in mixed.plain_network().layers.values():
        assert layer.compute_dtype == "bfloat16"
        assert {weight.dtype for weight in layer.weights} <= {"float32"}
    index, arrays = mixed.store.get_state()
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    assert index == full.store.get_state()[0]
    assert losses[0] != losses[1]
    np.testing.assert_allclose(*losses, rtol=0.02)  # bfloat16 has 8 bits


def test_what_was_trained_in_mixed_precision_is_tested_in_float32(mixed):
    training, _ = mixed
    network = training.full_precision_network()
    images = np.random.default_rng(0).normal(size=(4, *network.shape.image_shape)).astype(np.float32)
    assert {layer.compute_dtype for layer in network.layers.values()} == {"float32"}
    scores, rough = network(images).numpy(), training.plain_network()(images).numpy()
    assert not np.array_equal(scores, rough)
    np.testing.assert_allclose(scores, rough, atol=0.1 * np.abs(scores).max())  # bfloat16 has 8 bits


def test_xla_gives_nearly_the_same_and_averages_as_well():
    compiled, plain = (helpers.make_training(SINGLE, ema_decay=0.2, xla=on) for on in (True, False))
    losses = [[epoch.training_loss for epoch in run(training)] for training in (compiled, plain)]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    for stores in ([t.store for t in (compiled, plain)], [t.result for t in (compiled, plain)]):
        for found, expected in zip(*(helpers.layers_of(store).values() for store in stores), strict=True):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-3)


def test_training_that_diverges_says_where():
    training = helpers.make_training(SINGLE, learning_rate=1e20, batch_size=20)
    with pytest.raises(
        TrainingDiverged,
        match=r"The loss became (nan|inf) in step [2-9] of 10 of epoch 1. Use a lower .* learning_rate=1e\+20",
    ):
        training.run_epoch(0)


def test_broken_variables_are_noticed_though_the_loss_is_finite():
    """Batch norm divides by the batch's variance; that of the moving statistics has become infinite for good."""
    training = helpers.make_training(SINGLE, learning_rate=1e13, final_learning_rate=1e13)
    with pytest.raises(TrainingDiverged, match=r"A variable became NaN or infinite in epoch 1. Use a lower learning"):
        training.run_epoch(0)


def test_cutout_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"`cutout` must be within 0 and the images' shorter side, 8.* cutout=9"):
        helpers.make_training(cutout=9)


def test_images_too_small_for_the_network_are_refused():
    images = Images(np.zeros((4, 4, 4, 1), np.uint8), np.arange(4, dtype=np.int32) % 2)
    ones = np.ones(1, np.float32)
    data = ImageData("tiny", images, images, images, ("a", "b"), ones, ones)
    shape = NetworkShape((4, 4, 1), 2, 4, num_levels=3)
    with pytest.raises(DataError, match=r"With 2 halvings.* images must be at least 8×8 pixels. Received: 4×4"):
        NetworkTraining(helpers.SKIPS, shape, data, helpers.PLAIN, 0)


def test_a_graph_of_no_space_is_trained_and_goes_on_from_its_state():
    """A hand-made network has no architecture; stopped after an epoch, it ends as if it had never been."""
    shape, data = NetworkShape((8, 8, 1), 10, helpers.CHANNELS, 1), helpers.all_digits()
    graph = FAMILIES["plain"].build(Form(1, (4, 8)), shape)
    unbroken, first, second = (NetworkTraining(None, shape, data, helpers.PLAIN, helpers.SEED, graph) for _ in range(3))
    assert unbroken.plain_network().graph is graph
    assert unbroken.cost.parameters == unbroken.plain_network().num_parameters
    expected = run(unbroken)
    first.run_epoch(0)
    second.set_state(*first.get_state())
    assert dataclasses.replace(second.run_epoch(1), seconds=0.0) == expected[1]
    helpers.assert_same_state(second.store, unbroken.store)
    with pytest.raises(KeyError):
        second.set_state({}, {})


DECAY = 0.2
"""Below the ramp from step 2 on: (1 + 2) / (10 + 2) = 0.25."""


def numpy_averages(snapshots, decay):
    """The averages after each of the layers' values, of which the first are the initial ones."""
    averages = {key: [array.astype(np.float64) for array in arrays] for key, arrays in snapshots[0].items()}
    for number, snapshot in enumerate(snapshots[1:]):
        old = min(decay, (1 + number) / (10 + number))
        for key, arrays in snapshot.items():
            averages[key] = [old * a + (1 - old) * b for a, b in zip(averages[key], arrays, strict=True)]
    return averages


@pytest.fixture(scope="module")
def averaged():
    """Two equal trainings with averages, of three epochs, and one without."""
    settings = {"epochs": 3, "auxiliary_weight": 0.4}
    return [helpers.make_training(helpers.SKIPS, ema_decay=decay, **settings) for decay in (DECAY, DECAY, 0.0)]


def test_averages_are_those_of_the_formula_and_the_training_knows_nothing_of_them(averaged, monkeypatch):
    by_step, by_epoch, plain = averaged
    monkeypatch.setattr("epnas_tf.training.network_training.STEPS_A_CALL", 1)
    snapshots = [helpers.layers_of(by_step.store)]
    by_step.run_epoch(0, lambda step: snapshots.append(helpers.layers_of(by_step.store)) if step else None)
    monkeypatch.undo()
    epoch = by_epoch.run_epoch(0)
    expected, found = numpy_averages(snapshots, DECAY), helpers.layers_of(by_step.result)
    assert len(snapshots) == 1 + by_step.steps
    assert found.keys() == {key for key in expected if key[0] != "auxiliary"}
    for key, arrays in found.items():
        for array, right in zip(arrays, expected[key], strict=True):
            np.testing.assert_allclose(array, right, rtol=1e-5, atol=1e-6)
    helpers.assert_same_state(by_step.result, by_epoch.result)
    assert epoch.training_loss == plain.run_epoch(0).training_loss
    helpers.assert_same_state(by_epoch.store, plain.store)


def test_averages_go_on_from_their_state_and_a_state_without_them_is_refused(averaged):
    unbroken, plain = averaged[1:]
    second = helpers.make_training(helpers.SKIPS, ema_decay=DECAY, epochs=3, auxiliary_weight=0.4)
    second.set_state(*unbroken.get_state())
    for number in (1, 2):
        expected = dataclasses.replace(unbroken.run_epoch(number), seconds=0.0)
        assert dataclasses.replace(second.run_epoch(number), seconds=0.0) == expected
    helpers.assert_same_state(second.store, unbroken.store)
    helpers.assert_same_state(second.result, unbroken.result)
    with pytest.raises(KeyError, match="average"):
        second.set_state(*plain.get_state())


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_the_averages_are_validated_and_handed_on_in_float32(mixed_precision):
    data = helpers.digits()
    training = helpers.make_training(data=data, held_out=True, ema_decay=DECAY, mixed_precision=mixed_precision)
    epoch = training.run_epoch(0)
    images = tf.constant((data.validation.images - data.mean) / data.std, tf.float32)
    network = training.full_precision_network()
    scores = network(images)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(data.validation.labels, scores)
    tolerance = 0.05 if mixed_precision else 1e-4  # bfloat16 has 8 bits
    np.testing.assert_allclose(epoch.validation_loss, tf.reduce_mean(losses), rtol=tolerance)
    averages = helpers.layers_of(training.result)
    for key, layer in network.layers.items():
        for weight, average in zip(layer.get_weights(), averages[key], strict=True):
            np.testing.assert_array_equal(weight, average)
    assert {layer.compute_dtype for layer in network.layers.values()} == {"float32"}
    assert training.store.get_state()[1]["weights"].tobytes() != training.result.get_state()[1]["weights"].tobytes()
