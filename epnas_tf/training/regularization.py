"""Dropout and drop-path, applied between the layers during a training step."""

from typing import Any

import tensorflow as tf

from epnas_tf.config import RecipeConfig
from epnas_tf.space.graph import Node


class DropoutAndDropPath:
    """The regularizer of one training step.

    A keep probability of 1 adds nothing to the graph, so the network is exactly the plain one.

    Args:
        recipe: has the keep probabilities.
        seed: int64 [2], of this step.
        progress: float32 scalar, the completed fraction of the training, from 0 to 1.
    """

    def __init__(self, recipe: RecipeConfig, seed: tf.Tensor, progress: tf.Tensor) -> None:
        self._recipe = recipe
        self._seed = seed
        self._progress = progress
        self._masks = 0

    def inputs(self, node: Node, tensors: list[Any]) -> list[Any]:
        """Applies dropout to the features before the classifier.

        Dropping whole channels before the average over the pixels is the same as dropout of the averages.
        """
        keep = self._recipe.dropout_keep
        if keep == 1 or node.kind != "pooled_dense" or node.key[0] != "head":
            return tensors
        return [self._drop(x, tf.constant(keep), [tf.shape(x)[0], 1, 1, x.shape[-1]]) for x in tensors]

    def output(self, node: Node, tensor: Any) -> Any:
        """Applies drop-path to each image independently, more at deeper levels and later steps (ENAS)."""
        dropped = (1.0 - self._recipe.drop_path_keep) * node.path_depth
        if not dropped:
            return tensor
        return self._drop(tensor, 1.0 - dropped * self._progress, [tf.shape(tensor)[0], 1, 1, 1])

    def _drop(self, tensor: Any, keep: tf.Tensor, shape: list[Any]) -> Any:
        """Keeps values with a probability, and scales them so that the mean is unchanged."""
        seed = tf.random.fold_in(self._seed, self._masks)
        self._masks += 1
        mask = tf.floor(keep + tf.random.stateless_uniform(shape, seed)) / keep
        return tensor * tf.cast(mask, tensor.dtype)
