"""The traced graphs of the LSTM surrogate; surrogates of the same sizes share them."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.surrogate import lstm

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Adam's constants, those of Keras."""

KEPT = 8
"""Number of sizes whose graphs a process caches, about 20 MB each; a surrogate keeps its own alive."""

FEW = 2**12
"""The most candidates that are scored without XLA: twice as slow, but no new shape is compiled."""


class Slot(NamedTuple):
    """The state that Adam updates for one weight: handles of float32 variables, scalar tensors of type resource.

    Attributes:
        weight: the weight itself.
        first: the first moment.
        second: the second moment.
    """

    weight: tf.Tensor
    first: tf.Tensor
    second: tf.Tensor


class LSTMGraphs:
    """The graphs of a surrogate; the number of rows may vary, so each is traced only once.

    Attributes:
        train: (slots, steps done before, features, levels, targets, batches, rate) → nothing.
        outputs: (weights, features, levels) → each member's outputs, float32 [members, rows].
        states: (weights, features, levels) → the states after each row's last level, as `lstm.states` returns them.
    """

    def __init__(self, weights: lstm.Weights, levels: int) -> None:
        """Declares the graphs; each is traced on first use.

        Args:
            weights: the shapes, as `tf.TensorSpec`s.
            levels: levels L of the longest sequence.
        """
        self._shapes = [weight.shape for weight in weights]
        members, num_features, _ = weights.input_kernel.shape
        # Rows, steps and batch size are None, so that other numbers of them need no new trace.
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
        state = tf.TensorSpec([members, None, weights.output_kernel.shape[1]], tf.float32)
        candidates = [weights, state, state, tf.TensorSpec([None, num_features], tf.float32)]
        self._plain = tf.function(_log_scores, candidates, autograph=False)
        # Fused by XLA, the gates take half the time, and their values are never written to memory.
        self._fused = tf.function(_log_scores, candidates, autograph=False, jit_compile=tf.test.is_built_with_xla())

    @property
    def num_traces(self) -> int:
        """How often the graphs were traced: at most once each."""
        graphs = (self.train, self.outputs, self.states, self._plain, self._fused)
        return sum(graph.experimental_get_tracing_count() for graph in graphs)

    def log_scores(
        self, weights: lstm.Weights, hidden: tf.Tensor, cell: tf.Tensor, features: Float32Array
    ) -> Float32Array:
        """Returns the log scores of parents × extensions, float32 [n, parents].

        Args:
            weights: the weights.
            hidden: float32 [members, parents, hidden units], the parents' states.
            cell: the same of their cells.
            features: float32 [n, F], the symbol arrays of the extensions.
        """
        graph = self._plain if hidden.shape[1] * len(features) <= FEW else self._fused
        return graph(weights, hidden, cell, features).numpy()

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
        """Takes one step of Adam for each step of `batches`: row numbers, int32 [steps, members, batch size]."""

        def step(number: tf.Tensor) -> tf.Tensor:
            batch, weights = batches[number], self._read(slots)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                # Each member has rows of its own: [members, batch, levels, F].
                hidden, _ = lstm.states(weights, tf.gather(features, batch), tf.gather(levels, batch))
                # Errors, [members, batch]; their absolute values are the L1 loss (paper, section 4).
                errors = tf.sigmoid(lstm.outputs(weights, hidden)) - tf.gather(targets, batch)
                # Members share no weights, so the gradient of the sum is the gradient of each member's loss.
                loss = tf.reduce_sum(tf.reduce_mean(tf.abs(errors), axis=1))
            gradients = tape.gradient(loss, list(weights))
            # Adam counts steps from 1, over all fits.
            apply_adam(slots, gradients, rate, tf.cast(done + tf.cast(number, tf.int64) + 1, tf.float32))
            return number + 1

        # The loop runs inside the graph: one call for a whole fit.
        count = tf.shape(batches)[0]
        tf.while_loop(lambda number: number < count, step, [tf.constant(0)])

    def _read(self, slots: Sequence[Slot]) -> lstm.Weights:
        """Reads the current weights and sets their shapes, which a handle does not carry."""
        values = [tf.raw_ops.ReadVariableOp(resource=slot.weight, dtype=tf.float32) for slot in slots]
        for value, shape in zip(values, self._shapes, strict=True):
            value.set_shape(shape)
        return lstm.Weights(*values)


@functools.lru_cache(KEPT)
def lstm_graphs(weights: lstm.Weights, levels: int) -> LSTMGraphs:
    """The shared graphs of all surrogates of some sizes; the arguments are those of `LSTMGraphs`."""
    return LSTMGraphs(weights, levels)


def apply_adam(slots: Sequence[Slot], gradients: Sequence[tf.Tensor], rate: tf.Tensor, step: tf.Tensor) -> None:
    """Takes one step of Adam: one fused kernel a variable, where Keras's optimizer needs a dozen operations.

    Args:
        slots: the slots of all weights.
        gradients: the gradients of all weights.
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


def _log_scores(weights: lstm.Weights, hidden: tf.Tensor, cell: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    # The paper's score (section 4); its logarithm is computed directly, so it does not underflow.
    outputs = lstm.candidate_outputs(weights, hidden, cell, features)
    # From [members, parents, n] to [n, parents]: candidates are numbered extension by extension.
    return tf.math.log_sigmoid(tf.transpose(tf.reduce_mean(outputs, axis=0)))
