"""The surrogate function: an LSTM that predicts a score from an architecture's symbol arrays (paper, section 4)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.config import SurrogateConfig
from epnas_tf.errors import SearchError, StateError
from epnas_tf.search import lstm
from epnas_tf.space.base import SearchSpace

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.integer[Any]]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Adam's constants, those of Keras."""

ROWS_AT_ONCE = 1024
"""Rows of a whole-sequence prediction: at 20 levels of 100 units some 50 MB."""

EXTENSIONS_AT_ONCE = 2048
"""Extensions of a scored block; with 25 parents some 20 MB."""

DEVICE = "CPU:0"
"""Where the surrogate lives: its steps are too small for a GPU to gain on them, and a CPU repeats them bit by bit."""


class Surrogate:
    """Predicts the validation accuracy of an architecture, and learns it by Adam on the L1 loss.

    Keras makes the layers: a linear input layer and a linear output layer, both with a kernel uniform in [-1, 1]
    (paper, section 5), and an LSTM cell with Keras's own initial weights (the paper is silent).

    Attributes:
        num_fits: how many fits the weights have seen.
    """

    def __init__(self, num_features: int, num_levels: int, config: SurrogateConfig, seed: int) -> None:
        """Makes the layers with weights that depend on `seed` alone.

        Args:
            num_features: length F of a level's symbol array.
            num_levels: levels L of the longest sequence.
            config: sizes and training of the surrogate.
            seed: decides the initial weights, at least 0.
        """
        self._config = config
        self._shape = (num_levels, num_features)
        self.num_fits = 0
        seeds = [int(word) for word in np.random.SeedSequence(seed).generate_state(4)]
        with tf.device(DEVICE):
            self._make_variables(seeds)
        self._make_functions()

    def _make_variables(self, seeds: Sequence[int]) -> None:
        """Makes the layers, the first kernels from the seeds, and Adam's moments and step."""
        num_features, config = self._shape[1], self._config
        uniform = keras.initializers.RandomUniform
        self.input_layer = keras.layers.Dense(
            config.input_units, kernel_initializer=uniform(-1.0, 1.0, seed=seeds[0]), dtype="float32"
        )
        self.lstm_cell = keras.layers.LSTMCell(
            config.hidden_units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seeds[1]),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seeds[2]),
            seed=0,  # of a dropout that is not used
            dtype="float32",
        )
        self.output_layer = keras.layers.Dense(1, kernel_initializer=uniform(-1.0, 1.0, seed=seeds[3]), dtype="float32")
        self.input_layer.build((None, num_features))
        self.lstm_cell.build((None, config.input_units))
        self.output_layer.build((None, config.hidden_units))
        self._weights = lstm.Weights(
            *(layer.value for layer in (self.input_layer.kernel, self.input_layer.bias)),
            *(layer.value for layer in (self.lstm_cell.kernel, self.lstm_cell.recurrent_kernel, self.lstm_cell.bias)),
            *(layer.value for layer in (self.output_layer.kernel, self.output_layer.bias)),
        )
        self._first_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self._weights]
        self._second_moments = [tf.Variable(tf.zeros_like(weight)) for weight in self._weights]
        self._step = tf.Variable(0, dtype=tf.int64)

    def _make_functions(self) -> None:
        """Wraps the graphs, each with a signature that lets the number of rows vary: one trace serves the search."""
        rows = tf.TensorSpec([None, *self._shape], tf.float32)
        lengths = tf.TensorSpec([None], tf.int32)
        scores = tf.TensorSpec([None], tf.float32)
        batches = tf.TensorSpec([None, None], tf.int32)
        state = tf.TensorSpec([None, self._config.hidden_units], tf.float32)
        features = tf.TensorSpec([None, self._shape[1]], tf.float32)
        rate = tf.TensorSpec([], tf.float32)
        self._train = tf.function(self._train_steps, input_signature=[rows, lengths, scores, batches, rate])
        self._logits = tf.function(self._row_logits, input_signature=[rows, lengths])
        self._states = tf.function(
            lambda features, lengths: lstm.states(self._weights, features, lengths), input_signature=[rows, lengths]
        )
        self._log_scores = tf.function(
            lambda hidden, cell, features: lstm.log_scores(self._weights, hidden, cell, features),
            input_signature=[state, state, features],
            jit_compile=tf.test.is_built_with_xla(),  # fused it takes half the time and no memory for the gates
        )

    @property
    def num_traces(self) -> int:
        """How many times the graphs were traced; at most once each."""
        functions = (self._train, self._logits, self._states, self._log_scores)
        return sum(function.experimental_get_tracing_count() for function in functions)

    def fit(self, features: FloatArray, lengths: IntArray, scores: FloatArray, rng: np.random.Generator) -> float:
        """Trains on a table of measured scores: `surrogate_steps` steps of Adam on the L1 loss (paper, section 4).

        The first fit has the higher learning rate of the two (PNAS), and begins by centring the predictions on the
        scores. Adam's moments live on from fit to fit.

        Args:
            features: float32 [rows, L, F], the symbol arrays, padded with zeros after a row's length.
            lengths: integers [rows], the levels of each row, 1 … L.
            scores: float32 [rows], the measured scores in [0, 1].
            rng: decides the order of the rows.

        Returns:
            The mean absolute error over all rows after the fit.

        Raises:
            ValueError: if the shapes do not fit or there is no row.
            SearchError: if the weights are no longer finite.
        """
        self._check_rows(features, lengths)
        if scores.shape != lengths.shape or not scores.size:
            raise ValueError(
                f"`scores` must have one score a row, and at least one. Received: shape={scores.shape} for "
                f"{lengths.shape[0]} rows"
            )
        config = self._config
        rate = config.surrogate_learning_rate if self.num_fits else config.first_surrogate_learning_rate
        batches = minibatches(len(scores), config.surrogate_batch_size, config.surrogate_steps, rng)
        if not self.num_fits:
            self._centre(features, lengths, scores)
        with tf.device(DEVICE):
            self._train(_float32(features), _int32(lengths), _float32(scores), batches, np.float32(rate))
        self.num_fits += 1
        error = float(np.mean(np.abs(self.predict(features, lengths) - scores)))
        if not np.isfinite(error):
            raise SearchError(
                f"The surrogate diverged in fit {self.num_fits} at learning rate {rate}; a lower one may help. "
                f"Received: a mean absolute error of {error}"
            )
        return error

    def predict(self, features: FloatArray, lengths: IntArray) -> FloatArray:
        """Returns the predicted scores in [0, 1], float32 [rows]; the arguments are those of `fit`."""
        with tf.device(DEVICE):
            return tf.sigmoid(self.logits(features, lengths)).numpy()

    def logits(self, features: FloatArray, lengths: IntArray) -> FloatArray:
        """Returns the predictions before the sigmoid, float32 [rows]; the arguments are those of `fit`."""
        self._check_rows(features, lengths)
        blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(lengths), ROWS_AT_ONCE)]
        with tf.device(DEVICE):
            logits = [self._logits(_float32(features[block]), _int32(lengths[block])).numpy() for block in blocks]
        return np.concatenate([np.empty(0, np.float32), *logits])

    def states(self, features: FloatArray, lengths: IntArray) -> tuple[FloatArray, FloatArray]:
        """Returns the hidden and the cell state after each row's last level, float32 [rows, hidden units] each.

        A row of length 0 has the zero state, that before the first level.
        """
        self._check_rows(features, lengths)
        with tf.device(DEVICE):
            hidden, cell = self._states(_float32(features), _int32(lengths))
        return hidden.numpy(), cell.numpy()

    def log_scores(self, hidden: FloatArray, cell: FloatArray, features: FloatArray) -> FloatArray:
        """Returns the log scores of every parent with every extension, float32 [parents, n].

        Args:
            hidden: float32 [parents, hidden units], the parents' hidden states, as `states` returns them.
            cell: float32 [parents, hidden units], their cell states.
            features: float32 [n, F], the symbol arrays of n extensions of the parents' next level. Each new pair of
                numbers of parents and extensions is compiled, for a few tenths of a second.
        """
        with tf.device(DEVICE):
            return self._log_scores(_float32(hidden), _float32(cell), _float32(features)).numpy()

    def get_state(self) -> dict[str, npt.NDArray[Any]]:
        """Returns copies of the weights, of Adam's moments and step and of the number of fits, by name."""
        arrays = {name: np.array(variable.numpy()) for name, variable in self._variables().items()}
        return {**arrays, "surrogate/fits": np.array(self.num_fits, np.int64)}

    def set_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes what `get_state` returned; changes nothing if it does not fit.

        Raises:
            StateError: if a name is missing or unknown, or an array has another shape or data type.
        """
        expected = self.get_state()
        if set(state) != set(expected):
            raise StateError(
                f"A surrogate's state lacks {sorted(set(expected) - set(state))} and has unknown arrays. "
                f"Received: {sorted(set(state) - set(expected))}"
            )
        for name, array in expected.items():
            found = np.asarray(state[name])
            if found.shape != array.shape or found.dtype != array.dtype:
                raise StateError(
                    f"`{name}` must have shape {array.shape} and data type {array.dtype}. "
                    f"Received: shape={found.shape}, data type {found.dtype}"
                )
        for name, variable in self._variables().items():
            variable.assign(state[name])
        self.num_fits = int(state["surrogate/fits"])

    def _variables(self) -> dict[str, tf.Variable]:
        names = self._weights._fields
        return {
            **{f"surrogate/{name}": variable for name, variable in zip(names, self._weights, strict=True)},
            **{f"surrogate/adam_m/{name}": slot for name, slot in zip(names, self._first_moments, strict=True)},
            **{f"surrogate/adam_v/{name}": slot for name, slot in zip(names, self._second_moments, strict=True)},
            "surrogate/adam_step": self._step,
        }

    def _check_rows(self, features: FloatArray, lengths: IntArray) -> None:
        if features.shape[1:] != self._shape or lengths.shape != features.shape[:1]:
            raise ValueError(
                f"`features` must have shape (rows, {self._shape[0]}, {self._shape[1]}) and `lengths` (rows,). "
                f"Received: features.shape={features.shape}, lengths.shape={lengths.shape}"
            )

    def _centre(self, features: FloatArray, lengths: IntArray, scores: FloatArray) -> None:
        """Moves the output bias so that the median of the predictions is that of the scores.

        With a bias of zero, scores that are all high pull every weight the same way in Adam's first steps, each by the
        whole learning rate. Behind kernels in [-1, 1] (paper, section 5) a rate of 0.01 (PNAS) then throws the logits
        so far that the sigmoid saturates, and the L1 loss has no gradient left to come back by: on accuracies around
        0.9, most first fits in the micro space ended so. Around their median, the scores pull both ways.
        """
        median = np.clip(np.median(scores), 0.01, 0.99)
        shift = np.log(median / (1 - median)) - np.median(self.logits(features, lengths))
        self._weights.output_bias.assign_add([np.float32(shift)])

    def _row_logits(self, features: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        return lstm.logits(self._weights, lstm.states(self._weights, features, lengths)[0])

    def _train_steps(
        self, features: tf.Tensor, lengths: tf.Tensor, scores: tf.Tensor, batches: tf.Tensor, rate: tf.Tensor
    ) -> None:
        """One step of Adam for each row of `batches`, int32 [steps, batch size], which holds row numbers."""
        for step in tf.range(tf.shape(batches)[0]):  # a loop inside the graph
            batch = batches[step]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(self._weights)
                predicted = tf.sigmoid(self._row_logits(tf.gather(features, batch), tf.gather(lengths, batch)))
                loss = tf.reduce_mean(tf.abs(predicted - tf.gather(scores, batch)))
            self._apply(tape.gradient(loss, list(self._weights)), rate)

    def _apply(self, gradients: list[tf.Tensor], rate: tf.Tensor) -> None:
        """One step of Adam; one fused kernel a variable, where Keras's optimizer needs a dozen operations."""
        step = tf.cast(self._step.assign_add(1), tf.float32)
        slots = zip(self._weights, self._first_moments, self._second_moments, gradients, strict=True)
        for weight, first, second, gradient in slots:
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=tf.pow(BETA_1, step),
                beta2_power=tf.pow(BETA_2, step),
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient,
            )


def minibatches(rows: int, batch_size: int, steps: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Returns int32 [steps, min(batch_size, rows)], the row numbers of each step.

    The rows are shuffled, gone through and shuffled anew, so each is used as often as the next one, give or take one.
    """
    size = min(batch_size, rows)
    epochs = [rng.permutation(rows) for _ in range(-(-steps * size // rows))]
    return np.concatenate(epochs)[: steps * size].reshape(steps, size).astype(np.int32)


def score_candidates(
    surrogate: Surrogate,
    space: SearchSpace[Any, Any],
    level: int,
    hidden: FloatArray,
    cell: FloatArray,
    chunk_size: int = 2**18,
) -> Iterator[tuple[int, FloatArray]]:
    """Yields the log scores of all parents × extensions of a level, in the order of their flat index.

    The flat index of a candidate is extension · parents + parent: each extension is then encoded once for all parents,
    and no more of them are held than a chunk needs, however deep the level.

    Args:
        surrogate: predicts the scores.
        space: encodes the extensions.
        level: the level of the extensions, from 1.
        hidden: float32 [parents, hidden units], the parents' hidden states.
        cell: float32 [parents, hidden units], their cell states.
        chunk_size: the most candidates of a chunk, as far as there are no more parents than that.

    Yields:
        The flat index of the chunk's first candidate and float32 [n], the log scores from there on.
    """
    parents, extensions = len(hidden), space.num_extensions(level)
    block = max(1, min(EXTENSIONS_AT_ONCE, chunk_size // parents))
    for start in range(0, extensions, block):
        size = min(block, extensions - start)
        features = np.zeros((block, space.num_features), np.float32)  # always whole: one shape to compile
        features[:size] = space.encode(level, np.arange(start, start + size, dtype=np.int64))
        yield start * parents, surrogate.log_scores(hidden, cell, features)[:, :size].T.reshape(-1)


def _float32(array: npt.NDArray[Any]) -> FloatArray:
    return np.ascontiguousarray(array, np.float32)


def _int32(array: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    return np.ascontiguousarray(array, np.int32)
