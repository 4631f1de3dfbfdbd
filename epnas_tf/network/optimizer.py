"""SGD with Nesterov momentum on a store's variables, as the search and the final training share it (ENAS)."""

import math
from typing import Protocol

import tensorflow as tf


class OptimizerSettings(Protocol):
    """What a step of the optimiser needs to know; the settings of children and of the final training have it."""

    @property
    def momentum(self) -> float:
        """Nesterov momentum."""

    @property
    def l2(self) -> float:
        """Weight of the sum of squared weights in the loss."""

    @property
    def l2_on(self) -> str:
        """What that sum is taken of: "kernels" or "all" variables."""

    @property
    def clip_norm(self) -> float:
        """Bound of the gradient's global norm; 0 for none."""


def cosine(progress: tf.Tensor, first: float, last: float) -> tf.Tensor:
    """Returns the learning rate on a half cosine (Loshchilov and Hutter).

    Args:
        progress: float32 scalar, from 0 to 1.
        first: the learning rate at 0.
        last: the learning rate at 1.
    """
    half_wave = 0.5 * (1.0 + tf.cos(progress * math.pi))
    return last + (first - last) * half_wave


def clip_by_global_norm(gradients: list[tf.Tensor], bound: float) -> list[tf.Tensor]:
    """Scales gradients down to a global norm of at most `bound`.

    `tf.clip_by_global_norm` in half the operations: a child's graph is traced and started anew each time, and its size
    decides how long that takes. A norm that is not finite makes all gradients NaN, so the child fails.
    """
    norm = tf.sqrt(2.0 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))
    scale = bound / tf.maximum(norm, bound)
    return [gradient * scale for gradient in gradients]


def decay_of(shape: tuple[int, ...], settings: OptimizerSettings) -> float:
    """Returns by what a variable of this shape is multiplied for the gradient of L2, l2 * sum(w²) without ENAS's ½.

    Where only kernels have L2: a kernel has more than one axis, batch norm's variables and biases have one.
    """
    return 2.0 * settings.l2 if settings.l2_on == "all" or len(shape) > 1 else 0.0


def moved(
    weights: tf.Tensor,
    momentum: tf.Tensor,
    gradient: tf.Tensor,
    learning_rate: tf.Tensor,
    decay: tf.Tensor,
    settings: OptimizerSettings,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns weights and their momentum after a step, L2 and clipping included: `apply_gradients` of flat values.

    Args:
        weights: float32 [n].
        momentum: float32 [n].
        gradient: of the loss without L2, float32 [n].
        learning_rate: float32 scalar.
        decay: by what each weight is multiplied for the gradient of L2, float32 [n]; see `decay_of`.
        settings: momentum and the gradient's bound, and whether there is L2.
    """
    if settings.l2:
        gradient += decay * weights
    if settings.clip_norm:
        (gradient,) = clip_by_global_norm([gradient], settings.clip_norm)
    momentum = settings.momentum * momentum + gradient
    return weights - learning_rate * (gradient + settings.momentum * momentum), momentum


def apply_gradients(
    variables: list[tf.Variable],
    momentum: list[tf.Variable],
    gradients: list[tf.Tensor],
    learning_rate: tf.Tensor,
    settings: OptimizerSettings,
) -> None:
    """Moves variables and their momentum by one step, L2 and clipping included.

    Args:
        variables: what to move.
        momentum: a slot for each variable.
        gradients: the gradient of the loss without L2 for each variable.
        learning_rate: float32 scalar.
        settings: momentum, L2 and the gradient's bound.
    """
    decays = [decay_of(variable.shape, settings) for variable in variables]
    gradients = [g + d * v if d else g for g, d, v in zip(gradients, decays, variables, strict=True)]
    if settings.clip_norm:
        gradients = clip_by_global_norm(gradients, settings.clip_norm)
    kept = tf.constant(settings.momentum)
    for variable, slot, gradient in zip(variables, momentum, gradients, strict=True):
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.handle,
            accum=slot.handle,
            lr=learning_rate,
            grad=gradient,
            momentum=kept,
            use_nesterov=True,
        )
