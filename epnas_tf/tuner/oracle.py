"""The progressive search as a KerasTuner oracle."""

import json
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.distribute.utils import is_chief_oracle
from keras_tuner.src.engine.metrics_tracking import MetricsTracker

from epnas_tf.config import RunConfig, SearchConfig, SurrogateConfig
from epnas_tf.errors import ConfigError, SearchError, StateError
from epnas_tf.options import require, values_of
from epnas_tf.search.level_choice import Constraint
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space.base import SearchSpace
from epnas_tf.storage.records import newest_best_first
from epnas_tf.storage.state_files import State, StateFiles, translate_read_errors, write_whole
from epnas_tf.tuner import hyperparameters
from epnas_tf.tuner.chief import ChiefOracle, synchronized
from epnas_tf.tuner.restrictions import Restriction, given_hyperparameters, of_space, refuse_others

WORKER_TIMEOUT = 1800.0
"""Seconds that a worker may be silent; of KerasTuner's own tuners, which are silent while a trial runs."""


class EPNASOracle(ChiefOracle):
    """An oracle that proposes architectures level by level, chosen by the surrogate's predictions (paper, section 4).

    It is an adapter: `ProgressiveSearch` has the algorithm, and a trial's id is the number of its candidate. Several
    workers may train the children of a level at the same time; at the end of a level they wait for one another.
    `docs/keras_tuner.md` lists the supported parts of KerasTuner's interface.

    Args:
        space: the search space.
        objective: an accuracy in [0, 1] to maximise.
        search: K, the iterations, the sampling rule and its temperature.
        surrogate: sizes and training of the surrogate.
        seed: of every random choice.
        constraint: selects the architectures that may be trained; all by default. `Limits` is one.
        hyperparameters: values or choices to restrict the search to, under the names of the space's hyperparameters.
            Other names are allowed only as `Fixed` and are passed on to the hypermodel.
        tune_new_entries: whether to search those missing in `hyperparameters`; otherwise they keep the space's default.
        allow_new_entries: whether `hyperparameters` may lack some of the space's.
        worker_timeout: with a chief and workers, seconds of silence after which a worker's trial goes to another
            worker. KerasTuner's own tuners are silent during a trial, so it must exceed the longest trial.
        **kwargs: `max_trials`, `max_retries_per_trial` and `max_consecutive_failed_trials` of `keras_tuner.Oracle`.

    Attributes:
        failure: the error that stops the search, None as long as it can continue.

    Raises:
        ConfigError: if the objective is to be minimised, there are several, or a search by levels cannot be restricted
            to the hyperparameters.

    Example:
        >>> import keras_tuner
        >>> import epnas_tf
        >>> hp = keras_tuner.HyperParameters()
        >>> _ = hp.Fixed("layer_1_operation", "conv_3x3")
        >>> space = epnas_tf.MacroSpace(layers=2)
        >>> oracle = epnas_tf.EPNASOracle(space, search=epnas_tf.SearchConfig(k=3), hyperparameters=hp)
        >>> oracle.objective.direction
        'max'
    """

    def __init__(
        self,
        space: SearchSpace[Any, Any],
        objective: str | keras_tuner.Objective = "val_accuracy",
        search: SearchConfig = SearchConfig(),
        surrogate: SurrogateConfig = SurrogateConfig(),
        seed: int = 0,
        constraint: Constraint | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        worker_timeout: float = WORKER_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        require(SearchSpace, "space", space)
        RunConfig(seed=seed)  # refuses what it cannot be
        restricted: dict[str, tuple[Any, ...]] = {}
        if hyperparameters is not None:
            hyperparameters, restricted = given_hyperparameters(
                space, hyperparameters, tune_new_entries, allow_new_entries
            )
        super().__init__(
            worker_timeout,
            objective=objective,
            seed=seed or None,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            **kwargs,
        )
        if self.objective.direction != "max":
            raise ConfigError(
                "The surrogate predicts an accuracy, so `objective` must be one metric to maximise. "
                f"Received: {self.objective}"
            )
        self.seed = seed  # KerasTuner takes a 0 for "any"
        self.space = space
        if restricted:
            constraint = Restriction(space, restricted, constraint)
        self.progressive: ProgressiveSearch[Any] = ProgressiveSearch(space, search, surrogate, seed, constraint)
        own = {"hyperparameters": restricted} if restricted else {}
        self._settings = {"seed": seed} | values_of(search) | values_of(surrogate) | own
        self._architectures: dict[str, Any] = {}  # by trial id, to be read once only
        self._fits_on_disk: int | None = None  # how often the surrogate had been fitted when its arrays were written
        self._names = [parameter.name for parameter in of_space(space).space]
        if hyperparameters is None:
            self.hyperparameters = of_space(space)

    def end_trial(
        self, trial: Trial | str | None = None, status: str = "COMPLETED", trial_id: str | None = None
    ) -> None:
        """Ends a trial and reports its score or failure to the search; a second report of a trial is ignored.

        Args:
            trial: the trial, or in KerasTuner's older form its id.
            status: how it ended, in the older form.
            trial_id: its id, in the older form.

        Raises:
            ValueError: if the score is not in [0, 1].
            RuntimeError: if `max_consecutive_failed_trials` failed.
        """
        if not isinstance(trial, Trial):
            known = self.trials[str(trial_id if trial is None else trial)]
            trial = Trial(known.hyperparameters, known.trial_id, status)
        self._end_trial(trial)

    @synchronized
    def _end_trial(self, trial: Trial) -> None:
        if self.is_second_report(trial.trial_id):
            return
        try:
            super().end_trial(trial)
            if trial.trial_id in self._retry_queue:
                self._forget_metrics(trial.trial_id)
            self._tell_ended()
            self.save()
        except Exception as error:
            self.note_failure(error)
            raise

    def _forget_metrics(self, trial_id: str) -> None:
        """Clears the metrics of a trial that is run again, which KerasTuner would average with the new ones."""
        trial = self.trials[trial_id]
        trial.metrics, trial.score = MetricsTracker(), None

    def update_space(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Adds the hyperparameters that a hypermodel registers.

        Raises:
            ConfigError: if one of them is not the space's, nor fixed: nothing would choose its value.
            RuntimeError: if there are new ones, which were not allowed.
        """
        if self.allow_new_entries and self.tune_new_entries:
            refuse_others(hyperparameters, self._names)
        super().update_space(hyperparameters)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the next architecture's hyperparameters, or the status that the oracle waits or has finished."""
        if self.failure is None:
            try:
                self.progressive.advance()
            except SearchError as error:
                self.failure = error
        if self.failure is not None:
            if is_chief_oracle():
                # An error would end this worker alone, and the chief would wait for ever: see `EPNASTuner.search`.
                return {"status": TrialStatus.STOPPED}
            raise self.failure
        num_out = len(self.start_order) - self.progressive.num_told  # trials under way have the first candidates
        candidate = next(iter(self.progressive.ask(num_out + 1)[num_out:]), None)
        if candidate is None:
            return {"status": TrialStatus.STOPPED if self.progressive.finished else TrialStatus.IDLE}
        values = hyperparameters.to_values(candidate.architecture, self.space)
        return {"status": TrialStatus.RUNNING, "values": values}

    def _tell_ended(self) -> None:
        """Reports to the search each ended trial that it does not know yet."""
        for trial_id in self.end_order[self.progressive.num_told :]:
            trial = self.trials[trial_id]
            completed = trial.status == TrialStatus.COMPLETED
            try:
                self.progressive.tell(int(trial_id), trial.score if completed else None)
            except SearchError as error:  # every child of the level failed, this one included
                if trial.message:  # which the chief does not get
                    error.add_note(f"The last of them: {trial.message}")
                self.failure = error  # raised by `populate_space`: the trial itself has ended well

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Returns the best trials: first whole networks in the order of the search, then shallower ones by score.

        An architecture that was trained in several iterations is included once, with its newest score.
        """
        self.note_results_asked()
        trials = [self.trials[trial_id] for trial_id in self.start_order]
        completed = [trial for trial in trials if trial.status == TrialStatus.COMPLETED]
        estimates = {ranked.number: ranked.estimate for ranked in self.progressive.ranking()}

        def worth(trial: Trial) -> tuple[int, float]:
            depth = len(self.space.extensions(self._architecture(trial)))
            return depth, estimates.get(int(trial.trial_id), trial.score)

        return newest_best_first(completed, self._architecture, worth)[:num_trials]

    def _architecture(self, trial: Trial) -> Any:
        if trial.trial_id not in self._architectures:
            self._architectures[trial.trial_id] = hyperparameters.read(self.space, trial.hyperparameters.copy())
        return self._architectures[trial.trial_id]

    def remaining_trials(self) -> int:
        """Returns the number of trials still to end, fewer if failures leave less than K candidates."""
        remaining = self.progressive.num_children - self.progressive.num_told
        return remaining if self.max_trials is None else min(remaining, self.max_trials - len(self.end_order))

    def get_state(self) -> dict[str, Any]:
        """Returns the state needed to resume; the surrogate's arrays have files of their own, see `save`."""
        values, _ = self.progressive.get_state()
        own = {"settings": self._settings, "progressive": values, "fits": self.progressive.surrogate.num_fits}
        return {**super().get_state(), "epnas": own}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned and `save` wrote.

        Raises:
            StateError: if it is the state of another oracle, space or settings, or the surrogate's file is missing.
        """
        own = state.get("epnas", {})
        check_settings(own.get("settings"), self._settings)
        surrogate = self._surrogate_files.peek(newest=own["fits"])  # removes nothing: others may search
        if surrogate is None or surrogate.number != own["fits"]:
            raise StateError(
                f"The surrogate that oracle.json speaks of is not there. Received: {self._surrogate_files.directory}"
            )
        self.progressive.set_state(own["progressive"], surrogate.arrays)
        self._fits_on_disk = own["fits"]
        # Where too many failed, KerasTuner raises before it takes the last from those under way: it would run again.
        left = {*state["end_order"], *state["retry_queue"]}
        ongoing = {tuner_id: trial_id for tuner_id, trial_id in state["ongoing_trials"].items() if trial_id not in left}
        super().set_state({**state, "ongoing_trials": ongoing})
        self._tell_ended()
        if self.progressive.finished:
            self.progressive.advance()  # makes the last fit, which the ranking is by, and which no file holds

    def save(self) -> None:
        """Writes oracle.json, whole or not at all, and after a fit the surrogate's arrays beside it.

        KerasTuner calls it several times per trial, also before the search knows the score of an ending trial, which
        `set_state` then reports.
        """
        fits = self.progressive.surrogate.num_fits
        if self._fits_on_disk != fits:
            if self._fits_on_disk is None:
                self._surrogate_files.load(newest=-1)  # removes what another project left
            _, arrays = self.progressive.get_state()
            self._surrogate_files.save(State(fits, {}, arrays))
            self._fits_on_disk = fits
        write_whole(Path(self._get_oracle_fname()), json.dumps(self.get_state()).encode())

    def _save_trial(self, trial: Trial) -> None:
        """Writes trial.json whole or not at all; KerasTuner's own method can leave half of it, which it cannot read."""
        file = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        write_whole(file, json.dumps(trial.get_state()).encode())

    def reload(self) -> None:
        """Resumes the project in the project directory.

        Raises:
            RunDirectoryError: if its files cannot be read.
            StateError: if the project is of another oracle, of another space or of other settings.
        """
        with translate_read_errors(f"{self._project_dir} cannot be read"):
            super().reload()
        for trial_id in self.trials.keys() - set(self.start_order):
            del self.trials[trial_id]  # begun, but the process was killed before oracle.json knew of it
        for trial_id in self._retry_queue:
            self._forget_metrics(trial_id)
        self._handed_on.update(self._retry_queue)  # a worker that did not notice may report one of them yet

    @property
    def _surrogate_files(self) -> StateFiles:
        return StateFiles(Path(self._project_dir) / "surrogate", "fit-")


def check_settings(there: dict[str, Any] | None, now: dict[str, Any]) -> None:
    """Refuses to resume a project of other settings, or of another oracle or tuner.

    Args:
        there: the settings of the project, as JSON restores them; None if there are none.
        now: the given settings.

    Raises:
        StateError: if they differ; the message names the differences.
    """
    if there is None:
        raise StateError("The project belongs to another oracle or tuner. Received: a project without these settings")
    now = json.loads(json.dumps(now))
    if there != now:
        names = [name for name in sorted({*there, *now}) if there.get(name) != now.get(name)]
        differing = ", ".join(f"{name}: {there.get(name)} there, {now.get(name)} now" for name in names)
        raise StateError(
            "The project has other settings. Give the same ones to go on with it, or another `project_name`, or "
            f"`overwrite=True` to start anew. Received: {differing}"
        )
