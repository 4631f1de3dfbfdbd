"""The paper's surrogate: an LSTM with a sigmoid output, or the mean of several (paper, section 4)."""

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.arrays import Float32Array, IntArray
from epnas_tf.config import SurrogateConfig
from epnas_tf.surrogate import lstm
from epnas_tf.surrogate.lstm_graphs import Slot, lstm_graphs
from epnas_tf.surrogate.surrogate import Scorer, State, Surrogate
from epnas_tf.surrogate.table import Rows

ROWS_AT_ONCE = 1024
"""Rows of one whole-sequence prediction: about 50 MB at 20 levels of 100 units."""

DEVICE = "CPU:0"
"""The surrogate's device: its steps are too small for a GPU to be faster, and a CPU repeats them bit for bit."""


class LSTMSurrogate(Surrogate):
    """A surrogate of LSTMs that differ in their initial weights, each trained by Adam on the L1 loss.

    The kernels of the linear input and output layers are initialised uniformly in [-1, 1] (paper, section 5), the LSTM
    cell by Keras's defaults (the paper is silent). The prediction is the sigmoid of the mean output.

    Each fit takes `surrogate_steps` steps (paper, section 4). The first one, and every one from new weights (`refit`),
    has the higher of the two learning rates (PNAS) and starts by centring the predictions on the scores.
    """

    def __init__(self, num_features: int, num_levels: int, config: SurrogateConfig, seed: int) -> None:
        """Makes the members, with weights that depend on `seed` alone.

        Args:
            num_features: length F of a level's symbol array.
            num_levels: levels L of the longest sequence.
            config: sizes and training.
            seed: decides the initial weights, at least 0.
        """
        super().__init__(num_features, num_levels, config)
        self._seed = seed
        with tf.device(DEVICE):
            values = first_weights(num_features, config, (seed, 0))
            # Adam's state: two moments of each weight's shape, and the number of steps done.
            self._variables = lstm.Weights(*(tf.Variable(value) for value in values))
            self._first_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self._variables]
            self._second_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self._variables]
            self._step = tf.Variable(0, dtype=tf.int64)
        specs = lstm.Weights(*(tf.TensorSpec(value.shape, value.dtype) for value in values))
        self._graphs = lstm_graphs(specs, num_levels)

    @property
    def num_traces(self) -> int:
        """How often the graphs of surrogates of these sizes were traced: at most once each."""
        return self._graphs.num_traces

    def predict(self, features: Float32Array, levels: IntArray) -> Float32Array:
        """The predicted scores in [0, 1], float32 [rows]; the arguments are those of `Rows`."""
        self.check_rows(features, levels)
        mean = self.outputs(features, levels).sum(axis=0) / self._config.ensemble
        return (1 / (1 + np.exp(-mean))).astype(np.float32)

    def outputs(self, features: Float32Array, levels: IntArray) -> Float32Array:
        """Returns each member's outputs, before the sigmoid, float32 [members, rows]."""
        # In blocks, to bound the memory of the states of all rows and levels.
        blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(levels), ROWS_AT_ONCE)]
        with tf.device(DEVICE):
            graph, weights = self._graphs.outputs, self._weights
            parts = [graph(weights, float32(features[block]), int32(levels[block])).numpy() for block in blocks]
        # The empty part gives [members, 0] if there is no row.
        return np.concatenate([np.empty((self._config.ensemble, 0), np.float32), *parts], axis=1)

    def log_scorer(self, features: Float32Array, levels: IntArray) -> Scorer:
        """Makes a scorer of the extensions of some parents; see `Surrogate.log_scorer`.

        Beyond `lstm_graphs.FEW` candidates, each new pair of numbers of parents and extensions is compiled, which takes
        some tenths of a second.
        """
        self.check_rows(features, levels)
        with tf.device(DEVICE):
            weights = self._weights
            # The states after each parent's last level; the zero state before the first one.
            hidden, cell = self._graphs.states(weights, float32(features), int32(levels))
        most = 0

        def score(extensions: Float32Array) -> Float32Array:
            nonlocal most
            most = max(most, len(extensions))
            padded = np.zeros((most, extensions.shape[1]), np.float32)  # the last block, too: one shape to compile
            padded[: len(extensions)] = extensions
            with tf.device(DEVICE):
                return self._graphs.log_scores(weights, hidden, cell, padded)[: len(extensions)]

        return score

    @property
    def _weights(self) -> lstm.Weights:
        """The current weights of all members."""
        return lstm.Weights(*(variable.value() for variable in self._variables))

    def _learn(self, rows: Rows, rng: np.random.Generator) -> None:
        config, anew = self._config, not self.num_fits or self._config.refit
        if anew:
            if self.num_fits:
                self._begin_anew()
            self._centre(rows)
        rate = config.first_surrogate_learning_rate if anew else config.surrogate_learning_rate
        members = [
            minibatches(len(rows.scores), config.surrogate_batch_size, config.surrogate_steps, rng)
            for _ in range(config.ensemble)
        ]
        # int32 [steps, members, batch size]: every member has an order of its own.
        batches = np.stack(members, axis=1)
        # Handles of variables, not the variables: surrogates of the same sizes share one trace.
        slots = [
            Slot(*(variable.handle for variable in variables))
            for variables in zip(self._variables, self._first_moments, self._second_moments, strict=True)
        ]
        table = (float32(rows.features), int32(rows.levels), float32(rows.scores))
        with tf.device(DEVICE):
            self._graphs.train(slots, self._step.value(), *table, batches, np.float32(rate))
            # Adam's bias correction continues from fit to fit.
            self._step.assign_add(len(batches))

    def _begin_anew(self) -> None:
        """Resets the members to the initial weights of this fit's number, and Adam's state to zero."""
        with tf.device(DEVICE):
            values = first_weights(self._shape[1], self._config, (self._seed, self.num_fits))
            for weight, value in zip(self._variables, values, strict=True):
                weight.assign(value)
            for slot in (*self._first_moments, *self._second_moments):
                slot.assign(tf.zeros_like(slot))
            self._step.assign(0)

    def _centre(self, rows: Rows) -> None:
        """Shifts each member's outputs so that the median prediction is the median score.

        With a bias of zero and scores that are all high, Adam's first steps move every weight in the same direction by
        the whole learning rate. With kernels in [-1, 1] (paper, section 5) and a rate of 0.01 (PNAS), the sigmoid then
        saturates and the L1 loss has no gradient left: on accuracies around 0.9, most first fits in the micro space
        ended so. Around the median, the scores pull both ways.
        """
        median = np.clip(np.median(rows.scores), 0.01, 0.99)
        shift = np.log(median / (1 - median)) - np.median(self.outputs(rows.features, rows.levels), axis=1)
        self._variables.output_bias.assign_add(shift.astype(np.float32)[:, np.newaxis, np.newaxis])

    def _arrays(self) -> State:
        return {name: variable.numpy() for name, variable in self._named().items()}

    def _restore(self, arrays: State) -> None:
        for name, variable in self._named().items():
            variable.assign(arrays[name])

    def _named(self) -> dict[str, tf.Variable]:
        """The weights, Adam's moments and its step, by name."""
        names = self._variables._fields
        return {
            **dict(zip(names, self._variables, strict=True)),
            **{f"adam_m/{name}": slot for name, slot in zip(names, self._first_moments, strict=True)},
            **{f"adam_v/{name}": slot for name, slot in zip(names, self._second_moments, strict=True)},
            "adam_step": self._step,
        }


def first_weights(num_features: int, config: SurrogateConfig, entropy: Sequence[int]) -> lstm.Weights:
    """Draws the members' initial weights, as arrays; `entropy`, non-negative integers, decides them."""
    # Four seeds a member, one for each kernel.
    seeds = np.random.SeedSequence(entropy).generate_state(4 * config.ensemble).reshape(-1, 4)
    members = [_first_weights(num_features, config, [int(seed) for seed in row]) for row in seeds]
    return lstm.Weights(*(np.stack(weights) for weights in zip(*members, strict=True)))


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


def float32(array: npt.ArrayLike) -> Float32Array:
    """Converts to a float32 array that TensorFlow takes without a copy."""
    return np.ascontiguousarray(array, np.float32)


def int32(array: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Converts to an int32 array that TensorFlow takes without a copy."""
    return np.ascontiguousarray(array, np.int32)
