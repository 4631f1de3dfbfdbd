"""The optimizer of the final training: Nesterov SGD as in the search (ENAS), or a Keras optimizer by name."""

import functools
import inspect
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.config import RecipeConfig
from epnas_tf.errors import ConfigError, StateError
from epnas_tf.network.optimizer import VariableSGD, regularized
from epnas_tf.network.store import Reader, flat

SGD = "sgd"
"""The project's own: bit for bit that of the search, where Keras's SGD takes the learning rate into the momentum."""

LEFT_OUT = ("ScheduleFreeAdamW", "SGD")
"""Optimizers of Keras that are not offered: the first one is evaluated with other weights than it trains."""

OURS = {
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "name",
}
"""Arguments of Keras's optimizers that the recipe decides, or that would change what is trained behind its back."""


@functools.cache
def keras_optimizers() -> dict[str, type[keras.optimizers.Optimizer]]:
    """The Keras optimizers that can train a network, by lower-case name."""
    classes = {name: value for name, value in vars(keras.optimizers).items() if inspect.isclass(value)}
    return {
        name.lower(): value
        for name, value in sorted(classes.items())
        if name not in LEFT_OUT and "learning_rate" in inspect.signature(value.__init__).parameters
    }


def known_settings(optimizer: str) -> dict[str, float | bool]:
    """The numeric and Boolean settings of an optimizer that `optimizer_settings` may name, with their defaults."""
    if optimizer == SGD:
        return {}
    parameters = inspect.signature(keras_optimizers()[optimizer].__init__).parameters
    return {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in OURS and isinstance(parameter.default, int | float)
    }


def check_optimizer(recipe: RecipeConfig) -> None:
    """Refuses an unknown optimizer, or an unknown setting of it.

    Raises:
        ConfigError: if one is unknown; the message lists the known ones.
    """
    if recipe.optimizer != SGD:
        make_keras_optimizer(recipe)
    else:
        read_settings(recipe)


def read_settings(recipe: RecipeConfig) -> dict[str, float | bool]:
    """Parses `optimizer_settings` into values by name.

    Raises:
        ConfigError: if the optimizer or the setting is unknown, or the value is invalid.
    """
    names = sorted([SGD, *keras_optimizers()])
    if recipe.optimizer not in names:
        raise ConfigError(f"`optimizer` must be one of {', '.join(names)}. Received: optimizer={recipe.optimizer!r}")
    known = known_settings(recipe.optimizer)
    values = {}
    for text in recipe.optimizer_settings:
        name, _, value = text.partition("=")
        if name not in known:
            expected = ", ".join(f"{name}={default}" for name, default in known.items()) or "none"
            raise ConfigError(
                f"`optimizer_settings` must be NAME=VALUE. {recipe.optimizer} has: {expected}. Received: {text!r}"
            )
        values[name] = _read_value(text, value, isinstance(known[name], bool))
    return values


def _read_value(text: str, value: str, is_switch: bool) -> float | bool:
    if is_switch and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if is_switch or not math.isfinite(number):
        kind = "true or false" if is_switch else "a finite number"
        raise ConfigError(f"The value of an optimizer's setting must be {kind} here. Received: {text!r}")
    return int(value) if value.strip().isdecimal() else number


def make_keras_optimizer(recipe: RecipeConfig) -> keras.optimizers.Optimizer:
    """Makes the Keras optimizer that a recipe names.

    Raises:
        ConfigError: if it is unknown or rejects its settings.
    """
    settings = read_settings(recipe)
    if recipe.weight_decay >= 0:
        settings["weight_decay"] = recipe.weight_decay
    try:
        return keras_optimizers()[recipe.optimizer](learning_rate=recipe.learning_rate, **settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Keras's {recipe.optimizer} refuses its settings {settings}. Received: {error}") from error


class FinalOptimizer:
    """The optimizer that updates a network's variables. It owns its slots, which checkpoints include.

    L2 and gradient clipping are the recipe's, whatever the optimizer. Weight decay is decoupled: each step subtracts
    learning rate × weight decay × variable, apart from the gradient and its clipping.

    Args:
        recipe: names the optimizer.
        variables: the variables to train.

    Raises:
        ConfigError: see `check_optimizer`.
    """

    def __init__(self, recipe: RecipeConfig, variables: list[keras.Variable]) -> None:
        check_optimizer(recipe)
        self._recipe = recipe
        self._variables = variables
        self._keras: keras.optimizers.Optimizer | None = None
        decayed = [recipe.l2_on == "all" or len(variable.shape) > 1 for variable in variables]
        if recipe.optimizer == SGD:
            self._sgd = VariableSGD(variables, recipe.momentum)
            self._decayed = [v.value for v, is_decayed in zip(variables, decayed, strict=True) if is_decayed]
            self._slots = self._sgd.slots
        else:
            self._keras = make_keras_optimizer(recipe)
            spared = [v for v, is_decayed in zip(variables, decayed, strict=True) if not is_decayed]
            if spared:
                self._keras.exclude_from_weight_decay(var_list=spared)
            self._keras.build(variables)
            self._slots = [v for v in self._keras.variables if v is not self._keras.iterations]

    def apply(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """Takes one step by each variable's gradient of the loss without L2, at the rate, a float32 scalar."""
        gradients = regularized(gradients, [variable.value for variable in self._variables], self._recipe)
        if self._keras is not None:
            self._keras.learning_rate.assign(learning_rate)
            self._keras.apply(gradients, self._variables)
            return
        if self._recipe.weight_decay > 0:
            for variable in self._decayed:
                variable.assign_sub(learning_rate * self._recipe.weight_decay * variable)
        self._sgd.apply(gradients, learning_rate)

    def get_state(self) -> tuple[dict[str, Any], dict[str, Float32Array]]:
        """Returns the slots and the step counter as a JSON-able index and a flat array, "slots"."""
        arrays = [np.asarray(slot, np.float32) for slot in self._slots]
        index = {
            "optimizer": self._recipe.optimizer,
            "iterations": 0 if self._keras is None else int(self._keras.iterations),
            "slots": [list(array.shape) for array in arrays],
        }
        return index, {"slots": flat(arrays)}

    def set_state(self, index: dict[str, Any], arrays: dict[str, Float32Array]) -> None:
        """Restores a state from `get_state`.

        Raises:
            StateError: if it is of another optimizer, of other variables, or incomplete.
        """
        found, expected = (index["optimizer"], index["slots"]), self.get_state()[0]
        if found != (expected["optimizer"], expected["slots"]):
            raise StateError(
                f"The optimizer's state must be of {expected['optimizer']} with {len(expected['slots'])} slots of this "
                f"network. Received: {found[0]} with {len(found[1])}"
            )
        reader = Reader(arrays["slots"])
        values = reader.take(index["slots"])
        reader.check_used_up()
        for slot, value in zip(self._slots, values, strict=True):
            slot.assign(value)
        if self._keras is not None:
            self._keras.iterations.assign(index["iterations"])
