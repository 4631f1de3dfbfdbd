"""Mixtures of two training images and their labels: mixup (Zhang et al., 2017) and CutMix (Yun et al., 2019)."""

from typing import NamedTuple

import tensorflow as tf

from epnas_tf.config import RecipeConfig


class Mixed(NamedTuple):
    """A batch of mixtures.

    Attributes:
        images: float32 [batch, height, width, channels].
        labels: int32 [batch], of the images themselves.
        others: int32 [batch], of the images that are mixed in.
        share: float32 scalar, the weight of `labels`; that of `others` is 1 - share.
    """

    images: tf.Tensor
    labels: tf.Tensor
    others: tf.Tensor
    share: tf.Tensor


def mixed(images: tf.Tensor, labels: tf.Tensor, recipe: RecipeConfig, seed: tf.Tensor) -> Mixed:
    """Mixes each image with the one before it in the batch, whose order is random.

    A share λ of Beta(α, α) is drawn for the whole batch. Mixup weights all pixels by λ. CutMix takes those of a
    rectangle of the image's aspect from the other image; its area is 1 - λ before it is clipped at the border, and the
    labels are weighted by what is left of it. If the recipe has both, one of them is drawn.

    Args:
        images: float32 [batch, height, width, channels], all sizes known.
        labels: int32 [batch].
        recipe: has the α of mixup or of CutMix.
        seed: int64 [2], of this batch.

    Returns:
        The batch; the same seed gives the same one.
    """
    of_mixup, of_cutmix, of_choice = tf.unstack(tf.random.split(seed, 3))
    height, width = images.shape[1:3]
    weights = []  # of each pixel of the images themselves, float32 [1, height, width, 1]
    if recipe.mixup:
        weights.append(tf.fill([1, height, width, 1], beta(recipe.mixup, of_mixup)))
    if recipe.cutmix:
        weights.append(outside_rectangle(height, width, recipe.cutmix, of_cutmix))
    is_mixup = tf.random.stateless_uniform([], of_choice) < 0.5
    weight = tf.where(is_mixup, *weights) if len(weights) == 2 else weights[0]
    images = images * weight + tf.roll(images, 1, axis=0) * (1.0 - weight)
    return Mixed(images, labels, tf.roll(labels, 1, axis=0), tf.reduce_mean(weight))


def beta(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws a number of the symmetric Beta distribution, float32 scalar, from two of the Gamma distribution."""
    # In float64, since for a small alpha both may be tiny.
    one, other = tf.unstack(tf.random.stateless_gamma([2], seed, tf.constant(alpha, tf.float64), dtype=tf.float64))
    return tf.cast(tf.math.divide_no_nan(one, one + other), tf.float32)


def outside_rectangle(height: int, width: int, alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws a rectangle, its centre uniform over the image: float32 [1, height, width, 1], 0 inside and 1 outside."""
    of_share, of_centre = tf.unstack(tf.random.split(seed, 2))
    sides = tf.constant([height, width], tf.float32)
    covered = tf.cast(sides * tf.sqrt(1.0 - beta(alpha, of_share)), tf.int32)
    centre = tf.cast(tf.random.stateless_uniform([2], of_centre) * sides, tf.int32)
    first = centre - covered // 2
    row, column = tf.range(height) - first[0], tf.range(width) - first[1]
    row_covered, column_covered = (row >= 0) & (row < covered[0]), (column >= 0) & (column < covered[1])
    inside = row_covered[:, tf.newaxis] & column_covered
    return 1.0 - tf.cast(inside[tf.newaxis, :, :, tf.newaxis], tf.float32)
