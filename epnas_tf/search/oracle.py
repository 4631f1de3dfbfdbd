"""The progressive search as a KerasTuner oracle."""

import json
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from epnas_tf.config import SearchConfig, SurrogateConfig
from epnas_tf.errors import ConfigError, RunDirectoryError, StateError
from epnas_tf.search import hyperparameters
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.search.state_files import State, StateFiles, write_whole
from epnas_tf.space.base import SearchSpace


class EPNASOracle(keras_tuner.Oracle):
    """Asks for architectures level by level, drawn by the surrogate's predictions (paper, section 4).

    An adapter: `ProgressiveSearch` has the algorithm. Several workers may run the children of a level at once; at the
    end of a level they wait for one another.

    Args:
        space: the search space.
        objective: an accuracy in [0, 1] that is to be maximised.
        search: K, the iterations, the sampling rule and its temperature.
        surrogate: sizes and training of the surrogate.
        seed: decides every random choice.
        **kwargs: of `keras_tuner.Oracle`, for example `max_retries_per_trial`.

    Raises:
        ConfigError: if the objective is one to minimise, or several.
    """

    def __init__(
        self,
        space: SearchSpace[Any, Any],
        objective: str | keras_tuner.Objective = "val_accuracy",
        search: SearchConfig = SearchConfig(),
        surrogate: SurrogateConfig = SurrogateConfig(),
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(objective=objective, seed=seed or None, **kwargs)
        if getattr(self.objective, "direction", None) != "max":
            raise ConfigError(
                "The surrogate predicts an accuracy, so `objective` must be one metric to maximise. "
                f"Received: {objective!r}"
            )
        self.seed = seed  # KerasTuner takes a 0 for "any"
        self.space = space
        self.progressive: ProgressiveSearch[Any] = ProgressiveSearch(space, search, surrogate, seed)
        hyperparameters.read(space, self.hyperparameters)
        self._numbers: dict[str, int] = {}  # trial id → the candidate's number
        self._num_told = 0  # of the trials in `end_order`

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the next architecture's hyperparameters, or that the oracle waits or has finished."""
        candidate = self.progressive.ask()
        if candidate is None:
            return {"status": TrialStatus.STOPPED if self.progressive.finished else TrialStatus.IDLE}
        self._numbers[trial_id] = candidate.number
        values = hyperparameters.to_values(candidate.architecture, self.space)
        return {"status": TrialStatus.RUNNING, "values": values}

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Ends a trial and tells the search its score, or that it failed."""
        super().end_trial(trial)
        self._tell_ended()
        self.save()

    def _tell_ended(self) -> None:
        """Tells the search of each trial that ended and that it does not know of."""
        for trial_id in self.end_order[self._num_told :]:
            trial = self.trials[trial_id]
            completed = trial.status == TrialStatus.COMPLETED
            self.progressive.tell(self._numbers[trial_id], trial.score if completed else None)
            self._num_told += 1

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best trials: whole networks by their score, and only then shallower ones.

        An architecture that was trained in several iterations is there once, with its newest score.
        """
        newest: dict[Any, Trial] = {}
        for trial_id in self.start_order:
            trial = self.trials[trial_id]
            if trial.status == TrialStatus.COMPLETED:
                newest[hyperparameters.read(self.space, trial.hyperparameters.copy())] = trial
        depths = {trial.trial_id: len(self.space.extensions(a)) for a, trial in newest.items()}
        ranked = sorted(newest.values(), key=lambda trial: (depths[trial.trial_id], trial.score), reverse=True)
        return ranked[:num_trials]

    def get_state(self) -> dict[str, Any]:
        """Returns what is needed to go on; the surrogate's arrays are in files of their own, see `save`."""
        values, _ = self.progressive.get_state()
        own = {"progressive": values, "numbers": self._numbers, "num_told": self._num_told, "fits": self._fits}
        return {**super().get_state(), "epnas": own}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from what `get_state` returned and `save` wrote.

        Raises:
            StateError: if it is another oracle's state, or the surrogate's file is not there.
        """
        super().set_state(state)
        if "epnas" not in state:
            raise StateError("The project belongs to another oracle. Received: an oracle.json without `epnas`")
        own = state["epnas"]
        surrogate, _ = self._surrogate_files.load(newest=own["fits"])
        if surrogate is None or surrogate.number != own["fits"]:
            raise StateError(
                f"The surrogate that oracle.json speaks of is not there. Received: {self._surrogate_files.directory}"
            )
        self.progressive.set_state(own["progressive"], surrogate.arrays)
        self._numbers, self._num_told = dict(own["numbers"]), own["num_told"]
        # KerasTuner runs the trials again that were under way; the search must not give them out a second time.
        for _ in range(len(self._numbers) - self._num_told):
            self.progressive.ask()
        self._tell_ended()

    def save(self) -> None:
        """Writes oracle.json whole or not at all, and after a fit the surrogate's arrays beside it."""
        if self._surrogate_files.newest() != self._fits:
            _, arrays = self.progressive.get_state()
            self._surrogate_files.save(State(self._fits, {}, arrays))
        write_whole(Path(self._get_oracle_fname()), json.dumps(self.get_state()).encode())

    def reload(self) -> None:
        """Goes on with the project that is in the project directory.

        Raises:
            StateError: if the project is another oracle's, or of another space.
        """
        try:
            super().reload()
        except ValueError as error:
            raise RunDirectoryError(f"{self._get_oracle_fname()} cannot be read. Received: {error}") from error

    @property
    def _fits(self) -> int:
        """How often the surrogate was fitted: what tells its states apart."""
        return self.progressive.surrogate.num_fits

    @property
    def _surrogate_files(self) -> StateFiles:
        return StateFiles(Path(self._project_dir) / "surrogate", "fit-")
