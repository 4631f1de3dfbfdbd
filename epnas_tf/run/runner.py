"""A whole search in a run directory: data, space, shared weights and algorithm combined."""

import dataclasses
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from epnas_tf import data as data_module
from epnas_tf.children.child import ChildDiverged, ChildResult, ChildTrainer, child_seed, child_store
from epnas_tf.children.no_learning import NoLearningMonitor
from epnas_tf.config import RunConfig
from epnas_tf.cost.latency import Latencies
from epnas_tf.data import ImageData, Images
from epnas_tf.environment import check_environment
from epnas_tf.errors import RunDirectoryError, StateError
from epnas_tf.memory import only_new_garbage
from epnas_tf.network import VariableStore
from epnas_tf.options import require
from epnas_tf.run.forecast import Forecast, check_memory, forecast_search, size_of
from epnas_tf.search.candidate import Candidate
from epnas_tf.search.limits import constraint
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.search.search_state import SearchState
from epnas_tf.space import NetworkShape, build_graph, make_space
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.serialization import architecture_to_dict
from epnas_tf.storage.data_file import describe_data
from epnas_tf.storage.logs import TensorBoardLogs
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.state_files import State, StateFiles, prefixed, with_prefix

T = TypeVar("T")

PARTS = ("trace", "train", "evaluate", "surrogate", "save")
"""What the time of a search goes into: making and tracing networks, their steps, their validation, scoring and sampling
and fitting the surrogate, writing files."""


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        architecture: the best architecture of the deepest level.
        score: its newest validation accuracy in the search, in [0, 1].
        estimate: its ranking value, see `Ranked`.
        num_validation: number of images that the score was measured on.
        num_children: number of trained children, failed ones included.
        num_failed: number of children that diverged.
        seconds: time spent in all runs of the search, without the saving of the last child, which records this time.
        parts: the seconds of each of `PARTS`; the difference to `seconds` is everything else.
        already_finished: whether it had ended before this call.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.RunConfig(
        ...     space=epnas_tf.SpaceConfig(layers=2, operations=("conv_3x3", "max_pool_3x3")),
        ...     network=epnas_tf.NetworkConfig(channels=4),
        ...     data=epnas_tf.DataConfig(dataset="digits", train_images=200),
        ...     child=epnas_tf.ChildConfig(epochs=1, batch_size=64),
        ...     search=epnas_tf.SearchConfig(k=1, iterations=1),
        ... )
        >>> result = epnas_tf.run_search(config, "runs/demo")
        >>> 0 <= result.score <= 1, result.num_failed
        (True, 0)
    """

    architecture: Any
    score: float
    estimate: float
    num_validation: int
    num_children: int
    num_failed: int
    seconds: float
    parts: dict[str, float]
    already_finished: bool


class Listener:
    """Receives the events of a search. This base class ignores them; subclasses override what they need.

    Example:
        >>> import epnas_tf
        >>> class Scores(epnas_tf.Listener):
        ...     def child_ended(self, candidate, result):
        ...         print(candidate.number, "diverged" if result is None else result.score)
        >>> listener = Scores()  # for run_search(config, run_dir, listener)
        >>> listener.warning("silence")
    """

    def started(self, search: ProgressiveSearch[Any], data: ImageData, num_resumed: int) -> None:
        """The search begins, or resumes after `num_resumed` children."""

    def resumed(self, records: list[dict[str, Any]]) -> None:
        """The search resumes after these children, the records of trials.jsonl; called after `started`."""

    def forecast(self, forecast: Forecast) -> None:
        """The forecast of the search, before its first child; only if `run_search` is called with `forecast`."""

    def child_started(self, candidate: Candidate[Any]) -> None:
        """A child's training begins."""

    def child_ended(self, candidate: Candidate[Any], result: ChildResult | None) -> None:
        """A child was scored, or it diverged (None)."""

    def warning(self, text: str) -> None:
        """Something went wrong that does not stop the search."""


def network_shape(config: RunConfig, space: SearchSpace[Any, Any], data: ImageData) -> NetworkShape:
    """Returns all that determines a run's networks beside their architecture, checked against the images.

    Raises:
        DataError: if the images are too small for the space.
    """
    shape = NetworkShape.of(config.network, space.num_levels, data)
    build_graph(space.sample(np.random.default_rng(0)), shape)
    return shape


def child_trainer(
    config: RunConfig, shape: NetworkShape, data: ImageData, scored: Images | None = None, epochs: int | None = None
) -> ChildTrainer:
    """Makes the trainer of a search's children.

    Args:
        config: the search's settings.
        shape: the result of `network_shape`.
        data: the images.
        scored: the images that a child is scored on; None for the validation images.
        epochs: number of epochs of a child; None for the settings'.
    """
    child = config.child
    batches = data_module.TrainingPipeline(data, child.batch_size, epochs or child.epochs)
    validation = data_module.evaluation_batches(data.validation if scored is None else scored, data.mean, data.std)
    return ChildTrainer(child_store(child, config.seed), shape, child, batches, validation)


def restore_store(store: VariableStore, state: State) -> None:
    """Restores the shared weights of a saved state into a store.

    Raises:
        KeyError: if it has none.
        StateError: if they do not fit together.
    """
    store.set_state(state.values["store"], with_prefix("store.", state.arrays))


def is_finished(state: State, config: RunConfig, space: SearchSpace[Any, Any]) -> bool:
    """Whether a saved state is the last one of its search.

    Raises:
        StateError: if it is not one of this search.
    """
    saved = SearchState.from_values(state.values["search"], space, config.search.iterations)
    return (
        saved.iteration == config.search.iterations - 1
        and saved.level == space.num_levels
        and len(saved.scores) == len(saved.chosen)
    )


def finished_state(run: Path, config: RunConfig, reason: str) -> State:
    """Reads the last state of a finished search.

    Args:
        run: its directory.
        config: its settings.
        reason: why it must be finished.

    Raises:
        RunDirectoryError: if it is not finished.
    """
    state = StateFiles(run / "state", RunDirectory.STATES).peek()
    if state is None or not is_finished(state, config, make_space(config.space)):
        raise RunDirectoryError(f"The search in {run} must be finished: {reason}. Let it end with epnas-search.")
    return state


def run_search(
    config: RunConfig,
    run_dir: str | os.PathLike[str],
    listener: Listener | None = None,
    profile: bool = False,
    forecast: bool = False,
) -> SearchResult:
    """Runs a search, or resumes a stopped one.

    `epnas-search` calls `prepare_tensorflow` first. It changes the whole process, so your own program decides.

    Args:
        config: the settings.
        run_dir: the folder of the run's files.
        listener: receives the events; None for silence.
        profile: whether to write a TensorBoard profile of a few steps of the first child of the deepest level to
            RUN_DIR/logs. It changes no result.
        forecast: whether to time a few steps, pass the forecast to `Listener.forecast`, and refuse a search that needs
            more main memory than there is. It takes seconds and changes no result.

    Returns:
        The result. The same settings give the same result, however often the run was stopped.

    Raises:
        EPNASError: for every mistake of the user: in settings, data or the run directory.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.RunConfig(
        ...     space=epnas_tf.SpaceConfig(layers=2, operations=("conv_3x3", "max_pool_3x3")),
        ...     network=epnas_tf.NetworkConfig(channels=4),
        ...     data=epnas_tf.DataConfig(dataset="digits", train_images=200),
        ...     child=epnas_tf.ChildConfig(epochs=1, batch_size=64),
        ...     search=epnas_tf.SearchConfig(k=1, iterations=1),
        ... )
        >>> result = epnas_tf.run_search(config, "runs/demo")
        >>> result.num_children, result.architecture.num_levels
        (3, 2)
    """
    check_environment()
    require(RunConfig, "config", config)
    space = make_space(config.space)
    data_module.check(config.data)
    with RunDirectory(run_dir, config) as directory:
        data = data_module.load(config.data, config.seed)
        shape = network_shape(config, space, data)
        directory.save_description(describe_data(data))
        state = directory.load_state()
        forecast = forecast and not (state and is_finished(state, config, space))
        memory = check_memory(config, size_of(data)) if forecast else None
        run = _Run(config, space, data, shape, directory, listener or Listener(), state)
        with only_new_garbage():
            timing = functools.partial(forecast_search, config, shape, size_of(data), memory, state is not None)
            return run.go(profile, timing if forecast else None)


class _Run:
    """One search in its directory: its parts, and the values kept between children."""

    def __init__(
        self,
        config: RunConfig,
        space: SearchSpace[Any, Any],
        data: ImageData,
        shape: NetworkShape,
        directory: RunDirectory,
        listener: Listener,
        state: State | None,
    ) -> None:
        self.seed = config.seed
        self.data = data
        self.directory = directory
        self.listener = listener
        self.latencies = Latencies(state.values.get("latencies") if state else None)
        self.limits = constraint(space, shape, config.limits, self.latencies)
        self.search: ProgressiveSearch[Any] = ProgressiveSearch(
            space, config.search, config.surrogate, config.seed, self.limits
        )
        self.trainer = child_trainer(config, shape, data)
        self.no_learning = NoLearningMonitor(data.validation.labels, config.child)
        self.seconds = 0.0
        self.parts = dict.fromkeys(PARTS, 0.0)
        self.num_failed = 0
        for warning in directory.warnings:
            listener.warning(warning)
        if state is not None:
            self._restore(state)

    def go(self, profile: bool, forecast: Callable[[], Forecast] | None) -> SearchResult:
        already_finished = self.search.finished
        self.listener.started(self.search, self.data, self.search.num_told)
        if self.search.num_told:
            self.listener.resumed(self.directory.read_records())
        if forecast is not None:
            self.listener.forecast(forecast())
        logs = TensorBoardLogs(self.directory.path / "logs", self.listener.warning)
        times, began = self._times(), time.perf_counter()
        while self._timed("surrogate", self._advance):
            candidate, *following = self.search.ask(2)
            self.listener.child_started(candidate)
            if profile and candidate.level == self.search.space.num_levels:
                self.trainer.profile(candidate.architecture, self.seed, self.directory.path / "logs")
                profile = False
            result = self._train(candidate, following)
            warning = None if result is None else self.no_learning.warning(result.score)
            try:
                score = None if result is None else result.score
                self._timed("surrogate", self.search.tell, candidate, score)
            finally:  # told, also where it was the last of a level to fail: the next start must not train it again
                now = time.perf_counter()
                self.seconds, began = self.seconds + now - began, now
                times = self._times()
                self._timed("save", self._save, candidate, result, times)
            logs.add(candidate.number + 1, scalars(candidate, result, self.search))
            self.listener.child_ended(candidate, result)
            if warning:
                self.listener.warning(warning)
        ranking = self.search.ranking()
        self._save_best()
        return SearchResult(
            ranking[0].architecture,
            ranking[0].score,
            ranking[0].estimate,
            len(self.data.validation),
            self.search.num_told,
            self.num_failed,
            **times,
            already_finished=already_finished,
        )

    def _advance(self) -> bool:
        """Begins the next level once this one is told, and warns if limits leave fewer architectures than planned."""
        planned = self.search.num_children
        goes_on = self.search.advance()
        missing = planned - self.search.num_children
        if missing > 0 and self.limits is not None:  # a small space may have fewer than planned, too
            left = len(self.search.ask(planned))
            self.listener.warning(
                f"The limits leave {left} architecture{'s' if left > 1 else ''} at level {self.search.level}, so the "
                f"search trains {missing} fewer than planned. Looser limits leave more."
            )
        return goes_on

    def _timed(self, part: str, action: Callable[..., T], *arguments: Any) -> T:
        began = time.perf_counter()
        try:
            return action(*arguments)
        finally:
            self.parts[part] += time.perf_counter() - began

    def _train(self, candidate: Candidate[Any], following: list[Candidate[Any]]) -> ChildResult | None:
        try:
            seed = child_seed(self.seed, candidate.number)
            after = following[0].architecture if following else None
            result = self.trainer.train(candidate.architecture, seed, following=after)
            seconds = (result.build_seconds, result.train_seconds, result.evaluate_seconds)
            for part, spent in zip(PARTS, seconds, strict=False):
                self.parts[part] += spent
            return result
        except ChildDiverged as diverged:
            self.num_failed += 1
            child = f"Child {candidate.number + 1}"
            self.listener.warning(f"{child} failed: {diverged} The shared weights are as before it.")
            return None

    def _times(self) -> dict[str, Any]:
        """The time that the search has spent, as saved in its state, without the saving of that state itself."""
        return {"seconds": self.seconds, "parts": dict(self.parts)}

    def _save(self, candidate: Candidate[Any], result: ChildResult | None, times: dict[str, Any]) -> None:
        values = {
            **times,
            "num_failed": self.num_failed,
            "at_chance": self.no_learning.in_a_row,
            "latencies": self.latencies.times,
            "num_children": self.search.num_children,
        }
        save_child(self.directory, candidate, result, self.search, self.trainer, values)
        self._save_best()

    def _save_best(self) -> None:
        ranking = self.search.ranking()
        if ranking:
            estimates = {ranked.number + 1: ranked.estimate for ranked in ranking}
            self.directory.save_best(ranking[0].architecture, estimates)

    def _restore(self, state: State) -> None:
        try:
            self.search.set_state(state.values["search"], with_prefix("search.", state.arrays))
            restore_store(self.trainer.store, state)
            self.trainer.optimizer.set_state(state.values["optimizer"], with_prefix("optimizer.", state.arrays))
            self.seconds, self.num_failed = state.values["seconds"], state.values["num_failed"]
            self.parts |= state.values["parts"]
            self.no_learning.in_a_row = state.values["at_chance"]
        except KeyError as error:
            raise StateError(f"The state in {self.directory.path} is incomplete. Received: no {error}") from error


def save_child(
    directory: RunDirectory,
    candidate: Candidate[Any],
    result: ChildResult | None,
    search: ProgressiveSearch[Any],
    trainer: ChildTrainer,
    values: dict[str, Any],
) -> None:
    """Writes a child's line, then the state after it, since a state must find all its children in the file.

    Args:
        directory: the run's directory.
        candidate: the child.
        result: the result of its training; None if it diverged.
        search: the search, which has its score.
        trainer: has the shared variables and their momentum.
        values: further JSON values for the state.
    """
    directory.append_record(trial_record(candidate, result))
    search_values, search_arrays = search.get_state()
    store_values, weights = trainer.store.get_state()
    slots, momentum = trainer.optimizer.get_state()
    directory.save_state(
        {"search": search_values, "store": store_values, "optimizer": slots, **values},
        {**prefixed("search.", search_arrays), **prefixed("store.", weights), **prefixed("optimizer.", momentum)},
    )


def trial_record(candidate: Candidate[Any], result: ChildResult | None) -> dict[str, Any]:
    """Makes a child's line of trials.jsonl; numbers start from 1."""
    record: dict[str, Any] = {
        "child": candidate.number + 1,
        "iteration": candidate.iteration + 1,
        "level": candidate.level,
        "temperature": candidate.temperature,
        "predicted": candidate.predicted,
        "status": "failed" if result is None else "completed",
    }
    if result is not None:
        record |= dataclasses.asdict(result)
    return record | {"text": str(candidate.architecture), "architecture": architecture_to_dict(candidate.architecture)}


def scalars(
    candidate: Candidate[Any], result: ChildResult | None, search: ProgressiveSearch[Any]
) -> dict[str, float | None]:
    """Returns the values of a child for TensorBoard."""
    values: dict[str, float | None] = {"temperature": candidate.temperature, "predicted": candidate.predicted}
    if result is not None:
        values |= {"score": result.score, "training_loss": result.training_loss}
        values |= {"validation_loss": result.validation_loss, "parameters": result.parameters}
    best = None if search.best is None else search.best[1]
    return values | {"best": best, "rank_correlation": search.rank_correlation}
