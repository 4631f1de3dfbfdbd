"""Searches in which a child's training is replaced by a fixed score, so that all else is left to be measured."""

import collections
import contextlib
import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import keras_tuner
import numpy as np

from benchmarks.worker import CLOCKS
from epnas_tf import prepare_tensorflow
from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildOutcome, ChildResult, SharedValues
from epnas_tf.config import (
    ChildConfig,
    DataConfig,
    NetworkConfig,
    RunConfig,
    SearchConfig,
    SpaceConfig,
    SurrogateConfig,
)
from epnas_tf.network import Network, VariableStore
from epnas_tf.network.layout import Layout
from epnas_tf.network.optimizer import NesterovSGD
from epnas_tf.run.runner import run_search
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import MacroSpace
from epnas_tf.space.graph import Key
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.state_files import StateFiles
from epnas_tf.tuner import hyperparameters
from epnas_tf.tuner.hypermodel import MacroHyperModel
from epnas_tf.tuner.oracle import EPNASOracle
from epnas_tf.tuner.tuner import EPNASTuner

TRAINING, SEARCH, STATE, FILES, REST = "training", "ask and tell", "our state", "KerasTuner's files", "the rest"

Parts = dict[str, list[tuple[type, str]]]
"""Methods, as (class, name), of each part."""

OF_OURS: Parts = {SEARCH: [(ProgressiveSearch, name) for name in ("advance", "ask", "tell")]}
OF_RUN_SEARCH: Parts = {
    **OF_OURS,
    STATE: [
        (ProgressiveSearch, "get_state"),
        (VariableStore, "get_state"),
        (NesterovSGD, "get_state"),
        *((RunDirectory, name) for name in ("append_record", "save_state", "save_best")),
    ],
}
OF_OUR_TUNER: Parts = {
    SEARCH: [*OF_OURS[SEARCH], (EPNASOracle, "populate_space"), (EPNASOracle, "_tell_ended")],
    STATE: [*((owner, "get_state") for owner in (ProgressiveSearch, VariableStore, NesterovSGD)), (StateFiles, "save")],
    # The JSON of our part of oracle.json is counted here too.
    FILES: [(EPNASOracle, "save"), (EPNASOracle, "_save_trial"), (EPNASTuner, "save")],
}
OF_RANDOM_SEARCH: Parts = {
    SEARCH: [(keras_tuner.oracles.RandomSearchOracle, "populate_space"), (keras_tuner.Oracle, "score_trial")],
    FILES: [(keras_tuner.Oracle, "save"), (keras_tuner.Oracle, "_save_trial"), (keras_tuner.RandomSearch, "save")],
}


class Stopwatch:
    """Adds up the time of several parts; a part that is called within another one counts for itself only.

    Args:
        clock: returns the time in seconds.

    Attributes:
        laps: the seconds of each part, by name, a mapping for each lap that has ended.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.laps: list[dict[str, float]] = []
        self._seconds: dict[str, float] = collections.defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    def lap(self) -> None:
        """Ends a lap."""
        self._note()
        self.laps.append(dict(self._seconds))
        self._seconds.clear()

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts what happens within for a part."""
        self._note()
        self._running.append(name)
        try:
            yield
        finally:
            self._note()
            self._running.pop()

    @contextlib.contextmanager
    def watching(self, parts: Mapping[str, Sequence[tuple[type, str]]]) -> Iterator[None]:
        """Counts the calls of some methods, given as (class, name), for parts."""
        with contextlib.ExitStack() as stack:
            for part, methods in parts.items():
                for owner, name in methods:
                    watched = self._watched(part, getattr(owner, name))
                    stack.enter_context(mock.patch.object(owner, name, watched))
            yield

    def _watched(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.part(part):
                return method(*args, **kwargs)

        return watched

    def _note(self) -> None:
        now = self._clock()
        if self._running:
            self._seconds[self._running[-1]] += now - self._since
        self._since = now


class Enough(BaseException):
    """Stops a search; no `Exception`, which KerasTuner would take for a failed trial."""


class FixedScores(ChildTrainer):
    """A trainer that makes a child's layers, and gives a random score for it.

    Args:
        stopwatch: begins a lap with every child.
        trials: children after which the search is stopped.
        *others: what `ChildTrainer` takes.
    """

    def __init__(self, stopwatch: Stopwatch, trials: int, *others: Any) -> None:
        super().__init__(*others)
        self._stopwatch, self._trials = stopwatch, trials
        self._rng = np.random.default_rng(0)

    def outcome(self, architecture: Any, seed: int, *others: Any, **more: Any) -> ChildOutcome:
        """Returns a score, and the initial values as the trained ones: the state has its size and its cost."""
        del seed, others, more
        self._stopwatch.lap()
        if len(self._stopwatch.laps) > self._trials:
            raise Enough
        with self._stopwatch.part(TRAINING):
            network = Network(architecture, self.shape, self.store)
            layout = Layout(self.store, network.layers)
            values = SharedValues(*layout.cut(layout.read()))
        score = float(self._rng.uniform(0.8, 0.9))
        return ChildOutcome(values, ChildResult(score, 0.5, 0.5, 1, network.num_parameters, 0.0, 0.0, 0.0), None)

    def commit(self, values: SharedValues, steps: Mapping[Key, int]) -> None:
        """Keeps the values, as the end of a training."""
        with self._stopwatch.part(TRAINING):
            super().commit(values, steps)


class RandomScores(keras_tuner.RandomSearch):
    """KerasTuner's random search with random scores, and a lap for every trial."""

    stopwatch: Stopwatch

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        """Returns a score."""
        self.stopwatch.lap()
        return float(np.random.default_rng(int(trial.trial_id)).uniform(0.8, 0.9))


class Searches:
    """The three searches, over macro networks.

    Args:
        layers: of the deepest networks.
        channels: of the networks.
        trials: how many trials each search makes.
    """

    def __init__(self, layers: int, channels: int, trials: int) -> None:
        prepare_tensorflow()
        self._layers, self._channels, self._trials = layers, channels, trials
        iterations = -(-(trials + 1) // (6 + (layers - 1) * SearchConfig.k))
        self._search = SearchConfig(iterations=iterations)
        # A fit changes neither the sizes of the state nor how often it is written, and is measured elsewhere.
        self._surrogate = SurrogateConfig(surrogate_steps=1)

    def epnas_search(self, folder: str, stopwatch: Stopwatch) -> None:
        """Runs `run_search`."""
        config = RunConfig(
            space=SpaceConfig(layers=self._layers),
            network=NetworkConfig(channels=self._channels),
            data=DataConfig(dataset="digits"),
            search=self._search,
            surrogate=self._surrogate,
        )
        with self._watched("children.setup", stopwatch, OF_RUN_SEARCH):
            run_search(config, folder)

    def epnas_tuner(self, folder: str, stopwatch: Stopwatch) -> None:
        """Runs `EPNASTuner`."""
        model = MacroHyperModel((8, 8, 1), 10, self._layers, channels=self._channels)
        images, labels = np.random.default_rng(0).random((20, 8, 8, 1), np.float32), np.arange(20) % 10
        tuner = EPNASTuner(model, self._search, ChildConfig(), self._surrogate, directory=folder, project_name="ours")
        with self._watched("tuner.tuner", stopwatch, OF_OUR_TUNER):
            tuner.search(images[:10], labels[:10], validation_data=(images[10:], labels[10:]), verbose=0)

    def random_search(self, folder: str, stopwatch: Stopwatch) -> None:
        """Runs `keras_tuner.RandomSearch` over the hyperparameters of the same space."""
        hp = keras_tuner.HyperParameters()
        hyperparameters.read(MacroSpace(self._layers), hp)
        tuner = RandomScores(
            objective="val_accuracy",
            max_trials=self._trials + 1,
            hyperparameters=hp,
            seed=1,
            directory=folder,
            project_name="theirs",
        )
        tuner.stopwatch = stopwatch
        with stopwatch.watching(OF_RANDOM_SEARCH):
            tuner.search(verbose=0)

    @contextlib.contextmanager
    def _watched(self, module: str, stopwatch: Stopwatch, parts: Parts) -> Iterator[None]:
        """Puts fixed scores in the place of a module's trainer, counts the parts, and goes on once it is enough."""
        trainer = functools.partial(FixedScores, stopwatch, self._trials)
        with (
            contextlib.suppress(Enough),
            mock.patch(f"epnas_tf.{module}.ChildTrainer", trainer),
            stopwatch.watching(parts),
        ):
            yield

    def laps(self, search: str, clock: str) -> list[dict[str, float]]:
        """Runs a search and returns what the time between each two trainings went into, by part and by a clock."""
        stopwatch = Stopwatch(CLOCKS[clock])
        run: Callable[[str, Stopwatch], None] = getattr(self, search)
        with tempfile.TemporaryDirectory() as folder, stopwatch.part(REST):
            run(folder, stopwatch)
        return stopwatch.laps[1:]
