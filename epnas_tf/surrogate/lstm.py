"""The surrogate's LSTM as pure functions of its weights (paper, section 4, "Surrogate function").

A linear layer maps one level's symbol array to the input of one LSTM step; another maps the last hidden state to an
output. The gates are in Keras's order: input, forget, cell, output.

Every weight has a leading axis of M members: an ensemble is M such networks, computed by the same matrix products. The
paper's surrogate is an ensemble of one.
"""

from typing import NamedTuple

import tensorflow as tf


class Weights(NamedTuple):
    """The weights of M surrogates of F features, I input units and H hidden units: float32 tensors, variables, specs.

    Attributes:
        input_kernel: [M, F, I].
        input_bias: [M, 1, I].
        lstm_kernel: [M, I, 4H].
        lstm_recurrent_kernel: [M, H, 4H].
        lstm_bias: [M, 1, 4H].
        output_kernel: [M, H, 1].
        output_bias: [M, 1, 1].
    """

    input_kernel: tf.Tensor
    input_bias: tf.Tensor
    lstm_kernel: tf.Tensor
    lstm_recurrent_kernel: tf.Tensor
    lstm_bias: tf.Tensor
    output_kernel: tf.Tensor
    output_bias: tf.Tensor


def states(weights: Weights, features: tf.Tensor, row_levels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the state after the last level of each row.

    Every row runs through all steps, and its state is read at its own length. The result equals that of freezing the
    state past the length, at the cost of one selection instead of two a step.

    Args:
        weights: the weights.
        features: float32 [M, n, levels, F], each member's rows, or [1, n, levels, F], the same for all; with a static
            number of levels, rows padded with zeros at the end.
        row_levels: int32 [M, n] or [1, n], the levels of each row, 0 … levels; the state of a row of length 0 is zero.

    Returns:
        The hidden and the cell state, float32 [M, n, H] each.
    """
    levels, size = features.shape[2], features.shape[3]
    # The input part of all levels in one product, [M, n · levels, 4H], then one [M, n, 4H] for each level.
    inputs = input_part(weights, tf.reshape(features, [tf.shape(features)[0], -1, size]))
    members, width = inputs.shape[0], inputs.shape[2]
    inputs = tf.unstack(tf.reshape(inputs, [members, -1, levels, width]), axis=2)
    # The recurrence, from the zero state; the states after every level are kept.
    hidden = cell = tf.zeros([members, tf.shape(features)[1], weights.lstm_recurrent_kernel.shape[1]])
    hiddens, cells = [], []
    for level in range(levels):
        hidden, cell = _step(inputs[level] + recurrent_part(weights, hidden), cell)
        hiddens.append(hidden)
        cells.append(cell)
    # Select each row's last state; a row of length 0 has only zeros here, hence the zero state.
    last = tf.one_hot(row_levels - 1, levels)[..., tf.newaxis]
    return (
        tf.reduce_sum(tf.stack(hiddens, axis=2) * last, axis=2),
        tf.reduce_sum(tf.stack(cells, axis=2) * last, axis=2),
    )


def input_part(weights: Weights, features: tf.Tensor) -> tf.Tensor:
    """The gates' input from the symbol arrays: float32 [M or 1, n, F] → float32 [M, n, 4H]."""
    inputs = tf.matmul(features, weights.input_kernel) + weights.input_bias
    return tf.matmul(inputs, weights.lstm_kernel)


def recurrent_part(weights: Weights, hidden: tf.Tensor) -> tf.Tensor:
    """The gates' input from the previous hidden states: float32 [M, n, H] → float32 [M, n, 4H]."""
    return tf.matmul(hidden, weights.lstm_recurrent_kernel) + weights.lstm_bias


def outputs(weights: Weights, hidden: tf.Tensor) -> tf.Tensor:
    """Each member's outputs from the last hidden states: float32 [M, n, H] → float32 [M, n]."""
    return tf.squeeze(tf.matmul(hidden, weights.output_kernel) + weights.output_bias, axis=-1)


def candidate_outputs(weights: Weights, hidden: tf.Tensor, cell: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    """Each member's outputs for parents × extensions; only the last step of a sequence is computed for a candidate.

    The gates' input is the sum of a parent's part and an extension's part, so the matrix products are computed once for
    each parent and each extension. A candidate costs the sum, the gates and the output.

    Args:
        weights: the weights.
        hidden: float32 [M, parents, H], the parents' hidden states.
        cell: float32 [M, parents, H], their cell states.
        features: float32 [n, F], the extensions' symbol arrays.

    Returns:
        float32 [M, parents, n].
    """
    # [M, n, 4H] of the extensions and [M, parents, 4H] of the parents, summed to [M, parents, n, 4H].
    extensions = input_part(weights, features[tf.newaxis])
    gates = recurrent_part(weights, hidden)[:, :, tf.newaxis] + extensions[:, tf.newaxis]
    # The last step: hidden states of all candidates, [M, parents, n, H].
    last, _ = _step(gates, cell[:, :, tf.newaxis])
    kernel = tf.squeeze(weights.output_kernel, axis=-1)[:, tf.newaxis, tf.newaxis]
    # Not a matrix product, for which XLA would write the hidden states of all candidates to memory first.
    return tf.reduce_sum(last * kernel, axis=-1) + weights.output_bias


def _step(gates: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One LSTM step from the gates' inputs [..., 4H] and the cell state [..., H]: the next hidden and cell state."""
    input_gate, forget_gate, candidate, output_gate = tf.split(gates, 4, axis=-1)
    # Forget a part of the old cell state, add a part of the candidate state.
    cell = tf.sigmoid(forget_gate) * cell + tf.sigmoid(input_gate) * tf.tanh(candidate)
    return tf.sigmoid(output_gate) * tf.tanh(cell), cell
