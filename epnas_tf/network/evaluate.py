"""The evaluation of a network, with its loop inside the graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def make_evaluate(class_scores: Callable[..., tf.Tensor]) -> Any:
    """Makes the evaluation of a network, one `tf.function` of the batches.

    Args:
        class_scores: maps images and the further arguments to class scores, float32 [batch, classes]; it decides which
            statistics batch norm uses.

    Returns:
        A function from a dataset, and the further arguments, to (correct answers, summed cross-entropy, number of
        images), float32 each.
    """

    @tf.function(autograph=False)
    def evaluate(batches: tf.data.Dataset, *arguments: Any) -> tuple[tf.Tensor, ...]:
        iterator = iter(batches)

        def body(optional: Any, totals: tuple[tf.Tensor, ...]) -> tuple[Any, tuple[tf.Tensor, ...]]:
            images, labels = optional.get_value()
            scores = class_scores(images, *arguments)
            right = tf.equal(tf.argmax(scores, axis=-1, output_type=labels.dtype), labels)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
            counts = (
                tf.reduce_sum(tf.cast(right, tf.float32)),
                tf.reduce_sum(losses),
                tf.cast(tf.size(labels), tf.float32),
            )
            sums = tuple(total + count for total, count in zip(totals, counts, strict=True))
            return iterator.get_next_as_optional(), sums

        _, totals = tf.while_loop(
            lambda optional, totals: optional.has_value(),
            body,
            (iterator.get_next_as_optional(), (tf.constant(0.0),) * 3),
        )
        return totals

    return evaluate
