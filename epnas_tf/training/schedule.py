"""The learning rate of the final training: cosines with warm restarts (Loshchilov and Hutter; ENAS)."""

from collections.abc import Iterator

import tensorflow as tf

from epnas_tf.config import RecipeConfig
from epnas_tf.network.optimizer import cosine


def cycles(recipe: RecipeConfig) -> Iterator[tuple[int, int]]:
    """Yields the first epoch (from 0) and the epochs of each cosine; the last may extend beyond the training."""
    start, length = 0, recipe.restart_epochs or recipe.epochs
    while start < recipe.epochs:
        yield start, length
        start, length = start + length, length * recipe.restart_factor


def last_cycle_is_cut(recipe: RecipeConfig) -> bool:
    """Whether the training ends before the last cosine does, while the learning rate is still high."""
    return sum(list(cycles(recipe))[-1]) > recipe.epochs


def learning_rate(step: tf.Tensor, steps_per_epoch: int, recipe: RecipeConfig) -> tf.Tensor:
    """Computes the learning rate of a step.

    Args:
        step: int32 or int64 scalar, from 0, over the whole training.
        steps_per_epoch: training steps in an epoch.
        recipe: has the rates and the restarts.

    Returns:
        float32 scalar.
    """
    spans = [span for span in cycles(recipe) for _ in range(min(span[1], recipe.epochs - span[0]))]
    starts = tf.constant([start for start, _ in spans], step.dtype)
    lengths = tf.constant([float(length) for _, length in spans])  # of a cosine that is not ended they may be huge
    epoch = step // steps_per_epoch
    done = tf.cast(step - tf.gather(starts, epoch) * steps_per_epoch, tf.float32)
    done /= tf.gather(lengths, epoch) * float(steps_per_epoch)
    return cosine(done, recipe.learning_rate, recipe.final_learning_rate)
