"""An ensemble of LSTMs that learns to predict a number from an architecture's symbol arrays (paper, section 4)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.arrays import Float32Array, IntArray
from epnas_tf.config import SurrogateConfig
from epnas_tf.surrogate import lstm
from epnas_tf.surrogate.lstm_graphs import Link, Slot, lstm_graphs

ROWS_AT_ONCE = 1024
"""Rows of one whole-sequence prediction: about 50 MB at 20 levels of 100 units."""

DEVICE = "CPU:0"
"""The surrogate's device: its steps are too small for a GPU to be faster, and a CPU repeats them bit for bit."""


class LSTMEnsemble:
    """An ensemble of LSTMs that differ in their initial weights, each trained by Adam on the L1 loss.

    The kernels of the linear input and output layers are initialised uniformly in [-1, 1] (paper, section 5), the LSTM
    cell by Keras's defaults (the paper is silent).

    Attributes:
        specs: the shapes of the weights of all members, as `tf.TensorSpec`s.
        levels: levels L of the longest sequence.
        num_features: length F of a level's symbol array.
    """

    def __init__(
        self,
        num_features: int,
        num_levels: int,
        config: SurrogateConfig,
        seed: int,
        link: Link = tf.identity,
    ) -> None:
        """Makes the members, with weights that depend on `seed` alone.

        Args:
            num_features: length F of a level's symbol array.
            num_levels: levels L of the longest sequence.
            config: sizes and training.
            seed: decides the initial weights, at least 0.
            link: maps an output to a number that is compared with a target.
        """
        self.levels, self.num_features = num_levels, num_features
        self._config = config
        self._seed = seed
        with tf.device(DEVICE):
            values = first_weights(num_features, config, (seed, 0))
            # Adam's state: two moments of each weight's shape, and the number of steps done.
            self._variables = lstm.Weights(*(tf.Variable(value) for value in values))
            self._first_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self._variables]
            self._second_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self._variables]
            self._step = tf.Variable(0, dtype=tf.int64)
        self.specs = lstm.Weights(*(tf.TensorSpec(value.shape, value.dtype) for value in values))
        self._graphs = lstm_graphs(self.specs, num_levels, link)

    @property
    def weights(self) -> lstm.Weights:
        """The current weights of all members."""
        return lstm.Weights(*(variable.value() for variable in self._variables))

    @property
    def num_traces(self) -> int:
        """How often the graphs of ensembles of these sizes were traced: at most once each."""
        return self._graphs.num_traces

    def begin_anew(self, fit: int) -> None:
        """Resets the members to the initial weights of fit number `fit`, and Adam's state to zero."""
        with tf.device(DEVICE):
            values = first_weights(self.num_features, self._config, (self._seed, fit))
            for weight, value in zip(self._variables, values, strict=True):
                weight.assign(value)
            for slot in (*self._first_moments, *self._second_moments):
                slot.assign(tf.zeros_like(slot))
            self._step.assign(0)

    def fit(
        self, features: Float32Array, levels: IntArray, targets: Float32Array, rate: float, rng: np.random.Generator
    ) -> None:
        """Trains each member for `surrogate_steps` steps on minibatches of its own. Adam's state persists across fits.

        Args:
            features: float32 [rows, L, F], the symbol arrays, padded with zeros after a row's length.
            levels: integers [rows], the levels of each row, 1 … L.
            targets: float32 [rows].
            rate: Adam's learning rate.
            rng: decides the order of the rows.
        """
        config = self._config
        if not config.ensemble:
            return
        members = [
            minibatches(len(targets), config.surrogate_batch_size, config.surrogate_steps, rng)
            for _ in range(config.ensemble)
        ]
        # int32 [steps, members, batch size]: every member has an order of its own.
        batches = np.stack(members, axis=1)
        # Handles of variables, not the variables: ensembles of the same sizes share one trace.
        slots = [
            Slot(*(variable.handle for variable in variables))
            for variables in zip(self._variables, self._first_moments, self._second_moments, strict=True)
        ]
        rows = (float32(features), int32(levels), float32(targets))
        with tf.device(DEVICE):
            self._graphs.train(slots, self._step.value(), *rows, batches, np.float32(rate))
            # Adam's bias correction continues from fit to fit.
            self._step.assign_add(len(batches))

    def shift(self, by: Float32Array) -> None:
        """Adds a number, float32 [members], to each member's outputs."""
        self._variables.output_bias.assign_add(by.astype(np.float32)[:, np.newaxis, np.newaxis])

    def mean(self, features: Float32Array, levels: IntArray) -> Float32Array:
        """Returns the mean of the members' outputs, float32 [rows]; zeros if there are none."""
        return float32(self.outputs(features, levels).sum(axis=0) / max(self._config.ensemble, 1))

    def outputs(self, features: Float32Array, levels: IntArray) -> Float32Array:
        """Returns each member's outputs, float32 [members, rows]; the arguments are those of `fit`."""
        # In blocks, to bound the memory of the states of all rows and levels.
        blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(levels), ROWS_AT_ONCE)]
        with tf.device(DEVICE):
            graph, weights = self._graphs.outputs, self.weights
            parts = [graph(weights, float32(features[block]), int32(levels[block])).numpy() for block in blocks]
        # The empty part gives [members, 0] if there is no row.
        return np.concatenate([np.empty((self._config.ensemble, 0), np.float32), *parts], axis=1)

    def states(self, features: Float32Array, levels: IntArray) -> tuple[Float32Array, Float32Array]:
        """Returns the hidden and cell states after each row's last level, float32 [members, rows, hidden units].

        A row of length 0 has the zero state, that before the first level.
        """
        with tf.device(DEVICE):
            hidden, cell = self._graphs.states(self.weights, float32(features), int32(levels))
        return hidden.numpy(), cell.numpy()

    def variables(self) -> dict[str, tf.Variable]:
        """The weights, Adam's moments and its step, by name."""
        names = self._variables._fields
        return {
            **dict(zip(names, self._variables, strict=True)),
            **{f"adam_m/{name}": slot for name, slot in zip(names, self._first_moments, strict=True)},
            **{f"adam_v/{name}": slot for name, slot in zip(names, self._second_moments, strict=True)},
            "adam_step": self._step,
        }


def first_weights(num_features: int, config: SurrogateConfig, entropy: Sequence[int]) -> lstm.Weights:
    """Draws an ensemble's initial weights, as arrays; `entropy`, non-negative integers, decides them."""
    # Four seeds a member, one for each kernel.
    count = max(config.ensemble, 1)  # the shapes of an ensemble without members are those of one
    seeds = np.random.SeedSequence(entropy).generate_state(4 * count).reshape(-1, 4)
    members = [_first_weights(num_features, config, [int(seed) for seed in row]) for row in seeds]
    return lstm.Weights(*(np.stack(weights)[: config.ensemble] for weights in zip(*members, strict=True)))


def _first_weights(num_features: int, config: SurrogateConfig, seeds: Sequence[int]) -> lstm.Weights:
    """Draws the initial weights of one LSTM, as arrays; kernels are matrices and biases rows.

    They equal those of Keras's `Dense` and `LSTMCell`; making the layers would take five times as long.
    """
    units, gates = config.hidden_units, 4 * config.hidden_units
    initializers = (
        (keras.initializers.RandomUniform(-1.0, 1.0, seed=seeds[0]), (num_features, config.input_units)),
        (keras.initializers.GlorotUniform(seed=seeds[1]), (config.input_units, gates)),
        (keras.initializers.Orthogonal(seed=seeds[2]), (units, gates)),
        (keras.initializers.RandomUniform(-1.0, 1.0, seed=seeds[3]), (units, 1)),
    )
    kernels = (initializer(shape, dtype="float32") for initializer, shape in initializers)
    inwards, along, recurrent, outwards = (kernel.numpy() for kernel in kernels)
    bias = np.zeros((1, gates), np.float32)
    # The forget gate's bias is 1, so that the cell state is kept at first.
    bias[:, units : 2 * units] = 1.0
    zero = np.zeros((1, config.input_units), np.float32)
    return lstm.Weights(inwards, zero, along, recurrent, bias, outwards, np.zeros((1, 1), np.float32))


def minibatches(rows: int, batch_size: int, steps: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Draws the row numbers of each step, int32 [steps, min(batch_size, rows)].

    The rows are shuffled again after each pass, so the numbers of uses of any two rows differ by one at most.
    """
    size = min(batch_size, rows)
    # As many passes as all steps need, rounded up; a minibatch may span two passes.
    epochs = [rng.permutation(rows) for _ in range(-(-steps * size // rows))]
    return np.concatenate(epochs)[: steps * size].reshape(steps, size).astype(np.int32)


def float32(array: npt.NDArray[Any]) -> Float32Array:
    """Converts to a float32 array that TensorFlow takes without a copy."""
    return np.ascontiguousarray(array, np.float32)


def int32(array: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Converts to an int32 array that TensorFlow takes without a copy."""
    return np.ascontiguousarray(array, np.int32)
