"""Fits on tables of measured scores: of the surrogate as the search fits it, and of the same model by Keras."""

from typing import Any

import numpy as np

from benchmarks.sides import plain_surrogate
from epnas_tf import prepare_tensorflow
from epnas_tf.config import PAPER_SURROGATE, SurrogateConfig
from epnas_tf.space import MacroSpace
from epnas_tf.surrogate.surrogate import Surrogate
from epnas_tf.surrogate.table import Measurement, Rows, to_rows


def random_table(space: MacroSpace, rows: int) -> Rows:
    """Returns architectures of all levels, the first ones of level 1 as in a search."""
    rng = np.random.default_rng(0)
    levels = [1 if row < 6 else 2 + (row - 6) // 25 % (space.num_levels - 1) for row in range(rows)]
    architectures = [space.indices(space.sample(rng, level)) for level in levels]
    scores = rng.uniform(0.8, 0.9, rows).tolist()
    measured = zip(architectures, scores, strict=True)
    return to_rows(space, [Measurement(indices, row, 0, score) for row, (indices, score) in enumerate(measured)])


class OurFits:
    """Fits one surrogate again and again, as a search does.

    Args:
        layers: of the macro space.
        rows: of the tables, one table for each number.
        config: of the surrogate; the paper's by default.
    """

    def __init__(self, layers: int, rows: list[int], config: SurrogateConfig = PAPER_SURROGATE) -> None:
        prepare_tensorflow()
        space = MacroSpace(layers)
        self._tables = [random_table(space, count) for count in rows]
        self._surrogate = Surrogate(space.num_features, layers, config, seed=0)
        self._rng = np.random.default_rng(0)

    def fit(self, table: int) -> None:
        """Fits on one of the tables, the error over all rows included."""
        self._surrogate.fit(self._tables[table], self._rng)

    def num_traces(self) -> int:
        """Returns how often a graph was traced so far."""
        return self._surrogate.num_traces


class KerasFits:
    """Fits the same model by `model.fit`, in as many steps, and predicts all rows; the arguments are those of ours."""

    def __init__(self, layers: int, rows: list[int]) -> None:
        space, self._config = MacroSpace(layers), PAPER_SURROGATE
        self._tables = [random_table(space, count) for count in rows]
        self._model = plain_surrogate.build_model(layers, space.num_features, self._config, masked=True)

    def fit(self, table: int) -> None:
        """Fits on one of the tables, the error over all rows included."""
        features, _, scores, *_ = self._tables[table]
        size = min(self._config.surrogate_batch_size, len(scores))
        options: dict[str, Any] = {"batch_size": size, "verbose": 0}
        steps_per_epoch = len(scores) // size
        used = steps_per_epoch * size
        epochs = -(-self._config.surrogate_steps // steps_per_epoch)
        self._model.fit(features[:used], scores[:used], epochs=epochs, **options)
        self._model.evaluate(features, scores, **options)
