"""The displays of a search: a live display on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table

from epnas_tf.bin.console import Terminal
from epnas_tf.bin.displays.base import Display
from epnas_tf.children.outcome import ChildResult
from epnas_tf.config import SearchConfig
from epnas_tf.data import ImageData
from epnas_tf.metrics import percent_of_images, with_interval
from epnas_tf.run.forecast import Forecast, gigabytes
from epnas_tf.run.one_search import Listener
from epnas_tf.run.timing import TimeLeft, format_seconds
from epnas_tf.scale.place import WorkerStatus
from epnas_tf.search.candidate import Candidate, Ranked
from epnas_tf.search.progressive import ProgressiveSearch

REFRESH_PER_SECOND = 4

FEW_VALIDATION_IMAGES = 20
"""Fewer are warned of: the 95 % interval of an accuracy is then wider than 35 points."""


class LogDisplay(Display, Listener):
    """A display of one line per child.

    Args:
        console: the console.
        config: has the search's iterations, sampling rule and ranking rule.
        number: of several searches, which one it is, from 1; 0 for a search alone.
    """

    def __init__(self, console: Terminal, config: SearchConfig, number: int = 0) -> None:
        super().__init__(console)
        self.config = config
        self.number = number
        self.time_left = TimeLeft()
        self.num_validation: int | None = None
        self.search: ProgressiveSearch[Any] | None = None
        self.deepest: tuple[int, float, str] | None = None  # level, accuracy and text of the best child of that level
        self.began = time.perf_counter()

    def say(self, text: str) -> None:
        """Writes a sentence, and of several searches which one it is about."""
        super().say(f"search {self.number}: {text}" if self.number else text)

    def started(self, search: ProgressiveSearch[Any], data: ImageData, num_resumed: int) -> None:
        """Prints the data set, and the point from which the search resumes."""
        self.search = search
        self.num_validation = len(data.validation)
        if self.number < 2:  # the others have the same
            self.say_data(data)
        if self.num_validation < FEW_VALIDATION_IMAGES and self.number < 2:
            larger = " or a larger --validation_fraction" if data.validation_is_drawn else ""
            self.warning(
                f"{self.num_validation} validation images hardly tell networks apart, as each is "
                f"{100 / self.num_validation:.0f} % of the accuracy; more images{larger} would."
            )
        if num_resumed:
            self.say(f"Going on after child {num_resumed} of {search.num_children}.")
        self.began = time.perf_counter()

    def resumed(self, records: list[dict[str, Any]]) -> None:
        """Records the times and accuracies of earlier children."""
        for record in records:
            if record["status"] == "completed":
                seconds = sum(record.get(f"{part}_seconds", 0.0) for part in ("build", "train", "evaluate"))
                self.time_left.add(record["level"], seconds)
                self.note_accuracy(record["level"], record["score"], record["text"])

    def forecast(self, forecast: Forecast) -> None:
        """Prints the forecast."""
        self.time_left.expect(forecast.seconds_by_level, forecast.at_a_time)
        left = self.time_left.estimate(self.started_search.remaining_levels)
        for line in [] if self.number > 1 else forecast_lines(forecast, self.started_search, left):
            self.say(line)
        self.began = time.perf_counter()

    def child_ended(self, candidate: Candidate[Any], result: ChildResult | None) -> None:
        """Writes the child's line."""
        self.take(candidate, result)
        self.say(self.line(candidate, result))

    def take(self, candidate: Candidate[Any], result: ChildResult | None) -> None:
        """Records a child's accuracy, and its time from the end of the one before, which includes its choice."""
        now = time.perf_counter()
        self.time_left.add(candidate.level, now - self.began)
        self.began = now
        if result is not None:
            self.note_accuracy(candidate.level, result.score, str(candidate.architecture))

    def note_accuracy(self, level: int, score: float, text: str) -> None:
        """Keeps the best child of the deepest level so far."""
        if self.deepest is None or (level, score) > self.deepest[:2]:
            self.deepest = level, score, text

    def line(self, candidate: Candidate[Any], result: ChildResult | None) -> str:
        """Formats the line of a child."""
        search = self.started_search
        parts = [
            f"child {candidate.number + 1}/{search.num_children}",
            f"iteration {candidate.iteration + 1}/{self.config.iterations}",
            f"level {candidate.level}/{search.space.num_levels}",
            f"accuracy {self.percent(None if result is None else result.score)}",
            f"predicted {self.predicted(candidate)}",
            f"best {self.best}",
            f"rank correlation {self.correlation}",
            f"left {self.left}",
            str(candidate.architecture),
        ]
        return "  ".join(parts)

    @property
    def started_search(self) -> ProgressiveSearch[Any]:
        """The search, once it has started."""
        if self.search is None:
            raise RuntimeError("Nothing can be said of a search before it has started.")
        return self.search

    @property
    def best(self) -> str:
        """The ranking value and score of the best whole architecture; before one, the best of the deepest level."""
        if ranking := self.started_search.ranking():
            return self.of_whole(ranking[0], self.percent)
        return "-" if self.deepest is None else f"{self.percent(self.deepest[1])} at level {self.deepest[0]}"

    def of_whole(self, ranked: Ranked[Any], show: Callable[[float], str]) -> str:
        """Formats the ranking value of a whole architecture, and its score as `show` does."""
        estimate = f"{self.percent(ranked.estimate)} estimated, " if self.config.rank_by == "estimate" else ""
        return f"{estimate}{show(ranked.score)} measured"

    @property
    def correlation(self) -> str:
        """The surrogate's rank correlation at the last complete level, or the reason why there is none."""
        value = self.started_search.rank_correlation
        return "- (needs 3 predictions a level)" if value is None else f"{value:+.2f}"

    @property
    def left(self) -> str:
        """The estimated time left."""
        return format_seconds(self.time_left.estimate(self.started_search.remaining_levels))

    def predicted(self, candidate: Candidate[Any]) -> str:
        """Formats the prediction for a child, or the reason why there is none before the first scores."""
        return "- (nothing scored yet)" if candidate.predicted is None else self.percent(candidate.predicted)

    def percent(self, value: float | None) -> str:
        """Formats an accuracy with the decimals that the validation images allow."""
        return percent_of_images(value, self.num_validation)

    def interval(self, value: float) -> str:
        """Formats an accuracy, with its interval if the number of validation images is known."""
        return self.percent(value) if self.num_validation is None else with_interval(value, self.num_validation)

    def missing(self) -> str:
        """Describes what is missing until there is a whole network; "" if there is one."""
        if self.search is None or self.search.ranking():
            return ""
        return whole_networks_come(self.search)


class LiveDisplay(LogDisplay):
    """A display that stays in place and refreshes itself; see `LogDisplay` for the arguments.

    A separate thread draws it during the search, from values recorded when a child began or ended.
    """

    def __init__(self, console: Terminal, config: SearchConfig, number: int = 0) -> None:
        super().__init__(console, config, number)
        self.last = "-"
        self.search_began = time.perf_counter()
        self.noted: tuple[dict[str, str], ProgressBar] | None = None
        self.workers: Sequence[WorkerStatus] = ()
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=REFRESH_PER_SECOND)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def child_started(self, candidate: Candidate[Any]) -> None:
        """Shows the child in training."""
        self.note(candidate)

    def child_ended(self, candidate: Candidate[Any], result: ChildResult | None) -> None:
        """Shows the child's accuracy."""
        self.take(candidate, result)
        self.last = f"{self.percent(None if result is None else result.score)}  {candidate.architecture}"
        self.note(candidate)

    def workers_changed(self, workers: Sequence[WorkerStatus]) -> None:
        """Shows what each worker does."""
        self.workers = workers

    def note(self, candidate: Candidate[Any]) -> None:
        """Records the values to show."""
        search = self.started_search
        total = search.num_children
        place = [
            f"{candidate.iteration + 1} of {self.config.iterations}",
            f"level {candidate.level} of {search.space.num_levels}",
            f"child {candidate.number + 1} of {total}",
        ]
        if self.config.tempered:
            place.append(f"temperature {candidate.temperature:.2f}")
        rows = {
            "iteration": "   ".join(place),
            "time": f"{self.left} left",
            "training": f"{candidate.architecture}",
            "last child": self.last,
            "best so far": self.best_row,
            "surrogate": f"rank correlation {self.correlation}, predicts {self.predicted(candidate)}",
        }
        self.noted = rows, ProgressBar(total=total, completed=search.num_told)

    @property
    def best_row(self) -> str:
        """The best so far with interval and architecture, and the reason if there is no whole network yet."""
        if ranking := self.started_search.ranking():
            return f"{self.of_whole(ranking[0], self.interval)}  {ranking[0].architecture}"
        missing = whole_networks_come(self.started_search)
        if self.deepest is None:
            return missing
        level, score, text = self.deepest
        return f"level {level} of {self.started_search.space.num_levels}, {self.interval(score)}  {text}\n{missing}"

    def render(self) -> Group:
        """Renders the display in its present state."""
        if self.noted is None:
            return Group("Preparing …")
        rows, progress = self.noted
        elapsed = format_seconds(time.perf_counter() - self.search_began)
        table = Table(box=None, show_header=False, pad_edge=False, expand=True)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        if self.workers:
            rows = rows | {"workers": "\n".join(map(worker_line, self.workers))}
        for name, text in rows.items():
            table.add_row(name, f"{elapsed} gone, {text}" if name == "time" else text)
        return Group(table, beside_interrupt(progress))


class LiveSearches:
    """Several searches on one live display, a line each; used in a `with` statement.

    Args:
        displays: theirs, which are not shown themselves.
    """

    COLUMNS = ("iteration", "time", "best so far")

    def __init__(self, displays: Sequence[LiveDisplay]) -> None:
        self.displays = displays
        console = displays[0].console
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=REFRESH_PER_SECOND)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def render(self) -> Group:
        """Renders the searches in their present state."""
        first = self.displays[0]
        noted = [(display.number, *display.noted) for display in self.displays if display.noted is not None]
        if not noted:
            return Group("Preparing …")
        table = Table(box=None, pad_edge=False, expand=True, header_style="bold")
        for name in ("search", *self.COLUMNS[:-1]):
            table.add_column(name, no_wrap=True)
        table.add_column(self.COLUMNS[-1], ratio=1, overflow="fold")
        for number, rows, _ in noted:
            table.add_row(str(number), *(rows[name] for name in self.COLUMNS))
        elapsed = format_seconds(time.perf_counter() - first.search_began)
        bars = [bar for _, _, bar in noted]
        done, total = (sum(getattr(bar, part) or 0 for bar in bars) for part in ("completed", "total"))
        lines = [f"{elapsed} gone, {done:.0f} of {total:.0f} children", *map(worker_line, first.workers)]
        return Group(table, *lines, beside_interrupt(ProgressBar(total=total, completed=done)))


def beside_interrupt(bar: ProgressBar) -> Padding:
    """Leaves room for "^C", as terminals show Ctrl-C: in the last column it would move the display down by a line."""
    return Padding(bar, (0, len("^C") + 1, 0, 0))


def worker_line(worker: WorkerStatus) -> str:
    """Describes what a worker does on one line."""
    if not worker.place:
        return f"{worker.number}  starting" + (f", lost {worker.lost}×" if worker.lost else "")
    does = "waits for the round" if worker.child is None else f"trains child {worker.child + 1}"
    return f"{worker.number}  {does}; {worker} ({worker.place})"


def forecast_lines(forecast: Forecast, search: ProgressiveSearch[Any], left: float | None) -> list[str]:
    """Formats the forecast of a search as lines: children, time, memory, and flags for a shorter search.

    Args:
        forecast: the forecast.
        search: the search.
        left: the seconds left, with saved children taken into account.
    """
    lines = [f"{search.num_children - search.num_told} children to train, about {about(left)} by a few timed steps"]
    if forecast.memory is not None:
        needed, available = forecast.memory.needed, forecast.memory.available
        lines[0] += f"; up to {gigabytes(needed)} of memory, {gigabytes(available)} can be had"
        if needed > available:
            lines.append("warning: the memory may not be enough; a smaller --batch_size or --image_size needs less")
    if search.first_whole_child is not None:
        lines.append(whole_networks_come(search))
    if forecast.shorter is not None:
        lines += [
            f"in about {about(forecast.shorter.seconds)}, and with a poorer result:",
            f"  {forecast.shorter.flags}",
        ]
    return lines


def whole_networks_come(search: ProgressiveSearch[Any]) -> str:
    """Describes when the first whole network comes, the first possible result."""
    first = search.first_whole_child
    at = f"whole networks come at level {search.space.num_levels}"
    return at if first is None else f"{at}, from child {first} of {search.num_children} on"


def about(seconds: float | None) -> str:
    """Formats an estimated time roughly: in seconds, minutes, or hours and minutes."""
    if seconds is None:
        return "an unknown time"
    if seconds < 90:
        return f"{max(round(seconds / 10) * 10, 10)} seconds"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} minutes"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours / 24:.0f} days ({hours:,} hours)"
