"""The scores of all extensions of some parents, as traced graphs of the surrogate's weights.

A score is the sum of the additive prediction and the weighted LSTM output; without the additive part, a sigmoid of the
LSTM output.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.surrogate import lstm
from epnas_tf.surrogate.lstm_graphs import KEPT

FEW = 2**12
"""The most candidates of a block that is scored without XLA: twice as slow, but no new shape is compiled."""

SMALLEST = 1e-6
"""Lower bound of a score, so that it has a logarithm."""


class Parents(NamedTuple):
    """Everything about the parents that the scores of their extensions depend on.

    Attributes:
        hidden: float32 [members, parents, hidden units].
        cell: float32 [members, parents, hidden units].
        base: float32 [parents], the additive prediction without the extension's terms; zeros if there is none.
        kernel: float32 [F], the additive terms of the extension's symbol array; zeros if there are none.
    """

    hidden: Float32Array
    cell: Float32Array
    base: Float32Array
    kernel: Float32Array


class Draws(NamedTuple):
    """Drawn deviations of the additive part from the fit, for extensions of some parents.

    Attributes:
        bases: float32 [draws, parents], deviations of `Parents.base`.
        kernels: float32 [draws, F], deviations of `Parents.kernel`.
    """

    bases: Float32Array
    kernels: Float32Array


def skip_xla(parents: int, extensions: int) -> bool:
    """Whether parents × extensions are too few candidates to be worth compiling."""
    return parents * extensions <= FEW


class Scoring:
    """One way to score candidates: a plain graph for few of them, an XLA-compiled one for many."""

    def __init__(self, arithmetic: Callable[..., tf.Tensor], signature: list[Any]) -> None:
        """Declares both graphs; each is traced on first use."""
        self._plain = tf.function(arithmetic, signature, autograph=False)
        # Fused by XLA, the gates take half the time, and their values are never written to memory.
        self._fused = tf.function(arithmetic, signature, autograph=False, jit_compile=tf.test.is_built_with_xla())

    def __call__(self, weights: lstm.Weights, parents: Parents, features: Float32Array, *others: Any) -> Float32Array:
        """Scores parents with n extensions, given by their symbol arrays, float32 [n, F]."""
        graph = self._plain if skip_xla(len(parents.base), len(features)) else self._fused
        return graph(weights, parents, features, *others).numpy()

    @property
    def num_traces(self) -> int:
        """How often the graphs were traced."""
        return sum(graph.experimental_get_tracing_count() for graph in (self._plain, self._fused))


class ScoringGraphs(NamedTuple):
    """The ways to score candidates.

    Attributes:
        log_scores: (weights, parents, features, weight) → float32 [n, parents].
        drawn_scores: (weights, parents, features, weight, draws) → float32 [draws, n, parents].
    """

    log_scores: Scoring
    drawn_scores: Scoring


@functools.lru_cache(KEPT)
def scoring_graphs(weights: lstm.Weights, additive: bool) -> ScoringGraphs:
    """The shared graphs of all surrogates of some sizes.

    Args:
        weights: the shapes of the LSTMs' weights, as `tf.TensorSpec`s.
        additive: whether there is an additive part.
    """
    members, num_features, _ = weights.input_kernel.shape
    # The numbers of parents, extensions and draws are None: one trace serves all of them.
    state = tf.TensorSpec([members, None, weights.output_kernel.shape[1]], tf.float32)
    parents = Parents(state, state, tf.TensorSpec([None], tf.float32), tf.TensorSpec([num_features], tf.float32))
    signature = [weights, parents, tf.TensorSpec([None, num_features], tf.float32), tf.TensorSpec([], tf.float32)]
    draws = Draws(tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None, num_features], tf.float32))
    log_scores = _log_sums if additive else _log_sigmoids
    return ScoringGraphs(Scoring(log_scores, signature), Scoring(_drawn_sums, [*signature, draws]))


def _log_sigmoids(weights: lstm.Weights, parents: Parents, features: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    # The paper's score (section 4); its logarithm is computed directly, so it does not underflow.
    return tf.math.log_sigmoid(_mean_outputs(weights, parents, features))


def _log_sums(weights: lstm.Weights, parents: Parents, features: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    # The sum is not bounded as a sigmoid is: keep it above 0.
    return tf.math.log(tf.maximum(_sums(weights, parents, features, weight), SMALLEST))


def _drawn_sums(
    weights: lstm.Weights, parents: Parents, features: tf.Tensor, weight: tf.Tensor, draws: Draws
) -> tf.Tensor:
    # Deviations: [draws, n, 1] of the extensions, [draws, 1, parents] of the parents.
    of_extensions = tf.matmul(draws.kernels, features, transpose_b=True)[:, :, tf.newaxis]
    return _sums(weights, parents, features, weight) + draws.bases[:, tf.newaxis] + of_extensions


def _sums(weights: lstm.Weights, parents: Parents, features: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The predictions for parents × extensions, float32 [n, parents]; `weight` scales the mean LSTM output."""
    # Additive terms: [parents] of the parents, [n, 1] of the extensions.
    additive = parents.base + tf.linalg.matvec(features, parents.kernel)[:, tf.newaxis]
    return additive + weight * _mean_outputs(weights, parents, features)


def _mean_outputs(weights: lstm.Weights, parents: Parents, features: tf.Tensor) -> tf.Tensor:
    """The mean of the LSTMs' outputs for parents × extensions, float32 [n, parents]."""
    outputs = lstm.candidate_outputs(weights, parents.hidden, parents.cell, features)
    # From [members, parents, n] to [n, parents]: candidates are numbered extension by extension.
    return tf.transpose(tf.reduce_sum(outputs, axis=0) / max(outputs.shape[0], 1))
