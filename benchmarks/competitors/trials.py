"""Whole trials of two competitors, with the files that each writes; each is for a process of its own."""

import tempfile
import time
from collections.abc import Sequence
from typing import Any

import keras
import keras_tuner

from benchmarks.cases import Case
from benchmarks.competitors.steps import build_model
from benchmarks.interleaved import seconds
from epnas_tf import prepare_tensorflow
from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildResult
from epnas_tf.config import ChildConfig, RunConfig
from epnas_tf.data import ImageData, TrainingPipeline, evaluation_batches
from epnas_tf.data.pipeline import EVALUATION_BATCH
from epnas_tf.network import Network, VariableStore
from epnas_tf.run.recording import save_children, scalars
from epnas_tf.search.candidate import Candidate
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.storage.logs import TensorBoardLogs
from epnas_tf.storage.run_directory import RunDirectory

FILLED = 30
"""Architectures whose layers are there from the start: nearly all children of a search find theirs made."""


class SharedWeightTrials:
    """Trials as `epnas-search` does them: with its settings of TensorFlow, its trainer and its files.

    Args:
        case: the networks.
        parts: data sets; each trial names the one that it uses.
        epochs: of a trial.
        batch_size: images of a training step.
    """

    def __init__(self, case: Case, parts: Sequence[ImageData], epochs: int, batch_size: int) -> None:
        prepare_tensorflow()
        self._case, self._number = case, 0
        self._store = VariableStore()
        for architecture in case.architectures(FILLED, seed=1):
            Network(architecture, case.shape, self._store)
        config = ChildConfig(epochs=epochs, batch_size=batch_size)
        self._trainers = [
            ChildTrainer(
                self._store,
                case.shape,
                config,
                TrainingPipeline(data, batch_size, epochs),
                evaluation_batches(data.validation, data.mean, data.std),
            )
            for data in parts
        ]
        self._search: ProgressiveSearch[Any] = ProgressiveSearch(case.make_space())
        self._folder = tempfile.TemporaryDirectory()
        self._directory = RunDirectory(self._folder.name, RunConfig())
        self._logs = TensorBoardLogs(self._directory.path / "logs", print)

    def run(self, architecture: Any, part: int = 0, following: Any = None) -> float:
        """Builds, traces, trains, validates and saves; returns the validation accuracy.

        Args:
            architecture: the network.
            part: the data set.
            following: the network of the next trial, which is traced meanwhile; None to leave it to that.
        """
        trainer = self._trainers[part]
        result = trainer.train(architecture, self._number, following)
        self._save(architecture, result, trainer)
        trainer.wait()  # it should not go on while the other one has its turn
        self._number += 1
        return result.score

    def parts(self, architecture: Any, part: int = 0) -> dict[str, float]:
        """Takes a trial apart: what is done once a graph is what a first call takes longer than later ones.

        Args:
            architecture: the network; none is traced ahead.
            part: the data set.

        Returns:
            The seconds of each part.
        """
        trainer = self._trainers[part]
        result = trainer.train(architecture, self._number)  # for the files, and so that all layers are made
        began = time.perf_counter()
        child = trainer.trace(Network(architecture, self._case.shape, self._store))
        traced = time.perf_counter()
        values = child.layout.read()
        first, *again = (seconds(lambda: int(child.fit(trainer.training.batches(0), values)[0])) for _ in range(3))
        scored, *scored_again = (
            seconds(lambda: float(child.evaluate(trainer.validation, values)[0])) for _ in range(3)
        )
        return {
            "tracing the graphs": traced - began,
            "training, beside its steps": first - min(again),
            "the training steps": min(again),
            "validation, beside its steps": scored - min(scored_again),
            "the validation steps": min(scored_again),
            "the files": seconds(lambda: self._save(architecture, result, trainer)),
        }

    def state_bytes(self) -> int:
        """Returns the size of the newest state, after at least one trial."""
        return max(self._directory.path.glob("state/*.npz")).stat().st_size  # they are named by their numbers

    def _save(self, architecture: Any, result: ChildResult, trainer: ChildTrainer) -> None:
        """Writes what a search writes after a child."""
        candidate = Candidate(self._number, architecture, 0, self._case.levels, 1.0, 0.5)
        save_children(self._directory, [(candidate, result)], self._search, trainer, {})
        self._directory.save_best(candidate.architecture)
        self._logs.add(candidate.number + 1, scalars(candidate, result, self._search))


class KerasTunerTrials:
    """Trials of one `keras_tuner.RandomSearch`, over the same networks in plain Keras layers; TensorFlow as it comes.

    The images are normalised before. Its first build of a model, once a search, is not part of a trial.

    Args:
        case: the networks.
        parts: data sets; each trial names the one that it uses.
        epochs: of a trial.
        batch_size: images of a training step; validation takes as many at a time as ours does.
    """

    def __init__(self, case: Case, parts: Sequence[ImageData], epochs: int, batch_size: int) -> None:
        self._case, self._architecture, self._number = case, case.architectures(1)[0], 0
        self._parts = [
            [((images.images - data.mean) / data.std, images.labels) for images in (data.train, data.validation)]
            for data in parts
        ]
        self._options = {
            "epochs": epochs,
            "batch_size": batch_size,
            "validation_batch_size": EVALUATION_BATCH,
            "verbose": 0,
        }
        self._folder = tempfile.TemporaryDirectory()
        self._tuner = keras_tuner.RandomSearch(
            self._build, "val_accuracy", max_trials=1, seed=1, directory=self._folder.name, project_name="trials"
        )

    def _build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        hp.Int("number", 0, 2**30)  # a trial must differ from those before; which network it is, is decided outside
        return build_model(self._architecture, self._case.shape)

    def run(self, architecture: Any, part: int = 0) -> float:
        """Builds, traces, trains, validates and saves; returns the best validation accuracy so far."""
        self._architecture = architecture
        self._number += 1
        self._tuner.oracle.max_trials = self._number
        train, validation = self._parts[part]
        self._tuner.search(*train, validation_data=validation, **self._options)
        return float(self._tuner.oracle.get_best_trials(1)[0].score)
