import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.training import helpers

DECAY = 0.3
"""Below the ramp from step 3 on: (1 + 3) / (10 + 3) = 0.31."""


def numpy_averages(snapshots, decay):
    """The averages after each of the layers' values, of which the first are the initial ones."""
    averages = {key: [array.astype(np.float64) for array in arrays] for key, arrays in snapshots[0].items()}
    for number, snapshot in enumerate(snapshots[1:]):
        old = min(decay, (1 + number) / (10 + number))
        for key, arrays in snapshot.items():
            averages[key] = [old * a + (1 - old) * b for a, b in zip(averages[key], arrays, strict=True)]
    return averages


@pytest.fixture(scope="module")
def trainings():
    """Two equal trainings with averages, of three epochs, and one without."""
    settings = {"epochs": 3, "auxiliary_weight": 0.4}
    return [helpers.make_training(helpers.SKIPS, ema_decay=decay, **settings) for decay in (DECAY, DECAY, 0.0)]


def test_averages_are_those_of_the_formula_and_the_training_knows_nothing_of_them(trainings, monkeypatch):
    by_step, by_epoch, plain = trainings
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


def test_a_training_goes_on_from_its_state_and_another_is_refused(trainings):
    unbroken, plain = trainings[1:]
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


def test_xla_averages_as_well():
    compiled, plain = (helpers.make_training(ema_decay=DECAY, xla=on) for on in (True, False))
    for training in (compiled, plain):
        training.run_epoch(0)
    for found, expected in zip(*(helpers.layers_of(t.result).values() for t in (compiled, plain)), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-3)
