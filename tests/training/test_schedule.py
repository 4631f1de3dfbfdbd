import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import RecipeConfig
from epnas_tf.errors import ConfigError
from epnas_tf.training.schedule import cycles, last_cycle_is_cut, learning_rate

STEPS = 7


def recipe(**settings):
    return RecipeConfig(**{"learning_rate": 0.05, "final_learning_rate": 0.001, **settings})


def expected_rate(step, steps_per_epoch, settings):
    """The learning rate of a step, by walking from cosine to cosine (Loshchilov and Hutter, equation 5)."""
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    step -= warmup
    length = (settings.restart_epochs or settings.epochs - settings.warmup_epochs) * steps_per_epoch
    while step >= length:
        step, length = step - length, length * settings.restart_factor
    half_wave = (1 + math.cos(math.pi * step / length)) / 2
    return settings.final_learning_rate + (settings.learning_rate - settings.final_learning_rate) * half_wave


def rates(settings, steps_per_epoch=STEPS, dtype=tf.int32):
    numbers = range(settings.epochs * steps_per_epoch)
    return np.array([learning_rate(tf.constant(n, dtype), steps_per_epoch, settings).numpy() for n in numbers])


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 30, "restart_epochs": 10, "restart_factor": 2},
        {"epochs": 12, "restart_epochs": 5, "restart_factor": 1},
        {"epochs": 11, "restart_epochs": 1, "restart_factor": 3},
        {"epochs": 6, "restart_epochs": 0},
        {"epochs": 4, "restart_epochs": 9},
        {"epochs": 5, "restart_epochs": 2, "final_learning_rate": 0.0},
        {"epochs": 7, "warmup_epochs": 2, "restart_epochs": 0},
        {"epochs": 7, "warmup_epochs": 0.6, "restart_epochs": 0},  # 4.2 steps
        {"epochs": 3, "warmup_epochs": 2.9, "restart_epochs": 0},
        {"epochs": 9, "warmup_epochs": 1.5, "restart_epochs": 2},
        {"epochs": 11, "warmup_epochs": 2, "restart_epochs": 1, "restart_factor": 3},
        {"epochs": 3, "warmup_epochs": 0.01},  # less than half a step
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64], ids=lambda dtype: dtype.name)
def test_every_step_has_the_rate_of_the_independent_formula(settings, dtype):
    settings = recipe(**settings)
    expected = [expected_rate(step, STEPS, settings) for step in range(settings.epochs * STEPS)]
    # float32 of a difference of cosines of order 1, times 0.05.
    np.testing.assert_allclose(rates(settings, dtype=dtype), expected, atol=1e-8)


def test_cosines_are_10_20_40_epochs_long_and_begin_at_the_top():
    settings = recipe(epochs=150)
    assert list(cycles(settings)) == [(0, 10), (10, 20), (30, 40), (70, 80)]
    found = rates(settings)
    starts = [start * STEPS for start, _ in cycles(settings)]
    np.testing.assert_allclose(found[starts], 0.05, rtol=1e-7)
    for (start, length), after in itertools.pairwise(cycles(settings)):
        middle, last = (start * STEPS + length * STEPS // 2), after[0] * STEPS - 1
        np.testing.assert_allclose(found[middle], (0.05 + 0.001) / 2, rtol=1e-6)
        # One step before its end a cosine of n steps is 1 - cos(π/n) ≈ (π/n)²/2 of its height above the end.
        above = (0.05 - 0.001) * (math.pi / (length * STEPS)) ** 2 / 4
        np.testing.assert_allclose(found[last] - 0.001, above, rtol=0.01)
        assert (np.diff(found[start * STEPS : last + 1]) < 0).all()


def test_without_restarts_the_training_is_one_cosine():
    settings = recipe(epochs=8, restart_epochs=0)
    assert list(cycles(settings)) == [(0, 8)]
    assert (np.diff(rates(settings)) < 0).all()


@pytest.mark.parametrize(
    ("settings", "cut"),
    [
        ({}, False),  # the defaults
        ({"epochs": 310}, False),  # ENAS: 10 + 20 + 40 + 80 + 160
        ({"epochs": 630}, False),  # ENAS: … + 320
        ({"epochs": 29}, True),
        ({"epochs": 31}, True),
        ({"epochs": 10}, False),
        ({"epochs": 9}, True),
        ({"epochs": 9, "restart_epochs": 0}, False),
        ({"epochs": 9, "restart_epochs": 3, "restart_factor": 1}, False),
        ({"epochs": 10, "restart_epochs": 3, "restart_factor": 1}, True),
        ({"epochs": 30, "warmup_epochs": 0.1}, True),
        ({"epochs": 35, "warmup_epochs": 5}, False),
        ({"epochs": 30, "warmup_epochs": 0.1, "restart_epochs": 0}, False),
    ],
    ids=str,
)
def test_a_training_that_ends_within_a_cosine_is_noticed(settings, cut):
    assert last_cycle_is_cut(RecipeConfig(**settings)) == cut


def test_warm_up_rises_from_the_first_step_to_the_top_and_the_cosine_takes_the_rest():
    found = rates(recipe(epochs=6, warmup_epochs=2, restart_epochs=0))
    np.testing.assert_allclose(found[: 2 * STEPS], 0.05 * np.arange(1, 2 * STEPS + 1) / (2 * STEPS), rtol=1e-6)
    np.testing.assert_array_equal(found[2 * STEPS :], rates(recipe(epochs=4, restart_epochs=0)))


def test_warm_up_must_leave_an_epoch():
    with pytest.raises(ConfigError, match=r"less than `epochs`, 3. Received: warmup_epochs=3. Use fewer"):
        recipe(epochs=3, warmup_epochs=3)


@pytest.mark.parametrize("restart", [{"restart_epochs": 10**9}, {"restart_factor": 10**9, "restart_epochs": 1}])
def test_a_cosine_longer_than_any_training_needs_no_memory_and_hardly_falls(restart):
    settings = recipe(epochs=3, **restart)
    found = [float(learning_rate(tf.constant(step), 10_000, settings)) for step in (0, 20_000, 29_999)]
    np.testing.assert_allclose(found, [0.05] * 3, rtol=1e-6)
