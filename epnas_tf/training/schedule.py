"""The learning rate of the final training: a warm-up, and cosines with warm restarts (Loshchilov and Hutter; ENAS)."""

import math
from collections.abc import Iterator

import tensorflow as tf

from epnas_tf.config import RecipeConfig
from epnas_tf.network.optimizer import cosine


def cycles(recipe: RecipeConfig) -> Iterator[tuple[int, float]]:
    """Yields the first epoch (from 0, after the warm-up) and the epochs of each cosine.

    The last cosine may extend beyond the training. Only a single one may have a fraction of an epoch.
    """
    epochs = recipe.epochs - recipe.warmup_epochs
    start, length = 0, recipe.restart_epochs or epochs
    while start < epochs:
        yield start, length
        start, length = start + math.ceil(length), length * recipe.restart_factor


def last_cycle_is_cut(recipe: RecipeConfig) -> bool:
    """Whether the training ends before the last cosine does, while the learning rate is still high."""
    return sum(list(cycles(recipe))[-1]) > recipe.epochs - recipe.warmup_epochs


def learning_rate(step: tf.Tensor, steps_per_epoch: int, recipe: RecipeConfig) -> tf.Tensor:
    """Computes the learning rate of a step.

    Args:
        step: int32 or int64 scalar, from 0, over the whole training.
        steps_per_epoch: training steps in an epoch.
        recipe: has the rates, the warm-up and the restarts.

    Returns:
        float32 scalar.
    """
    epochs, warmup_steps = recipe.epochs - recipe.warmup_epochs, round(recipe.warmup_epochs * steps_per_epoch)
    spans = [span for span in cycles(recipe) for _ in range(math.ceil(min(span[1], epochs - span[0])))]
    starts = tf.constant([start for start, _ in spans], step.dtype)
    lengths = tf.constant([float(length) for _, length in spans])  # of a cosine that is not ended they may be huge
    after = tf.maximum(step - warmup_steps, 0) if warmup_steps else step
    epoch = after // steps_per_epoch
    done = tf.cast(after - tf.gather(starts, epoch) * steps_per_epoch, tf.float32)
    done /= tf.gather(lengths, epoch) * float(steps_per_epoch)
    rate = cosine(done, recipe.learning_rate, recipe.final_learning_rate)
    if not warmup_steps:
        return rate
    warmed = tf.cast(step + 1, tf.float32) / float(warmup_steps)
    return tf.where(step < warmup_steps, recipe.learning_rate * warmed, rate)
