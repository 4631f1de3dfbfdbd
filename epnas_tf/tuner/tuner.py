"""The search as a KerasTuner tuner, which trains children in sequence on one store of shared weights."""

import contextlib
import inspect
import json
import math
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.distribute import utils as distribution
from keras_tuner.src.engine import conditions

from epnas_tf.children.child import ChildTrainer, child_seed, child_store
from epnas_tf.children.no_learning import NoLearningMonitor
from epnas_tf.children.outcome import ChildDiverged
from epnas_tf.config import ChildConfig, LimitConfig, RunConfig, SearchConfig, SurrogateConfig
from epnas_tf.data.augmentation import NONE, Augmentation
from epnas_tf.data.batches import data_error
from epnas_tf.data.checks.names import check_path
from epnas_tf.environment import check_environment
from epnas_tf.errors import ConfigError, StateError
from epnas_tf.memory import only_new_garbage
from epnas_tf.network import Network, VariableStore, to_model
from epnas_tf.network.optimizer import NesterovSGD
from epnas_tf.options import require, values_of
from epnas_tf.search.limits import constraint
from epnas_tf.storage.locks import take_lock
from epnas_tf.storage.state_files import State, StateFiles, write_whole
from epnas_tf.tuner import project, surface, workers
from epnas_tf.tuner.chief import allow_lock
from epnas_tf.tuner.client import ChiefCalls
from epnas_tf.tuner.hypermodel import SpaceHyperModel
from epnas_tf.tuner.oracle import EPNASOracle, check_settings
from epnas_tf.tuner.tuner_data import FatalDataError, keep_identity, search_data
from epnas_tf.tuner.workers import say


class EPNASTuner(keras_tuner.Tuner):
    """A KerasTuner tuner for progressive neural architecture search with shared weights.

    Without `oracle`, the search stops only if all children of a level diverge, not after a few divergences in a row.

    With KerasTuner's chief and workers, the children of a level are distributed over the workers. Each worker shares
    weights between the children that it trains, and keeps them in the project directory under its own name. The chief
    fits one surrogate on all scores. Do not use `overwrite` then: every process would remove the directory.

    Args:
        hypermodel: a `MacroHyperModel`, a `MicroHyperModel`, or a `SpaceHyperModel` of another space.
        search: K, the iterations, the sampling rule and its temperature.
        child: the training of a child: epochs, batch size, learning rates and so on.
        surrogate: sizes and training of the surrogate.
        limits: the limits on every child's network.
        objective: the accuracy that scores a child; this tuner measures "val_accuracy".
        seed: of every random choice.
        oracle: another oracle instead of an `EPNASOracle` made from `search`, `surrogate`, `limits`, `objective` and
            `worker_timeout`; these are then refused, since they would have no effect.
        worker_timeout: with a chief and workers, seconds of silence after which a worker's trial goes to another
            worker. A worker sends a sign of life every few seconds, however long a trial takes.
        idle_seconds: seconds to wait before asking again while the oracle waits for other workers.
        directory: the folder that contains the project's directory.
        project_name: the name of the project's directory.
        overwrite: whether to replace an existing project of that name instead of resuming it.
        augmentation: of training images, as in `epnas-search --augmentation`; the mean of each channel should be 0.
        **unsupported: other arguments of KerasTuner's tuners, which are refused with the reason.

    Raises:
        ConfigError: if the hypermodel is not one of a search space, settings have the wrong type, the oracle's space is
            another one, an overridden method would never be called, or `check_environment` refuses this process.
        RunDirectoryError: if the project's path is not UTF-8.
        StateError: if the project is of another oracle, of another space or of other settings.

    Example:
        >>> import numpy as np
        >>> import epnas_tf
        >>> tuner = epnas_tf.EPNASTuner(
        ...     epnas_tf.MacroHyperModel((8, 8, 1), num_classes=2, layers=1, operations=("conv_3x3",), channels=4),
        ...     search=epnas_tf.SearchConfig(k=1, iterations=1),
        ...     child=epnas_tf.ChildConfig(epochs=1, batch_size=8),
        ...     directory="tuning",
        ... )
        >>> images, labels = np.random.default_rng(0).normal(size=[40, 8, 8, 1]).astype("float32"), np.arange(40) % 2
        >>> tuner.search(images[:24], labels[:24], validation_data=(images[24:], labels[24:]), verbose=0)
        >>> len(tuner.oracle.trials)
        1
    """

    def __init__(
        self,
        hypermodel: SpaceHyperModel,
        search: SearchConfig = SearchConfig(),
        child: ChildConfig = ChildConfig(),
        surrogate: SurrogateConfig = SurrogateConfig(),
        limits: LimitConfig = LimitConfig(),
        objective: str | keras_tuner.Objective = "val_accuracy",
        seed: int = 0,
        oracle: keras_tuner.Oracle | None = None,
        idle_seconds: float = 1.0,
        worker_timeout: float = workers.WORKER_TIMEOUT,
        directory: str | os.PathLike[str] | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        augmentation: str = NONE,
        **unsupported: Any,
    ) -> None:
        check_environment()
        place = Path(directory or ".") / (project_name or "untitled_project")
        check_path(place, "a project")
        surface.refuse_arguments(unsupported)
        require(SpaceHyperModel, "hypermodel", hypermodel)  # children of other models share no weights
        surface.refuse_overridden(type(self), hypermodel)
        require(ChildConfig, "child", child)
        require(LimitConfig, "limits", limits)
        RunConfig(seed=seed)  # refuses what it cannot be
        if not (isinstance(idle_seconds, int | float) and 0 <= idle_seconds < math.inf):
            raise ConfigError(f"`idle_seconds` must be seconds, at least 0. Received: idle_seconds={idle_seconds!r}")
        self._augmentation = Augmentation.parse(augmentation)
        self._augmentation.check_fits(min(hypermodel.shape.image_shape[:2]))
        self.child = child
        self.seed = seed
        self._set_store(None)
        self.idle_seconds = idle_seconds
        self._was_idle = False
        self._running: str | None = None  # the trial under way
        self._trainer: ChildTrainer | None = None
        self._no_learning: NoLearningMonitor | None = None
        shape = hypermodel.shape
        self._settings = {
            name: getattr(shape, name) for name in ("image_shape", "num_classes", "channels", "normal_cells")
        }
        self._settings |= {"seed": seed, "augmentation": str(self._augmentation)} | values_of(child) | values_of(limits)
        if oracle is None:
            # KerasTuner's limit of 3 failures in a row is there to notice bugs, and those are fatal here anyhow.
            oracle = EPNASOracle(
                hypermodel.space,
                objective,
                search,
                surrogate,
                seed,
                constraint(hypermodel.space, shape, limits),
                worker_timeout=worker_timeout,
                max_consecutive_failed_trials=None,
            )
        else:
            given = {"search": search, "surrogate": surrogate, "limits": limits, "objective": objective}
            parameters = inspect.signature(EPNASTuner).parameters
            surface.refuse_beside_oracle(given | {"worker_timeout": worker_timeout}, parameters)
        surface.check_oracle(oracle, hypermodel)
        with project.replaceable(place, overwrite):
            super().__init__(oracle, hypermodel, directory=directory, project_name=project_name, overwrite=overwrite)
        if self._is_worker():
            self._calls = ChiefCalls(self.oracle)

    def _populate_initial_space(self) -> None:
        """Registers the hyperparameters without building a network for it.

        KerasTuner calls it if the project has no file of this tuner id, and would start again there.
        """
        if not self._is_worker() and project.has_ended_trials(Path(self.project_dir)):
            say(f"{self.project_dir} has trials, but no file of {self.tuner_id}: goes on with them.")
            self.oracle.reload()
            project.refuse_other_settings(Path(self.project_dir), self._settings)
            self._look_at_store()
            return
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)

    def search(
        self,
        x: Any = None,
        y: Any = None,
        validation_data: Any = None,
        validation_split: float = 0.0,
        verbose: int | str = "auto",
        **unknown: Any,
    ) -> None:
        """Runs the search, or resumes a stopped project.

        It warns after ten children in a row that score no better than chance.

        With arrays, the seed determines everything, and a resumed search gives the same result as an uninterrupted one.
        A `tf.data.Dataset` shuffles and augments by itself.

        A project resumes only with the images and labels that it began with. Arrays are compared bit by bit. Of a
        `tf.data.Dataset` the number, shapes and types of its batches are compared, and of validation data also the
        number of images in each class, in any order.

        Args:
            x: images [n, height, width, channels], normalised by the caller, or a `tf.data.Dataset` of batches. The
                latter is tuned only if its `options().autotune.enabled` is True; otherwise AUTOTUNE means one call per
                core, at most 16.
            y: labels for arrays: class numbers [n] or [n, 1], or one-hot rows.
            validation_data: (x, y) or a `tf.data.Dataset`; its accuracy scores the children.
            validation_split: with arrays and without `validation_data`, the fraction of x and y, from their end, that
                scores the children.
            verbose: 0 to be silent.
            **unknown: other arguments of Keras's `fit`, which are refused.

        Raises:
            ConfigError: for other arguments of `fit`.
            DataError: if the images, labels or validation data are missing, wrong or do not match. Those of a
                training `tf.data.Dataset` are checked as they come, during the first child's training.
            RunDirectoryError: if another process searches in the project, a worker under the same name among them.
            SearchError: if every child of a level diverged.
            StateError: if the project was begun with other images or labels.
            keras_tuner.errors.FatalRuntimeError: for any other error during a child's training; the next `search`
                trains that child again.
        """
        check_environment()
        surface.refuse_search_arguments(unknown, verbose)
        allow_lock()
        if distribution.has_chief_oracle():
            conditions.print = lambda *_: None  # KerasTuner 1.4.8 prints every condition that it sends
        if distribution.is_chief_oracle():  # hands out trials and needs no data
            with self._locked():
                workers.refuse_taken_port()
                say(f"The chief waits for workers at {':'.join(map(str, workers.chief_address()))}.")
                super().search(verbose=verbose)
            if getattr(self.oracle, "failure", None) is not None:
                raise self.oracle.failure
            return
        shape = self.hypermodel.shape
        data = search_data(x, y, validation_data, validation_split, shape, self.child, self._augmentation)
        with self._locked():
            # Of a worker's project only the chief knows the trials, so its data are always compared.
            for doubt in data.doubts:
                warnings.warn(doubt, stacklevel=2)
            keep_identity(Path(self.project_dir), data.identity, self._is_worker() or bool(self.oracle.start_order))
            self._no_learning = NoLearningMonitor(data.labels, self.child)
            self._load_store()  # a search that was interrupted may have left a child half trained
            self._trainer = ChildTrainer(self.store, shape, self.child, data.training, data.validation, self._optimizer)
            self._was_idle, self._running = False, None
            with only_new_garbage(), contextlib.ExitStack() as context:
                if self._is_worker():
                    self._meet_chief(context)
                super().search(verbose=verbose)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Locks the project against other processes, except for a chief's workers, each under its own name."""
        if self._is_worker():
            name, remedy = f"worker-{self.tuner_id}.lock", "Give each worker a KERASTUNER_TUNER_ID of its own."
        else:
            name, remedy = project.LOCK_FILE, project.WAIT
        with take_lock(Path(self.project_dir) / name, remedy):
            if not self._is_worker() and project.is_behind(Path(self.project_dir), self.oracle):
                say(f"Another process has gone on with {self.project_dir}; its trials are taken over.")
                self.oracle.reload()
            yield

    def _meet_chief(self, context: contextlib.ExitStack) -> None:
        """Compares this worker's arguments with the chief's, as far as `data.json` does not cover them.

        Args:
            context: gets what the calls and signs of life need until the search ends.
        """
        context.enter_context(self._calls.during_search())
        context.enter_context(workers.signs_of_worker(self.oracle, lambda: self._running))
        project.refuse_other_space(self.oracle.get_space(), self.oracle._oracle.get_space())  # waits for the chief
        project.refuse_other_settings(Path(self.project_dir), self._settings)

    def pre_create_trial(self) -> None:
        """Waits briefly if the oracle had nothing to do at the last call."""
        if self._was_idle:
            time.sleep(self.idle_seconds)
        self._was_idle = True  # until there is a trial

    def on_trial_begin(self, trial: Trial) -> None:
        """Records that the oracle had something to do."""
        self._was_idle, self._running = False, trial.trial_id
        super().on_trial_begin(trial)

    def on_trial_end(self, trial: Trial) -> None:
        """Reports the trial."""
        super().on_trial_end(trial)
        self._running = None

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Trains a trial's architecture on the shared weights and returns its metrics.

        Args:
            trial: the trial.
            *args: passed on by KerasTuner from `search`; not used.
            **kwargs: the same.

        Raises:
            keras_tuner.errors.FailedTrialError: if the child diverged; the shared weights are as before it.
            FatalDataError: if an image or a label of a `tf.data.Dataset` is invalid.
            keras_tuner.errors.FatalRuntimeError: for any other error, which is a bug and not a bad architecture.
        """
        del args, kwargs
        try:
            return self._train(trial)
        except ChildDiverged as error:
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            if refusal := data_error(error):
                raise FatalDataError(str(refusal)) from error
            raise keras_tuner.errors.FatalRuntimeError(
                f"Trial {trial.trial_id} stopped the search. {type(error).__name__}: {error}"
            ) from error

    def _train(self, trial: Trial) -> dict[str, float]:
        number = int(trial.trial_id)
        architecture = self.hypermodel.architecture(trial.hyperparameters)
        asked = self.oracle.progressive.ask(2) if isinstance(self.oracle, EPNASOracle) else []
        following = next((candidate.architecture for candidate in asked if candidate.number > number), None)
        result = self._trainer.train(architecture, child_seed(self.seed, number), following)  # type: ignore[union-attr]  # made by `search`
        self._save_store(number + 1)
        if warning := self._no_learning.warning(result.score):  # type: ignore[union-attr]  # made by `search`
            warnings.warn(warning, stacklevel=2)
        measured = (result.score, result.validation_loss, result.training_loss, result.parameters)
        return dict(zip(surface.METRICS, measured, strict=True))

    def get_state(self) -> dict[str, Any]:
        """Returns the settings, for a later process to compare with its own."""
        return {"settings": self._settings}

    def set_state(self, state: dict[str, Any]) -> None:
        """Compares the settings of the project with this tuner's.

        Raises:
            StateError: if they differ.
        """
        check_settings(state.get("settings"), self._settings)

    def save(self) -> None:
        """Writes the project's files, each whole or not at all."""
        if not self._is_worker():
            self.oracle.save()
        write_whole(Path(self._get_tuner_fname()), json.dumps(self.get_state()).encode())

    def reload(self) -> None:
        """Resumes the project: the oracle, and the shared weights after its last ended trial.

        Raises:
            RunDirectoryError: if a file of the project cannot be read.
            StateError: if the project is of another oracle, of another space or of other settings.
        """
        if not Path(self._get_tuner_fname()).exists():
            raise StateError(f"There is no project to go on with. Received: {self.project_dir}")
        super().reload()
        self._look_at_store()

    def _look_at_store(self) -> None:
        """Loads the newest shared weights without removing anything, since another process may be searching."""
        self._set_store(self._store_files.peek())

    def _load_store(self) -> None:
        """Loads the shared weights to resume from.

        Raises:
            StateError: if the shared weights are missing although trials have trained them.
        """
        ended = [] if self._is_worker() else self.oracle.end_order  # a worker has none in its process
        state, problems = self._store_files.load(None if self._is_worker() else len(ended))
        for problem in problems:
            say(f"{problem}; the shared weights before it are taken.")
        trained = [number for number in ended if self.oracle.trials[number].status == TrialStatus.COMPLETED]
        if trained and state is None and self.child.share_weights and self.oracle.remaining_trials() != 0:
            raise StateError(
                f"{len(trained)} trials have trained shared weights that are not there; scores of others would not "
                "compare. Bring `shared_weights` back, go on under the KERASTUNER_TUNER_ID that has them, or with the "
                "chief and its workers, or give `overwrite=True` to start anew. Received: "
                f"{self._store_files.directory} without those of {self.tuner_id}"
            )
        self._set_store(state)

    def _set_store(self, state: State | None) -> None:
        self.store, self._optimizer = child_store(self.child, self.seed), NesterovSGD(self.child)
        if state is not None:
            self.store.set_state(state.values["store"], state.arrays)
            self._optimizer.set_state(state.values["optimizer"], state.arrays)

    def _save_store(self, num_trials: int) -> None:
        """Writes the shared weights and their momentum after so many trials."""
        (store, weights), (optimizer, momentum) = self.store.get_state(), self._optimizer.get_state()
        self._store_files.save(State(num_trials, {"store": store, "optimizer": optimizer}, {**weights, **momentum}))

    @property
    def _store_files(self) -> StateFiles:
        """The files of this worker's shared weights: one store, not a checkpoint for each trial."""
        return StateFiles(Path(self.project_dir) / "shared_weights", f"{self.tuner_id}-after-")

    def load_model(self, trial: Trial) -> keras.Model:
        """Returns a trial's network as a compiled Keras model: a copy of the shared weights as they are now.

        Raises:
            StateError: if this process has not trained all of its weights, such as the chief or another worker, or if
                the children do not share weights, so that none are kept.
        """
        architecture = self.hypermodel.architecture(trial.hyperparameters)
        own = VariableStore(self.seed)
        network = Network(architecture, self.hypermodel.shape, own)
        if not all(self.store.updates.get(key) for key in network.layers):
            raise StateError(
                f"{self.tuner_id} has no weights of trial {trial.trial_id}: each worker has its own, and children that "
                "share none keep none. Train `tuner.hypermodel.build(hyperparameters)` instead. Received: "
                f"share_weights={self.child.share_weights}"
            )
        shared = Network(architecture, self.hypermodel.shape, self.store)
        own.restore(self.store.snapshot(shared.layers))
        return self.hypermodel.compile(to_model(network), self.child)
