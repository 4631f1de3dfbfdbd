"""An oracle for KerasTuner's chief that does not wait forever for workers that have died.

KerasTuner 1.4.8 waits for the end of every trial, and for every worker that has ever asked. Here the trial of a worker
that is silent for too long goes to the next worker that asks. A trial is scored once, by its first report. A search
that cannot continue ends the chief with an error, whatever the tuner.
"""

import functools
import math
import re
import threading
import time
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any, Concatenate, ParamSpec, TypeVar

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.distribute.utils import is_chief_oracle
from keras_tuner.src.engine import oracle as kt_oracle

from epnas_tf.errors import ConfigError, SearchError
from epnas_tf.tuner.workers import WorkerWatch, say, seconds_between_signs

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 10
"""For how many timeouts no worker at all may be heard before the chief gives up."""

CHIEF = "chief"
"""Under which name the chief asks itself for a trial."""

FAREWELL_SECONDS = 10.0
"""How long a worker that was told to stop may take to ask for the results before the chief ends."""

LEAST = {"max_trials": 1, "max_retries_per_trial": 0, "max_consecutive_failed_trials": 1}
"""KerasTuner's counts, and the least that each may be; None is without end."""


def synchronized(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Decorates an oracle's method as KerasTuner's `synchronized`, whose lock otherwise stays after an exception."""
    locking = keras_tuner.synchronized(method)

    @functools.wraps(method)
    def call(oracle: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        thread = threading.current_thread().name
        was_ours = kt_oracle.THREADS[oracle] == thread
        try:
            result: T = locking(oracle, *args, **kwargs)
            return result
        except BaseException:
            if not was_ours and kt_oracle.THREADS[oracle] == thread:
                kt_oracle.THREADS[oracle] = None
                kt_oracle.LOCKS[oracle].release()
            raise

    return call


class ChiefOracle(keras_tuner.Oracle):
    """The part of an oracle that handles workers.

    Args:
        worker_timeout: seconds of silence after which a worker's trial goes to another worker, above 0.
        **kwargs: arguments of `keras_tuner.Oracle`.

    Attributes:
        failure: the error that stops the search, None as long as it can continue.

    Raises:
        ConfigError: if `worker_timeout` or a count is out of range.
    """

    def __init__(self, worker_timeout: float, **kwargs: Any) -> None:
        if not (isinstance(worker_timeout, int | float) and 0 < worker_timeout < math.inf):
            raise ConfigError(f"`worker_timeout` must be seconds above 0. Received: worker_timeout={worker_timeout!r}")
        _check_counts(kwargs)
        allow_lock()
        self.failure: SearchError | None = None
        self.worker_timeout = worker_timeout
        self._known_workers: set[str] = set()
        self._is_answering = False
        super().__init__(**kwargs)
        self._watch = WorkerWatch(worker_timeout)
        self._watcher: threading.Thread | None = None
        self._handed_on: set[str] = set()  # trials that more than one worker may report
        self._has_stopped_one = False
        self._leaving: list[float] = []  # when each worker was told to stop that may still ask for the results

    @property
    def tuner_ids(self) -> set[str]:
        """The workers that have not yet been told to stop, and for the chief those that may ask for the results.

        Once there are none, KerasTuner's chief ends its loop and returns from `search` as after a success. Therefore a
        failure is raised here, only for the chief.
        """
        if self._is_answering or not is_chief_oracle():
            return self._known_workers
        if any(self._watch.now() - told < FAREWELL_SECONDS for told in self._leaving):
            return self._known_workers | {"a worker that was told to stop"}
        if self.failure is not None and not self._known_workers and not self.ongoing_trials:
            raise self.failure
        return self._known_workers

    @tuner_ids.setter
    def tuner_ids(self, workers: set[str]) -> None:
        self._known_workers = workers

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Returns the next trial, or one with the status that the oracle waits or has finished.

        Raises:
            SearchError: if every child of a level failed, or the surrogate diverged.
        """
        if not is_chief_oracle():
            return super().create_trial(tuner_id)
        self._is_answering = True
        try:
            trial = self._answer(tuner_id)
        except Exception as error:
            self.note_failure(error)
            raise
        finally:
            self._is_answering = False
        if trial.status == TrialStatus.STOPPED:
            self._has_stopped_one = True
            self._known_workers.discard(tuner_id)
            self._watch.forget(tuner_id)
            if tuner_id != CHIEF:
                self._leaving.append(self._watch.now())
        return trial

    def _answer(self, tuner_id: str) -> Trial:
        self._watch.hear(tuner_id)
        self._begin_to_watch()
        if self.failure is not None:
            return Trial(self.get_space(), "", TrialStatus.STOPPED)
        if tuner_id not in self.ongoing_trials:
            self._take_from_silent_worker(tuner_id)
            all_begun = self.max_trials and len(self.trials) >= self.max_trials and not self._retry_queue
            if all_begun and self.ongoing_trials:  # of workers that may die yet: KerasTuner would tell this one to stop
                self._known_workers.add(tuner_id)
                return Trial(self.get_space(), "", TrialStatus.IDLE)
        return super().create_trial(tuner_id)

    def _take_from_silent_worker(self, asking: str) -> None:
        """Puts the trial of a silent worker into the queue from which KerasTuner takes the next one."""
        if self._retry_queue:
            return
        for tuner_id, trial in self.ongoing_trials.items():
            if tuner_id in self._watch.silent:
                silence = self._watch.silence(tuner_id)
                say(f"Trial {trial.trial_id} of {tuner_id}, silent for {silence:.0f} s, goes to {asking}.")
                self._handed_on.add(trial.trial_id)
                self._retry_queue.append(trial.trial_id)
                self._drop(tuner_id)
                return

    def _drop(self, tuner_id: str) -> None:
        """Stops waiting for a worker."""
        self.ongoing_trials.pop(tuner_id, None)
        self._known_workers.discard(tuner_id)
        self._watch.forget(tuner_id)

    @synchronized
    def update_trial(self, trial_id: str, metrics: Any, step: int = 0) -> Trial:
        """Records the metrics of a trial. A second report of the same trial is ignored, with a message.

        Args:
            trial_id: the trial.
            metrics: their values by name.
            step: the step at which they were measured.
        """
        self._hear_of(trial_id)
        trial = self.trials[trial_id]
        if trial_id in self._handed_on and any(self._is_reported(trial, name, step) for name in metrics):
            self._say_ignored(trial_id)
            return trial
        return super().update_trial(trial_id, metrics, step)

    def _is_reported(self, trial: Trial, name: str, step: int) -> bool:
        if trial.trial_id in self.end_order:
            return True
        metrics = trial.metrics
        return metrics.exists(name) and step in [observed.step for observed in metrics.get_history(name)]

    def get_trial(self, trial_id: str) -> Trial:
        """Returns a trial. Workers of `EPNASTuner` call it while training, as a sign of life."""
        self._hear_of(trial_id)
        return super().get_trial(trial_id)

    def note_results_asked(self) -> None:
        """Notes that a worker that was told to stop has the results. For use in `get_best_trials`."""
        if self._leaving:
            self._leaving.pop(0)

    def _hear_of(self, trial_id: str) -> None:
        if is_chief_oracle():
            for tuner_id in [owner for owner, trial in list(self.ongoing_trials.items()) if trial.trial_id == trial_id]:
                self._watch.hear(tuner_id)

    def is_second_report(self, trial_id: str) -> bool:
        """Whether a trial that ends has ended before; prints a message if so. For use in `end_trial`."""
        if trial_id in self.end_order:
            self._say_ignored(trial_id)
            return True
        if trial_id in self._retry_queue:  # handed on, but nobody has taken it yet
            self._retry_queue.remove(trial_id)
        return False

    def _say_ignored(self, trial_id: str) -> None:
        say(f"Trial {trial_id} was handed on, and is reported a second time: the report that came first counts.")

    def note_failure(self, error: Exception) -> None:
        """Ends the chief with an error raised in a worker's call, which the chief would not otherwise notice."""
        if is_chief_oracle() and self.failure is None:
            self.failure = error if isinstance(error, SearchError) else SearchError(f"{type(error).__name__}: {error}")
            self.failure.__cause__ = None if self.failure is error else error

    def _begin_to_watch(self) -> None:
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch_workers, name="epnas_worker_watch", daemon=True)
            self._watcher.start()

    def _watch_workers(self) -> None:
        ended = False
        while not ended:
            time.sleep(seconds_between_signs(self.worker_timeout))
            ended = self._look_at_workers()
        if not self._has_stopped_one:
            # Only a worker that is told to stop makes KerasTuner's chief look whether it may end: so the chief asks.
            from keras_tuner.src.distribute.oracle_client import OracleClient  # as late as KerasTuner does

            OracleClient(self).create_trial(CHIEF)

    @synchronized
    def _look_at_workers(self) -> bool:
        """Prints the trials that the chief waits for, and returns whether it has nothing left to wait for."""
        watch = self._watch
        watch.look()
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if tuner_id in watch.silent and self.failure is not None:
                self._drop(tuner_id)
            elif watch.is_to_be_told(tuner_id):
                silent = tuner_id in watch.silent
                when = "the next worker that asks gets it" if silent else f"another gets it after {watch.timeout:g} s"
                waiting = f"trial {trial.trial_id} of {tuner_id}, silent for {watch.silence(tuner_id):.0f} s"
                say(f"Waiting for {waiting}; {when}. Started again under the same tuner id, it goes on.")
        for tuner_id in (self._known_workers & watch.silent) - self.ongoing_trials.keys():
            say(f"{tuner_id} has not asked for {watch.silence(tuner_id):.0f} s, and is no longer waited for.")
            self._drop(tuner_id)
        left = self.remaining_trials()
        if self.failure is None and left and watch.silence_of_all >= PATIENCE * watch.timeout:
            under_way = ", ".join(f"trial {trial.trial_id} of {owner}" for owner, trial in self.ongoing_trials.items())
            self.failure = SearchError(
                f"No worker has called for {watch.silence_of_all:.0f} s, and {left} trials are left. Start the chief "
                f"and the workers again to go on. Received: {under_way or 'no trial under way'}"
            )
            self.ongoing_trials.clear()
            self._known_workers.clear()
        return not self.ongoing_trials and not self._known_workers and (not left or self.failure is not None)


def _check_counts(given: dict[str, Any]) -> None:
    """Refuses counts that KerasTuner accepts although they end a search at once, or never."""
    for name, least in LEAST.items():
        value = given.get(name, least)
        unlimited = value is None and name != "max_retries_per_trial"
        if not unlimited and (isinstance(value, bool) or not isinstance(value, Integral) or value < least):
            raise ConfigError(f"`{name}` must be a whole number, at least {least}. Received: {name}={value!r}")


def allow_lock() -> None:
    """Ignores the deprecations in KerasTuner's `synchronized`, which would end a search under `python -W error`.

    It changes the filters of the whole process, since chief and workers call the lock from other threads. It does so at
    each search, since the filters may have changed after the import.
    """
    module = re.escape(kt_oracle.__name__)
    for name in ("currentThread", "getName"):
        warnings.filterwarnings("ignore", rf"{name}\(\) is deprecated", DeprecationWarning, module)
