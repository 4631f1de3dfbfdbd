"""One search in its run directory: its parts, what it tells, and its rounds of children."""

import dataclasses
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from epnas_tf.children.child import child_seed
from epnas_tf.children.no_learning import NoLearningMonitor
from epnas_tf.children.outcome import ChildOutcome, ChildResult
from epnas_tf.children.setup import child_trainer
from epnas_tf.config import RunConfig
from epnas_tf.cost.latency import Latencies
from epnas_tf.data import ImageData
from epnas_tf.errors import StateError
from epnas_tf.network import VariableStore
from epnas_tf.run.forecast import Forecast
from epnas_tf.run.recording import save_children, scalars
from epnas_tf.scale.merging import merged
from epnas_tf.scale.place import Events, Place, Round, Task, WorkerStatus
from epnas_tf.search.candidate import Candidate
from epnas_tf.search.limits import constraint
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import NetworkShape
from epnas_tf.space.base import SearchSpace
from epnas_tf.storage.logs import TensorBoardLogs
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.state_files import State, with_prefix

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
        parts: the seconds of each of `PARTS`, of the mean worker where there are several; the difference to `seconds`
            is everything else.
        already_finished: whether it had ended before this call.
        workers: what each worker has done since this call; empty if this process has trained the children.

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
    workers: tuple[WorkerStatus, ...] = ()


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

    def workers_changed(self, workers: Sequence[WorkerStatus]) -> None:
        """A worker began a child, ended one, was started or lost; never where this process trains the children."""

    def warning(self, text: str) -> None:
        """Something went wrong that does not stop the search."""


def restore_store(store: VariableStore, state: State) -> None:
    """Restores the shared weights of a saved state into a store.

    Raises:
        KeyError: if it has none.
        StateError: if they do not fit together.
    """
    store.set_state(state.values["store"], with_prefix("store.", state.arrays))


class OneSearch(Events):
    """One search in its directory: its parts, and the values kept between children.

    Args:
        config: its settings.
        space: the space.
        data: the images.
        shape: fixes the networks beside their architecture.
        directory: its directory.
        listener: receives its events.
        state: what it goes on from; None to begin.
        number: its position among the searches side by side, from 0.
        searches: how many these are.
    """

    def __init__(
        self,
        config: RunConfig,
        space: SearchSpace[Any, Any],
        data: ImageData,
        shape: NetworkShape,
        directory: RunDirectory,
        listener: Listener,
        state: State | None,
        number: int = 0,
        searches: int = 1,
    ) -> None:
        self.number = number
        self.searches = searches
        self.seed = config.seed
        self.round = config.round
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
        self._candidates: dict[int, Candidate[Any]] = {}  # those of the round
        for warning in directory.warnings:
            listener.warning(warning)
        if state is not None:
            self._restore(state)

    def rounds(
        self, place: Place, profile: bool, forecast: Callable[[], Forecast] | None
    ) -> Generator[Round, list[ChildOutcome], SearchResult]:
        """Yields the rounds of children to train, takes the outcomes of each, and returns the result.

        Args:
            place: where they are trained.
            profile: see `run_search`.
            forecast: forecasts the search, as if it were alone and trained in this process; None for no forecast.
        """
        already_finished = self.search.finished
        self.listener.started(self.search, self.data, self.search.num_told)
        if self.search.num_told:
            self.listener.resumed(self.directory.read_records())
        if forecast is not None and not already_finished:
            at_a_time = min(place.num_workers, self.searches * self.round) / self.searches
            self.listener.forecast(forecast().side_by_side(at_a_time))
        logs = TensorBoardLogs(self.directory.path / "logs", self.listener.warning)
        times, began = self._times(), time.perf_counter()
        while self._timed("surrogate", self._advance):
            asked = self.search.ask(self.round + 1)
            self._candidates = {candidate.number: candidate for candidate in asked[: self.round]}
            if profile and asked[0].level == self.search.space.num_levels:
                self.trainer.profile(asked[0].architecture, self.seed, self.directory.path / "logs")
                profile = False
            tasks = [self._task(candidate) for candidate in asked]
            following = tasks[self.round] if len(tasks) > self.round else None
            outcomes = yield Round(tasks[: self.round], following, self.trainer, self)
            children = self._take(asked[: self.round], outcomes, max(place.num_workers / self.searches, 1.0))
            warnings = [self.no_learning.warning(result.score) for _, result in children if result is not None]
            try:
                for candidate, result in children:
                    score = None if result is None else result.score
                    self._timed("surrogate", self.search.tell, candidate, score)
            finally:  # told, also where it was the last of a level to fail: the next start must not train it again
                now = time.perf_counter()
                self.seconds, began = self.seconds + now - began, now
                times = self._times()
                self._timed("save", self._save, children, times, place.workers)
            for candidate, result in children:
                logs.add(candidate.number + 1, scalars(candidate, result, self.search))
                self.listener.child_ended(candidate, result)
            for warning in filter(None, warnings):
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
            workers=tuple(place.workers),
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

    def _task(self, candidate: Candidate[Any]) -> Task:
        seed = child_seed(self.seed, candidate.number)
        return Task(candidate.number, candidate.architecture, seed, self.number)

    def _take(
        self, candidates: list[Candidate[Any]], outcomes: list[ChildOutcome], at_a_time: float
    ) -> list[tuple[Candidate[Any], ChildResult | None]]:
        """Merges what a round has learned, and returns its results; a child that diverged has none."""
        self.trainer.commit(*merged(outcomes))
        children = []
        for candidate, outcome in zip(candidates, outcomes, strict=True):
            children.append((candidate, outcome.scored))
            if outcome.failure is None:
                for part, spent in zip(PARTS, outcome.result.seconds, strict=False):
                    self.parts[part] += spent / at_a_time
            else:
                self.num_failed += 1
                text = f"Child {candidate.number + 1} failed: {outcome.failure} The shared weights are as before it."
                self.listener.warning(text)
        return children

    def began(self, task: Task) -> None:
        """Tells the listener which child begins."""
        self.listener.child_started(self._candidates[task.number])

    def workers_changed(self, workers: Sequence[WorkerStatus]) -> None:
        """Tells the listener what each worker does."""
        self.listener.workers_changed(workers)

    def said(self, text: str) -> None:
        """Tells the listener what happened."""
        self.listener.warning(text)

    def _times(self) -> dict[str, Any]:
        """The time that the search has spent, as saved in its state, without the saving of that state itself."""
        return {"seconds": self.seconds, "parts": dict(self.parts)}

    def _save(
        self,
        children: list[tuple[Candidate[Any], ChildResult | None]],
        times: dict[str, Any],
        workers: list[WorkerStatus],
    ) -> None:
        values = {
            **times,
            "num_failed": self.num_failed,
            "at_chance": self.no_learning.in_a_row,
            "latencies": self.latencies.times,
            "num_children": self.search.num_children,
            "workers": [dataclasses.asdict(worker) for worker in workers],
        }
        save_children(self.directory, children, self.search, self.trainer, values)
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
