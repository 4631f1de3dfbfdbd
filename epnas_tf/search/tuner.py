"""The search as a KerasTuner tuner: children one after the other on one store of shared weights."""

import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import tensorflow as tf
from keras_tuner.engine.trial import Trial

from epnas_tf.config import ChildConfig, SearchConfig, SurrogateConfig
from epnas_tf.errors import ConfigError, DataError
from epnas_tf.network import Network, VariableStore, to_model
from epnas_tf.search.batches import ArrayBatches, DatasetBatches, array_evaluation, as_batches, num_batches
from epnas_tf.search.child import ChildDiverged, ChildTrainer, TrainingBatches
from epnas_tf.search.hypermodel import SpaceHyperModel
from epnas_tf.search.oracle import EPNASOracle
from epnas_tf.search.state_files import State, StateFiles


class EPNASTuner(keras_tuner.Tuner):
    """Progressive neural architecture search with shared weights.

    Args:
        hypermodel: a `MacroHyperModel`, a `MicroHyperModel`, or a `SpaceHyperModel` of another space.
        search: K, the iterations, the sampling rule and its temperature.
        child: how a child is trained: epochs, batch size, learning rates and so on.
        surrogate: sizes and training of the surrogate.
        objective: the accuracy that scores a child; "val_accuracy" is the one that this tuner measures.
        seed: decides every random choice.
        oracle: another oracle to take architectures from, in place of an `EPNASOracle` of the settings above.
        idle_seconds: how long to wait before asking again when the oracle waits for other workers.
        **kwargs: of `keras_tuner.Tuner`: `directory`, `project_name`, `overwrite`.

    Raises:
        ConfigError: if the hypermodel is not one of a search space.
    """

    def __init__(
        self,
        hypermodel: SpaceHyperModel,
        search: SearchConfig = SearchConfig(),
        child: ChildConfig = ChildConfig(),
        surrogate: SurrogateConfig = SurrogateConfig(),
        objective: str | keras_tuner.Objective = "val_accuracy",
        seed: int = 0,
        oracle: keras_tuner.Oracle | None = None,
        idle_seconds: float = 1.0,
        **kwargs: Any,
    ) -> None:
        if not isinstance(hypermodel, SpaceHyperModel):
            raise ConfigError(
                "`hypermodel` must be a MacroHyperModel, a MicroHyperModel or a SpaceHyperModel: children of other "
                f"models share no weights. Received: {type(hypermodel).__name__}"
            )
        self.child = child
        self.seed = seed
        self.store = VariableStore(seed)
        self.idle_seconds = idle_seconds
        self._asked = False
        self._trainer: ChildTrainer | None = None
        oracle = oracle or EPNASOracle(hypermodel.space, objective, search, surrogate, seed)
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)

    def _populate_initial_space(self) -> None:
        """Registers the hyperparameters without building a network for it."""
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)

    def search(  # type: ignore[override]  # the arguments of `fit` that this training knows
        self,
        x: Any = None,
        y: Any = None,
        *,
        validation_data: Any = None,
        validation_split: float = 0.0,
        verbose: int | str = "auto",
    ) -> None:
        """Searches; a project that was stopped goes on.

        Args:
            x: images [n, height, width, channels], normalised by the caller; or a `tf.data.Dataset` of batches.
            y: labels for arrays: class numbers [n] or [n, 1], or one-hot rows.
            validation_data: (x, y) or a `tf.data.Dataset`; its accuracy scores the children.
            validation_split: with arrays and without `validation_data`, the last part of x and y that scores them.
            verbose: 0 to be silent.

        Raises:
            DataError: if the images, labels or validation data are missing or do not fit one another.
        """
        if keras_tuner.src.distribute.utils.is_chief_oracle():
            super().search(verbose=verbose)  # the chief hands out trials and needs no data
            return
        if x is None:
            raise DataError("`search` needs images: arrays x and y, or a tf.data.Dataset. Received: x=None")
        if validation_data is None and validation_split and not isinstance(x, tf.data.Dataset):
            kept = round(len(x) * (1 - validation_split))
            x, y, validation_data = x[:kept], y[:kept], (x[kept:], y[kept:])
        if validation_data is None:
            raise DataError("Children are scored on validation data: give `validation_data`, or `validation_split`.")
        self._trainer = ChildTrainer(
            self.store,
            self.hypermodel.shape,
            self.child,
            self._training_batches(x, y),
            self._validation_batches(validation_data),
        )
        super().search(verbose=verbose)

    def _training_batches(self, x: Any, y: Any) -> TrainingBatches:
        if isinstance(x, tf.data.Dataset):
            return DatasetBatches(self._checked(x), self.child.epochs)
        return ArrayBatches(*self._checked_arrays(x, y), self.child.batch_size, self.child.epochs)

    def _validation_batches(self, validation_data: Any) -> tf.data.Dataset:
        if isinstance(validation_data, tf.data.Dataset):
            num_batches(validation_data)
            return as_batches(self._checked(validation_data))
        return array_evaluation(*self._checked_arrays(*validation_data))

    def _checked(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        shape = as_batches(dataset).element_spec[0].shape[1:]
        if not shape.is_compatible_with(self.hypermodel.shape.image_shape):
            raise DataError(f"Images must have the shape {self.hypermodel.shape.image_shape}. Received: {shape}")
        return dataset

    def _checked_arrays(self, x: Any, y: Any) -> tuple[Any, Any]:
        expected, found = self.hypermodel.shape.image_shape, np.shape(x)[1:]
        if found != expected:
            raise DataError(f"Images must have the shape {expected}, the hypermodel's. Received: {found}")
        classes = self.hypermodel.shape.num_classes
        if np.ndim(y) == 1 and len(y) and not 0 <= np.min(y) <= np.max(y) < classes:
            raise DataError(f"Labels must be in 0 … {classes - 1}. Received: {np.min(y)} … {np.max(y)}")
        return x, y

    def pre_create_trial(self) -> None:
        """Waits a little where the last answer was that there is nothing to do for now."""
        if self._asked:
            time.sleep(self.idle_seconds)
        self._asked = True

    def on_trial_begin(self, trial: Trial) -> None:
        """Notes that the oracle had something to do."""
        self._asked = False
        super().on_trial_begin(trial)

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Trains a trial's architecture on the shared weights and returns its metrics.

        Raises:
            keras_tuner.errors.FailedTrialError: if the child diverged; the shared weights are as before it.
            keras_tuner.errors.FatalRuntimeError: for any other error: that is no bad architecture, but a bug.
        """
        architecture = self.hypermodel.architecture(trial.hyperparameters)
        seed = np.random.SeedSequence((self.seed, int(trial.trial_id))).generate_state(1)[0]
        try:
            result = self._trainer.train(architecture, int(seed >> 1))  # type: ignore[union-attr]  # made by `search`
        except ChildDiverged as error:
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            raise keras_tuner.errors.FatalRuntimeError(f"A child could not be trained: {error}") from error
        self._store_files.save(State(int(trial.trial_id) + 1, *self.store.get_state()))
        return {
            "val_accuracy": result.score,
            "val_loss": result.validation_loss,
            "loss": result.training_loss,
            "parameters": result.parameters,
        }

    def reload(self) -> None:
        """Goes on with the project: the oracle, and the shared weights of its last trial that ended."""
        super().reload()
        newest = None if self._is_worker() else len(self.oracle.end_order)
        state, _ = self._store_files.load(newest)
        if state is not None:
            self.store.set_state(state.values, state.arrays)

    @property
    def _store_files(self) -> StateFiles:
        """The shared weights of this worker: one store, not a checkpoint for each trial."""
        return StateFiles(Path(self.project_dir) / "shared_weights", f"{self.tuner_id}-after-")

    def load_model(self, trial: Trial) -> keras.Model:
        """Returns a trial's network as a compiled Keras model: a copy of the shared weights as they are now."""
        architecture = self.hypermodel.architecture(trial.hyperparameters)
        shared = Network(architecture, self.hypermodel.shape, self.store)
        own = VariableStore(self.seed)
        network = Network(architecture, self.hypermodel.shape, own)
        own.restore(self.store.snapshot(shared.layers))
        return self.hypermodel.compile(to_model(network))
