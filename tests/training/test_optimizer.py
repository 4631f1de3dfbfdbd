"""The optimizers of the final training against Keras's own, and their slots in a checkpoint."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.errors import ConfigError, StateError
from epnas_tf.training.optimizer import FinalOptimizer, check_optimizer, keras_optimizers, known_settings
from epnas_tf.training.trainer import train_final
from tests.training import helpers
from tests.training.test_trainer import Listener, Stopped

RATES = [0.1, 0.05, 0.02, 0.03]
SHAPES = [(3, 2), (2,)]  # a kernel and a bias


def recipe(optimizer="sgd", **settings):
    return dataclasses.replace(helpers.PLAIN, optimizer=optimizer, **{"l2": 0.0, "clip_norm": 0.0, **settings})


def new_variables(seed=0):
    rng = np.random.default_rng(seed)
    return [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in SHAPES]


def gradients_of(step):
    rng = np.random.default_rng(10 + step)
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in SHAPES]


def in_a_loop(optimizer, first, stop):
    """Takes steps inside a graph, as the training does."""
    gradients = [tf.stack(each) for each in zip(*map(gradients_of, range(len(RATES))), strict=True)]

    @tf.function(autograph=False)
    def run(first, stop):
        def body(number):
            optimizer.apply([each[number] for each in gradients], tf.gather(tf.constant(RATES), number))
            return number + 1

        return tf.while_loop(lambda number: number < stop, body, [first])

    run(tf.constant(first), tf.constant(stop))


@pytest.mark.parametrize("name", keras_optimizers())
def test_steps_are_those_of_keras_and_go_on_from_a_checkpoint_bit_for_bit(name):
    settings = recipe(name, weight_decay=0.01, l2_on="all")
    expected, plain = new_variables(), keras_optimizers()[name](weight_decay=0.01)
    for step, rate in enumerate(RATES):
        plain.learning_rate = rate
        plain.apply(gradients_of(step), expected)
    found, resumed = new_variables(), new_variables(seed=1)
    optimizer = FinalOptimizer(settings, found)
    in_a_loop(optimizer, 0, 2)
    state = optimizer.get_state()
    for variable, value in zip(resumed, found, strict=True):
        variable.assign(value)
    other = FinalOptimizer(settings, resumed)
    other.set_state(*state)
    in_a_loop(optimizer, 2, 4)
    in_a_loop(other, 2, 4)
    for one, again, wanted in zip(found, resumed, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
        assert one.numpy().tobytes() == again.numpy().tobytes()


def test_settings_reach_keras():
    text = ("beta_1=0.5", "amsgrad=true")
    found, expected = new_variables(), new_variables()
    in_a_loop(FinalOptimizer(recipe("adam", optimizer_settings=text), found), 0, 1)
    plain = keras.optimizers.Adam(RATES[0], beta_1=0.5, amsgrad=True)
    plain.apply(gradients_of(0), expected)
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), wanted.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adam", "lion"])
@pytest.mark.parametrize("l2_on", ["kernels", "all"])
def test_weight_decay_is_decoupled_and_of_what_l2_is_taken_of(name, l2_on):
    variables = new_variables()
    kernel, bias = (variable.numpy() for variable in variables)
    optimizer = FinalOptimizer(recipe(name, weight_decay=0.2, l2_on=l2_on), variables)
    optimizer.apply([tf.zeros(shape) for shape in SHAPES], tf.constant(0.5))
    np.testing.assert_allclose(variables[0].numpy(), 0.9 * kernel, rtol=1e-6)
    np.testing.assert_allclose(variables[1].numpy(), (0.9 if l2_on == "all" else 1.0) * bias, rtol=1e-6)


def test_of_its_own_adamw_has_a_weight_decay_and_adam_and_sgd_have_none():
    for name, factor in (("adamw", 1 - 0.5 * 0.004), ("adam", 1.0), ("sgd", 1.0)):
        variables = new_variables()
        before = variables[0].numpy()
        FinalOptimizer(recipe(name), variables).apply([tf.zeros(shape) for shape in SHAPES], tf.constant(0.5))
        np.testing.assert_allclose(variables[0].numpy(), factor * before, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adamx"}, r"must be one of .*adam, adamax, adamw, .*lion.*sgd. Received: optimizer='adamx'"),
        ({"optimizer": "schedulefreeadamw"}, "must be one of"),
        (
            {"optimizer": "lion", "optimizer_settings": ("beta=1",)},
            r"lion has: beta_1=0.9, beta_2=0.99. Received: 'beta=1'",
        ),
        ({"optimizer": "adam", "optimizer_settings": ("use_ema=true",)}, "Received: 'use_ema=true'"),
        ({"optimizer": "adam", "optimizer_settings": ("beta_1=much",)}, "a finite number here. Received: 'beta_1=much"),
        ({"optimizer": "adam", "optimizer_settings": ("amsgrad=1",)}, "true or false here. Received: 'amsgrad=1'"),
        ({"optimizer_settings": ("momentum=0.5",)}, "sgd has: none. Received: 'momentum=0.5'"),
        ({"optimizer": "rmsprop", "optimizer_settings": ("momentum=2",)}, None),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(settings, message, tmp_path):
    if message is None:
        check_optimizer(recipe(**settings))  # Keras's own business
        return
    with pytest.raises(ConfigError, match=message):
        helpers.train(tmp_path / "run", helpers.config(**settings))
    assert not (tmp_path / "run").exists()


def test_known_settings_are_numbers_and_switches():
    assert known_settings("adamw") == {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}


def test_a_state_of_another_optimizer_is_refused():
    state = FinalOptimizer(recipe("adam"), new_variables()).get_state()
    with pytest.raises(StateError, match=r"must be of lion with 3 slots.* Received: adam with 5"):
        FinalOptimizer(recipe("lion"), new_variables()).set_state(*state)


def test_a_training_with_keras_s_adamw_that_was_stopped_ends_like_one_that_was_not(tmp_path):
    config = helpers.config(learning_rate=0.002, optimizer="adamw")
    unbroken = helpers.train(tmp_path / "unbroken", config)
    file = helpers.architecture_file(tmp_path, helpers.CHAIN)
    for listener in (Listener(stop_at=("epoch", 1)), Listener()):
        try:
            result = train_final(tmp_path / "run", config, architecture_file=file, listener=listener)
        except Stopped:
            result = None
    assert listener.epochs() == [2]
    helpers.assert_same_result(result.directory, unbroken.directory)
    assert helpers.checkpoint(result.directory).values["optimizer"]["optimizer"] == config.recipe.optimizer


def test_xla_compiles_the_step_of_an_optimizer_of_keras():
    plain, compiled = (helpers.make_training(optimizer="adamw", epochs=1, xla=xla) for xla in (False, True))
    losses = [training.run_epoch(0).training_loss for training in (plain, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
