"""The command `epnas-compare`: flags, settings, comparison of networks, result."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from absl import flags

from epnas_tf import data
from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, interruptible, make_table, only_argument, run_main, start_tensorflow
from epnas_tf.bin.displays.base import Display
from epnas_tf.config import FOUND, CompareConfig, WorkersConfig, check_ray
from epnas_tf.metrics import mean_text, percent_of_images, points_text
from epnas_tf.storage.compare_directory import FOLDER, RESULT, CompareDirectory, Comparison
from epnas_tf.storage.run_directory import read_config, recalled
from epnas_tf.training.architectures import find_candidates
from epnas_tf.training.settings import search_settings

DESCRIPTION = """Trains the found network and others of its size that need no search, by one recipe and with several
seeds, and says whether the search was worth it.

  epnas-compare RUN_DIR --channels=48 --epochs=30           all networks, three seeds each
  epnas-compare RUN_DIR --networks=found,resnet --seeds=10  only these two
  epnas-compare RUN_DIR --match=multiply_adds --compare_dir=RUN_DIR/compare_adds

The settings are those of epnas-train, and so are the presets. The same command goes on with a comparison that was
stopped, also with more seeds; epnas-report shows it.
"""
SECONDS_A_LINE = 60
"""A training that takes longer says in between how it goes."""


def main(arguments: list[str]) -> None:
    """Runs the comparison that the flags describe."""
    run_dir = Path(only_argument(arguments))
    read_config(run_dir)
    architecture_file = flags.FLAGS.architecture
    config = config_flags.to_config(CompareConfig, search_settings(run_dir))
    config = dataclasses.replace(config, training=recalled(config.training, run_dir))
    compare_dir = Path(flags.FLAGS.compare_dir or run_dir / FOLDER)
    found = str(find_candidates(run_dir, architecture_file, 1)[0].architecture)
    data.check(config.training.data)
    workers = config_flags.to_config(WorkersConfig)
    check_ray(workers)
    console = Terminal()
    console.print_settings(config, {"compare_dir": str(compare_dir), "architecture": found})
    with CompareDirectory(compare_dir, config, (found,)):
        pass  # refused here if it cannot be used

    start_tensorflow(config.training.recipe.xla, long_runs=True)
    from epnas_tf.run.compare import run_compare

    options = {"architecture_file": architecture_file, "compare_dir": compare_dir, "latency": flags.FLAGS.latency}
    display = _display(console)
    result = interruptible(lambda: run_compare(run_dir, config, listener=display, workers=workers, **options))
    if result.already_finished:
        console.say(f"This comparison is finished; more --seeds go on with it. {compare_dir} holds its result.")
    _print(console, result.comparison)
    console.print(f"  {compare_dir / RESULT}", soft_wrap=True)
    if compare_dir == run_dir / FOLDER:  # a page shows no other
        console.print_next({"epnas-report": "a page to look at"}, run_dir)


def _print(console: Terminal, comparison: Comparison) -> None:
    """Prints the table, what its intervals are, and the conclusion."""
    images = comparison.num_images
    numbers = ["test accuracy", "found minus it", "parameters", "multiply-adds", "ms an image"]
    table = make_table("network", "", numbers=numbers)
    for row in comparison.networks:
        table.add_row(
            row.title,
            row.note,
            mean_text(row.accuracy, images),
            "" if row.name == FOUND else points_text(row.difference, images),
            f"{row.parameters:,}",
            f"{row.multiply_adds:,}",
            "-" if row.latency_ms is None else f"{row.latency_ms:.2f}",
        )
    console.print(table)
    console.say(comparison.image_noise)
    if comparison.device:
        console.say(f"Times on {comparison.device}.")
    console.say(comparison.conclusion)


def _display(console: Terminal) -> Any:
    from epnas_tf.run.compare import CompareListener

    class CompareDisplay(Display, CompareListener):
        """A display of one line per training, and in long trainings one per minute."""

        def started(self, data: Any, networks: list[Any], num_trainings: int, num_done: int) -> None:
            self.count, self.done, self.num_test = num_trainings, num_done, len(data.test)
            for note in data.notes:
                self.say(note)
            for network in networks:
                note = f", {network.note}" if network.note else ""
                self.say(f"{network.name}: {network.title}{note}, {network.cost.parameters:,} parameters")
            if num_done:
                self.say(f"Going on after {num_done} of {num_trainings} trainings.")

        def epoch_ended(self, network: Any, epoch: Any, epochs: int) -> None:
            if time.perf_counter() - self.last_line > SECONDS_A_LINE and epoch.epoch < epochs:
                accuracy = f"training accuracy {100 * epoch.training_accuracy:.1f} %"
                self.say(f"{network.title}: epoch {epoch.epoch}/{epochs}, {accuracy}")

        def training_ended(self, network: Any, record: dict[str, Any]) -> None:
            self.done += 1
            accuracy = record["accuracy"]
            outcome = "diverged" if accuracy is None else percent_of_images(accuracy, self.num_test)
            place = f"{self.done}/{self.count}  seed {record['seed'] + 1}"
            self.say(f"{place}  {network.title}: {outcome}, {record['seconds']:.0f} s")

        def say(self, text: str) -> None:
            self.last_line = time.perf_counter()
            super().say(text)

    return CompareDisplay(console)


def run() -> None:
    """The console script."""
    config_flags.define_preset("_final")
    config_flags.define(CompareConfig)
    config_flags.define(WorkersConfig)
    config_flags.define_path(
        "architecture", "JSON file of the architecture to take for the found one; the best of the search unless given"
    )
    config_flags.define_path("compare_dir", "where the comparison keeps its files; RUN_DIR/compare unless given")
    flags.DEFINE_boolean("latency", True, "time each network on this device at the end")
    config_flags.show_in_help("latency")
    config_flags.define_verbose()
    run_main(
        "epnas-compare", main, DESCRIPTION, on_interrupt="The same command goes on from the last epoch that ended."
    )


if __name__ == "__main__":
    run()
