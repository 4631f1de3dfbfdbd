"""The displays of a final training: a live display on a terminal, plain lines elsewhere."""

import time
from typing import Any, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from epnas_tf.bin.console import Terminal
from epnas_tf.bin.displays.base import Display
from epnas_tf.config import RecipeConfig
from epnas_tf.data import ImageData
from epnas_tf.metrics import percent_of_images, with_interval
from epnas_tf.nn.costs import Cost
from epnas_tf.run.timing import format_seconds
from epnas_tf.storage.training_directory import Epoch
from epnas_tf.training.schedule import last_cycle_is_cut
from epnas_tf.training.trainer import TrainingListener

SECONDS_A_LINE = 60
"""An epoch that takes longer says in between how it goes."""


class LogTrainingDisplay(Display, TrainingListener):
    """A display of one line per epoch, and in long epochs one per minute.

    Args:
        console: the console.
        recipe: the recipe of the training.
    """

    def __init__(self, console: Terminal, recipe: RecipeConfig) -> None:
        super().__init__(console)
        self.recipe = recipe

    def started(self, data: ImageData, num_candidates: int) -> None:
        """Prints the data set."""
        self.num_candidates = num_candidates
        self.num_validation = len(data.validation)
        self.num_train = len(data.train) + (0 if self.recipe.held_out else self.num_validation)
        scored = "score the candidates, and then " if num_candidates > 1 else ""
        use = "held out" if self.recipe.held_out else "trained on too"
        self.say_data(data, f"; the validation images {scored}are {use}")
        if last_cycle_is_cut(self.recipe):
            self.say(
                "The training ends before the learning rate has come down; choose --epochs at the end of a cosine, or "
                "--restart_epochs=0 for a single one."
            )

    def candidate_ended(self, record: dict[str, Any]) -> None:
        """Writes the candidate's line."""
        outcome = "diverged"
        if record["accuracy"] is not None:
            epochs = "1 epoch" if record["epochs"] == 1 else f"{record['epochs']} epochs"
            outcome = f"accuracy {with_interval(record['accuracy'], self.num_validation)} after {epochs}"
        shared = percent_of_images(record["shared_score"], self.num_validation)
        self.say(f"candidate {record['candidate']}/{self.num_candidates}  {outcome}, {shared} in the search")

    def training_started(self, architecture: Any, cost: Cost, epochs: int, num_done: int) -> None:
        """Prints the architecture, and the epoch from which the training resumes."""
        self.epochs = epochs
        self.last_line = time.perf_counter()
        self.began = float(num_done), self.last_line
        self.first_steps: tuple[float, float] | None = None
        self.say(f"training {architecture}")
        self.say(f"{cost.parameters:,} parameters, {cost.multiply_adds:,} multiply-adds an image")
        if num_done:
            self.say(f"Going on after epoch {num_done} of {epochs}.")

    def progress(self, epoch: int, step: int, steps: int) -> None:
        """Writes a line if the last one was long ago."""
        self.count_from(epoch + step / steps)
        if time.perf_counter() - self.last_line > SECONDS_A_LINE and 0 < step < steps:
            self.write(f"epoch {epoch + 1}/{self.epochs}  step {step}/{steps}  left {self.left(epoch + step / steps)}")

    def epoch_ended(self, epoch: Epoch) -> None:
        """Writes the epoch's line."""
        figures = epoch_figures(epoch, self.num_train, self.num_validation)
        self.write(f"epoch {epoch.epoch}/{self.epochs}  {figures}  left {self.left(epoch.epoch)}")

    def write(self, line: str) -> None:
        """Writes a line and records the time."""
        self.last_line = time.perf_counter()
        self.say(line)

    def count_from(self, epochs_done: float) -> None:
        """Records when the steps begin: building the graph, once before them, does not count for the pace."""
        if self.first_steps is None:
            self.first_steps = epochs_done, time.perf_counter()

    def left(self, epochs_done: float) -> str:
        """Estimates the time left."""
        beginnings = [start for start in (self.first_steps, self.began) if start and start[0] < epochs_done]
        first, when = beginnings[0]
        pace = (time.perf_counter() - when) / (epochs_done - first)
        return format_seconds(pace * (self.epochs - epochs_done))


class LiveTrainingDisplay(LogTrainingDisplay):
    """The lines of `LogTrainingDisplay` above a bar that stays in place; see there for the arguments."""

    def __init__(self, console: Terminal, recipe: RecipeConfig) -> None:
        super().__init__(console, recipe)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self.bar = Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=console)
        self.task: TaskID | None = None

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def training_started(self, architecture: Any, cost: Cost, epochs: int, num_done: int) -> None:
        """Begins a bar."""
        super().training_started(architecture, cost, epochs, num_done)
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(f"epoch {num_done + 1}/{epochs}", total=epochs, completed=num_done)

    def progress(self, epoch: int, step: int, steps: int) -> None:
        """Moves the bar."""
        self.count_from(epoch + step / steps)
        if self.task is not None:
            description = f"epoch {epoch + 1}/{self.epochs}  step {step}/{steps}"
            self.bar.update(self.task, completed=epoch + step / steps, description=description)


def epoch_figures(epoch: Epoch, num_train: int, num_validation: int) -> str:
    """Formats the figures of an epoch.

    Args:
        epoch: the epoch.
        num_train: number of training images.
        num_validation: number of validation images, if any.
    """
    parts = [
        f"learning rate {epoch.learning_rate:.4f}",
        f"training loss {epoch.training_loss:.4f}",
        f"training accuracy {percent_of_images(epoch.training_accuracy, num_train)}",
    ]
    if epoch.validation_accuracy is not None:
        accuracy = percent_of_images(epoch.validation_accuracy, num_validation)
        parts.append(f"validation loss {epoch.validation_loss:.4f}  validation accuracy {accuracy}")
    return "  ".join([*parts, f"{epoch.seconds:.1f} s"])
