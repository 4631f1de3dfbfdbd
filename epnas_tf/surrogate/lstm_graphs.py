"""What an ensemble of LSTMs does, as graphs of its weights: those of the same sizes share what was traced once."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from epnas_tf.surrogate import lstm

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Adam's constants, those of Keras."""

KEPT = 8
"""Sizes whose graphs are kept in a process, some 20 MB each; a surrogate keeps its own as long as it lives."""

Link = Callable[[tf.Tensor], tf.Tensor]
"""What turns an output into a number to compare with a target."""


class Slot(NamedTuple):
    """What Adam changes of one weight: scalar tensors of data type resource, the handles of float32 variables.

    Attributes:
        weight: the weight itself.
        first: the first moment.
        second: the second moment.
    """

    weight: tf.Tensor
    first: tf.Tensor
    second: tf.Tensor


class LSTMGraphs:
    """The graphs of an ensemble; the number of rows may vary, so each is traced once.

    Attributes:
        train: (slots, steps done before, features, levels, targets, batches, rate) → nothing.
        outputs: (weights, features, levels) → each member's outputs, float32 [members, rows].
        states: (weights, features, levels) → the states after each row's last level, as `lstm.states` returns them.
    """

    def __init__(self, weights: lstm.Weights, levels: int, link: Link) -> None:
        """Declares the graphs; each is traced where it is first used.

        Args:
            weights: the shapes, as `tf.TensorSpec`s.
            levels: levels L of the longest sequence.
            link: what turns an output into a number to compare with a target.
        """
        self._shapes = [weight.shape for weight in weights]
        self._link = link
        members, num_features, _ = weights.input_kernel.shape
        rows = tf.TensorSpec([None, levels, num_features], tf.float32)
        levels = tf.TensorSpec([None], tf.int32)
        targets = tf.TensorSpec([None], tf.float32)
        batches = tf.TensorSpec([None, members, None], tf.int32)
        handle = tf.TensorSpec([], tf.resource)
        slots = [Slot(handle, handle, handle) for _ in weights]
        done, rate = tf.TensorSpec([], tf.int64), tf.TensorSpec([], tf.float32)
        fit = [slots, done, rows, levels, targets, batches, rate]
        self.train = tf.function(self._train, input_signature=fit, autograph=False)
        self.outputs = tf.function(_outputs, input_signature=[weights, rows, levels], autograph=False)
        self.states = tf.function(_states, input_signature=[weights, rows, levels], autograph=False)

    @property
    def num_traces(self) -> int:
        """How many times the graphs were traced; at most once each."""
        return sum(graph.experimental_get_tracing_count() for graph in (self.train, self.outputs, self.states))

    def _train(
        self,
        slots: Sequence[Slot],
        done: tf.Tensor,
        features: tf.Tensor,
        levels: tf.Tensor,
        targets: tf.Tensor,
        batches: tf.Tensor,
        rate: tf.Tensor,
    ) -> None:
        """One step of Adam for each row of `batches`, int32 [steps, members, batch size], which holds row numbers."""

        def step(number: tf.Tensor) -> tf.Tensor:
            batch, weights = batches[number], self._read(slots)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                hidden, _ = lstm.states(weights, tf.gather(features, batch), tf.gather(levels, batch))
                errors = self._link(lstm.outputs(weights, hidden)) - tf.gather(targets, batch)
                # The sum over the members: none of their weights is another's, so each gets its own gradient.
                loss = tf.reduce_sum(tf.reduce_mean(tf.abs(errors), axis=1))
            gradients = tape.gradient(loss, list(weights))
            apply_adam(slots, gradients, rate, tf.cast(done + tf.cast(number, tf.int64) + 1, tf.float32))
            return number + 1

        count = tf.shape(batches)[0]
        tf.while_loop(lambda number: number < count, step, [tf.constant(0)])

    def _read(self, slots: Sequence[Slot]) -> lstm.Weights:
        """Returns the weights as they are now; a handle does not tell its variable's shape."""
        values = [tf.raw_ops.ReadVariableOp(resource=slot.weight, dtype=tf.float32) for slot in slots]
        for value, shape in zip(values, self._shapes, strict=True):
            value.set_shape(shape)
        return lstm.Weights(*values)


@functools.lru_cache(KEPT)
def lstm_graphs(weights: lstm.Weights, levels: int, link: Link) -> LSTMGraphs:
    """Returns the graphs of all ensembles of some sizes; the arguments are those of `LSTMGraphs`."""
    return LSTMGraphs(weights, levels, link)


def apply_adam(slots: Sequence[Slot], gradients: Sequence[tf.Tensor], rate: tf.Tensor, step: tf.Tensor) -> None:
    """One step of Adam; one fused kernel a variable, where Keras's optimizer needs a dozen operations.

    Args:
        slots: of each weight.
        gradients: of each weight.
        rate: scalar float32, the learning rate.
        step: scalar float32, the number of the step, from 1.
    """
    for slot, gradient in zip(slots, gradients, strict=True):
        tf.raw_ops.ResourceApplyAdam(
            var=slot.weight,
            m=slot.first,
            v=slot.second,
            beta1_power=tf.pow(BETA_1, step),
            beta2_power=tf.pow(BETA_2, step),
            lr=rate,
            beta1=BETA_1,
            beta2=BETA_2,
            epsilon=EPSILON,
            grad=gradient,
        )


def _states(weights: lstm.Weights, features: tf.Tensor, levels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return lstm.states(weights, features[tf.newaxis], levels[tf.newaxis])


def _outputs(weights: lstm.Weights, features: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    return lstm.outputs(weights, _states(weights, features, levels)[0])
