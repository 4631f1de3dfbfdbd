"""The training step of the final network, the average over the steps, and a loop over them inside the graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from epnas_tf.config import RecipeConfig
from epnas_tf.devices import Step, compiled
from epnas_tf.network.network import Network
from epnas_tf.training.auxiliary import SCORES
from epnas_tf.training.mixing import mixed
from epnas_tf.training.optimizer import FinalOptimizer
from epnas_tf.training.regularization import DropoutAndDropPath
from epnas_tf.training.schedule import learning_rate

DROPPED, MIXED = 0, 1
"""The purposes of a step's random numbers."""


def cross_entropy(labels: tf.Tensor, scores: tf.Tensor, smoothing: float) -> tf.Tensor:
    """The mean cross-entropy in nats.

    Args:
        labels: integers [batch].
        scores: float32 [batch, classes], before the softmax.
        smoothing: fraction of each label that is spread evenly over all classes.

    Returns:
        float32 scalar.
    """
    if not smoothing:
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
    classes = scores.shape[-1]
    targets = tf.one_hot(labels, classes, 1.0 - smoothing + smoothing / classes, smoothing / classes)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, scores))


def update_average(averaged: Network, trained: Network, decay: float, number: tf.Tensor) -> None:
    """Moves the variables of a network towards those of another, by one step of an exponential moving average.

    Args:
        averaged: holds the averages, of batch norm's statistics too.
        trained: has at least the layers of `averaged`.
        decay: weight of the old average; less in the first steps, so that the initial values are soon forgotten.
        number: integer scalar, the steps before this one.
    """
    done = tf.cast(number, tf.float32)
    rate = 1.0 - tf.minimum(decay, (1.0 + done) / (10.0 + done))
    for key, layer in averaged.layers.items():
        for average, variable in zip(layer.weights, trained.layers[key].weights, strict=True):
            average.value.assign_sub(rate * (average.value - variable.value))


def make_steps(
    network: Network,
    optimizer: FinalOptimizer,
    recipe: RecipeConfig,
    steps_per_epoch: int,
    seed: int,
    averaged: Network | None = None,
) -> Callable[..., Any]:
    """Makes the training loop of a network, one `tf.function`.

    Args:
        network: the network to train; its graph has an auxiliary head if `auxiliary_weight` is above 0.
        optimizer: updates the network's trainable variables.
        recipe: the training recipe.
        steps_per_epoch: training steps in an epoch.
        seed: of dropout, drop-path and mixtures.
        averaged: the same network, whose variables become the averages of `ema_decay`; None for no average.

    Returns:
        A function of (iterator over batches, first step, step to stop before; int32) to (steps done, int32; summed
        loss without L2 and auxiliary head, float32; correct predictions, float32). Of a mixture, the label of the
        larger share is the correct one. It stops early once the loss is not finite.
    """
    variables = [variable.value for variable in network.trainable_variables]
    last = network.graph.keys[-1]
    total = float(recipe.epochs * steps_per_epoch)

    def seed_of(number: tf.Tensor, purpose: int) -> tf.Tensor:
        return tf.random.fold_in(tf.constant([seed, purpose], tf.int64), tf.cast(number, tf.int64))

    def step(
        number: tf.Tensor, images: tf.Tensor, labels: tf.Tensor, *mixture: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def loss_of(scores: tf.Tensor) -> tf.Tensor:
            loss = cross_entropy(labels, scores, recipe.label_smoothing)
            if not mixture:
                return loss
            others, share = mixture
            return share * loss + (1.0 - share) * cross_entropy(others, scores, recipe.label_smoothing)

        step_seed = seed_of(number, DROPPED)
        regularizer = DropoutAndDropPath(recipe, step_seed, tf.cast(number + 1, tf.float32) / total)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            outputs = network.outputs(images, training=True, regularizer=regularizer)
            loss = objective = loss_of(outputs[last])
            if recipe.auxiliary_weight:
                objective = loss + recipe.auxiliary_weight * loss_of(outputs[SCORES])
        rate = learning_rate(number, steps_per_epoch, recipe)
        optimizer.apply(tape.gradient(objective, variables), rate)
        if averaged is not None:
            update_average(averaged, network, recipe.ema_decay, number)
        main = tf.where(mixture[1] < 0.5, mixture[0], labels) if mixture else labels
        right = tf.equal(tf.argmax(outputs[last], axis=-1, output_type=labels.dtype), main)
        return loss, tf.reduce_sum(tf.cast(right, tf.float32))

    take_step: Step = compiled(step) if recipe.xla else step

    @tf.function(autograph=False)
    def run(iterator: Any, first: tf.Tensor, stop: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def body(
            number: tf.Tensor, loss_sum: tf.Tensor, right_sum: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            batch = images, labels = next(iterator)
            if recipe.mixup or recipe.cutmix:  # not in the step: XLA cannot draw from the Beta distribution
                batch = mixed(images, labels, recipe, seed_of(number, MIXED))
            loss, right = take_step(number, *batch)
            return number + 1, loss_sum + loss, right_sum + right

        number, loss_sum, right_sum = tf.while_loop(
            lambda number, loss_sum, right_sum: tf.logical_and(number < stop, tf.math.is_finite(loss_sum)),
            body,
            (first, tf.constant(0.0), tf.constant(0.0)),
        )
        return number - first, loss_sum, right_sum

    return run
