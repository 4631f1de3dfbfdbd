"""SGD with Nesterov momentum, L2 and gradient clipping, for the search and the final training (ENAS).

`NesterovSGD` is for the children: on flat values, with a slot for each layer. `VariableSGD` does the same on variables.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import keras
import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.network.store import Reader, flat
from epnas_tf.space.graph import Key


class OptimizerSettings(Protocol):
    """The settings of an optimizer step; those of children and of the final training provide them."""

    @property
    def momentum(self) -> float:
        """Nesterov momentum."""

    @property
    def l2(self) -> float:
        """Weight of the sum of squared weights in the loss."""

    @property
    def l2_on(self) -> str:
        """The variables in that sum: "kernels" or "all"."""

    @property
    def clip_norm(self) -> float:
        """Bound of the gradient's global norm; 0 for none."""


def cosine(progress: tf.Tensor, first: float, last: float) -> tf.Tensor:
    """The learning rate on a half cosine (Loshchilov and Hutter).

    Args:
        progress: float32 scalar, from 0 to 1.
        first: the learning rate at 0.
        last: the learning rate at 1.
    """
    half_wave = 0.5 * (1.0 + tf.cos(progress * math.pi))
    return last + (first - last) * half_wave


def clip_by_global_norm(gradients: list[tf.Tensor], bound: float) -> list[tf.Tensor]:
    """Scales gradients down to a global norm of at most `bound`.

    It needs half the operations of `tf.clip_by_global_norm`, and every child's graph is traced and started anew, which
    takes time in proportion to its size. A norm that is not finite makes all gradients NaN, so the child fails.
    """
    # Not `tf.add_n`, whose order, and so the last bit of every gradient, depends on execution timing.
    norm = tf.sqrt(2.0 * tf.reduce_sum(tf.stack([tf.nn.l2_loss(gradient) for gradient in gradients])))
    scale = bound / tf.maximum(norm, bound)
    return [gradient * scale for gradient in gradients]


def decay_of(shape: tuple[int, ...], settings: OptimizerSettings) -> float:
    """The factor of a variable in the gradient of L2, which is l2 * sum(w²), without ENAS's ½.

    If only kernels have L2: kernels have more than one axis, batch norm's variables and biases have one.
    """
    return 2.0 * settings.l2 if settings.l2_on == "all" or len(shape) > 1 else 0.0


def sgd_step(
    weights: tf.Tensor,
    momentum: tf.Tensor,
    gradient: tf.Tensor,
    learning_rate: tf.Tensor,
    decay: tf.Tensor,
    settings: OptimizerSettings,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the weights and their momentum after a step, with L2 and clipping.

    Args:
        weights: float32 [n].
        momentum: float32 [n].
        gradient: float32 [n], the gradient of the loss without L2.
        learning_rate: float32 scalar.
        decay: float32 [n], the factor of each weight in the gradient of L2; see `decay_of`.
        settings: momentum, the gradient's bound, and whether there is L2.
    """
    if settings.l2:
        gradient += decay * weights
    if settings.clip_norm:
        (gradient,) = clip_by_global_norm([gradient], settings.clip_norm)
    momentum = settings.momentum * momentum + gradient
    return weights - learning_rate * (gradient + settings.momentum * momentum), momentum


class NesterovSGD:
    """The children's optimizer. It owns a slot for each layer: the flat momentum of its trainable variables.

    A slot starts at zero and persists from child to child, as the layer's weights do.

    Args:
        settings: momentum, L2 and the gradient's bound.
    """

    def __init__(self, settings: OptimizerSettings) -> None:
        self.settings = settings
        self._slots: dict[Key, Float32Array] = {}

    def step(
        self, weights: tf.Tensor, momentum: tf.Tensor, gradient: tf.Tensor, learning_rate: tf.Tensor, decay: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the weights and their momentum after a step, see `sgd_step`; changes no slot."""
        return sgd_step(weights, momentum, gradient, learning_rate, decay, self.settings)

    def read(self, keys: Iterable[Key]) -> dict[Key, Float32Array]:
        """The slots of some layers, where they have one yet."""
        return {key: self._slots[key] for key in keys if key in self._slots}

    def write(self, slots: Mapping[Key, Float32Array]) -> None:
        """Sets the slots of some layers."""
        self._slots |= {key: slot.copy() for key, slot in slots.items()}  # a view would keep its whole array alive

    def get_state(self) -> tuple[dict[str, Any], dict[str, Float32Array]]:
        """The slots: an index for JSON, and a flat array, "momentum"."""
        keys = sorted(self._slots, key=str)
        index = [[list(key), self._slots[key].size] for key in keys]
        return {"slots": index}, {"momentum": flat([self._slots[key] for key in keys])}

    def set_state(self, index: dict[str, Any], arrays: Mapping[str, Float32Array]) -> None:
        """Restores a state of `get_state`.

        Raises:
            StateError: if index and array do not belong together.
        """
        reader = Reader(arrays["momentum"])
        slots = {tuple(key): reader.take([[size]])[0] for key, size in index["slots"]}
        reader.check_used_up()
        self._slots = slots


def regularized(
    gradients: list[tf.Tensor], variables: list[tf.Variable], settings: OptimizerSettings
) -> list[tf.Tensor]:
    """The gradients of the loss with L2, clipped by their global norm.

    Args:
        gradients: the gradient of the loss without L2 for each variable.
        variables: the variables.
        settings: L2 and the bound.
    """
    decays = [decay_of(variable.shape, settings) for variable in variables]
    # `+` would do, but Grappler takes a term of shape [1, n], of a layer with one input, for a bias, and then fails.
    gradients = [tf.add_n([g, d * v]) if d else g for g, d, v in zip(gradients, decays, variables, strict=True)]
    return clip_by_global_norm(gradients, settings.clip_norm) if settings.clip_norm else gradients


class VariableSGD:
    """SGD with Nesterov momentum on Keras variables; it owns their momentum.

    Args:
        variables: the variables to update.
        momentum: Nesterov momentum.

    Attributes:
        slots: the momentum of each variable, initially zero.
    """

    def __init__(self, variables: list[keras.Variable], momentum: float) -> None:
        self._variables = [variable.value for variable in variables]
        self._momentum = momentum
        self.slots = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in self._variables]

    def apply(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """Takes a step by the gradient of each variable; `learning_rate` is a float32 scalar."""
        momentum = tf.constant(self._momentum)
        for variable, slot, gradient in zip(self._variables, self.slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=slot.handle,
                lr=learning_rate,
                grad=gradient,
                momentum=momentum,
                use_nesterov=True,
            )
