"""Shows how a search goes: a live display on a terminal, plain lines elsewhere."""

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from epnas_tf.config import SearchConfig
from epnas_tf.data import ImageData
from epnas_tf.search.child import ChildResult
from epnas_tf.search.progressive import Candidate, ProgressiveSearch
from epnas_tf.search.runner import Listener
from epnas_tf.search.timing import TimeLeft, format_seconds

REFRESH_PER_SECOND = 4


class LogDisplay(Listener):
    """One line a child.

    Args:
        console: where to write.
        config: the search's iterations and rule of sampling.
    """

    def __init__(self, console: Console, config: SearchConfig) -> None:
        self.console = console
        self.config = config
        self.time_left = TimeLeft()

    def started(self, search: ProgressiveSearch[Any], data: ImageData, num_resumed: int) -> None:
        """Says what is searched on, and from where the search goes on."""
        self.search = search
        height, width, channels = data.image_shape
        self.console.print(
            f"{data.name}: {len(data.train)} training, {len(data.validation)} validation and {len(data.test)} test "
            f"images of {height}×{width}×{channels} in {data.num_classes} classes",
            soft_wrap=True,
        )
        if num_resumed:
            self.console.print(f"Going on after child {num_resumed} of {search.num_children}.")

    def child_started(self, candidate: Candidate[Any]) -> None:
        """Notes the time."""
        self.began = time.perf_counter()

    def child_ended(self, candidate: Candidate[Any], result: ChildResult | None) -> None:
        """Writes the child's line."""
        self.time_left.add(candidate.level, time.perf_counter() - self.began)
        self.console.print(self.line(candidate, result), soft_wrap=True)

    def line(self, candidate: Candidate[Any], result: ChildResult | None) -> str:
        """Returns what there is to say of a child."""
        parts = [
            f"child {candidate.number + 1}/{self.search.num_children}",
            f"iteration {candidate.iteration + 1}/{self.config.iterations}",
            f"level {candidate.level}/{self.search.space.num_levels}",
            f"accuracy {_percent(None if result is None else result.score)}",
            f"predicted {_percent(candidate.predicted)}",
            f"best {_percent(self.best_score)}",
            f"rank correlation {self.correlation}",
            f"left {self.left}",
            str(candidate.architecture),
        ]
        return "  ".join(parts)

    @property
    def best_score(self) -> float | None:
        """The best accuracy of a whole network so far."""
        return None if self.search.best is None else self.search.best[1]

    @property
    def correlation(self) -> str:
        """The surrogate's rank correlation at the last whole level."""
        value = self.search.rank_correlation
        return "-" if value is None else f"{value:+.2f}"

    @property
    def left(self) -> str:
        """The time that the rest of the search will take."""
        return format_seconds(self.time_left.estimate(self.search.remaining_levels))

    def warning(self, text: str) -> None:
        """Writes a warning."""
        self.console.print(f"warning: {text}", soft_wrap=True)

    def __enter__(self) -> "LogDisplay":
        return self

    def __exit__(self, *error: object) -> None:
        pass


class LiveDisplay(LogDisplay):
    """A display that stays in place and moves on by itself; see `LogDisplay` for the arguments.

    A thread of its own draws it while the search goes on, so it draws what was noted when a child began or ended.
    """

    def __init__(self, console: Console, config: SearchConfig) -> None:
        super().__init__(console, config)
        self.last = "-"
        self.search_began = time.perf_counter()
        self.noted: tuple[dict[str, str], ProgressBar] | None = None
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=REFRESH_PER_SECOND)

    def __enter__(self) -> "LiveDisplay":
        self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.__exit__(None, None, None)

    def child_started(self, candidate: Candidate[Any]) -> None:
        """Shows the child in training."""
        super().child_started(candidate)
        self.note(candidate)

    def child_ended(self, candidate: Candidate[Any], result: ChildResult | None) -> None:
        """Shows the child's accuracy."""
        self.time_left.add(candidate.level, time.perf_counter() - self.began)
        self.last = f"{_percent(None if result is None else result.score)}  {candidate.architecture}"
        self.note(candidate)

    def note(self, candidate: Candidate[Any]) -> None:
        """Takes down what there is to show."""
        search, best = self.search, self.search.best
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
            "best so far": "-" if best is None else f"{_percent(best[1])}  {best[0]}",
            "surrogate": f"rank correlation {self.correlation}, predicts {_percent(candidate.predicted)}",
        }
        self.noted = rows, ProgressBar(total=total, completed=search.num_told)

    def render(self) -> Group:
        """Returns the display as it is now."""
        if self.noted is None:
            return Group("Preparing …")
        rows, progress = self.noted
        elapsed = format_seconds(time.perf_counter() - self.search_began)
        table = Table(box=None, show_header=False, pad_edge=False, expand=True)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for name, text in rows.items():
            table.add_row(name, f"{elapsed} gone, {text}" if name == "time" else text)
        return Group(table, progress)


def _percent(value: float | None) -> str:
    # A prediction may lie beyond what an accuracy can be.
    return "-" if value is None else f"{100 * min(max(value, 0.0), 1.0):.1f} %"
