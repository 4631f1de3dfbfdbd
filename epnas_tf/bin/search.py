"""The command `epnas-search`: flags, settings, search, result."""

import contextlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from epnas_tf import data
from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, command, interruptible, refuse_arguments, run_main, start_tensorflow
from epnas_tf.config import RunConfig, WorkersConfig, check_workers
from epnas_tf.data import sources
from epnas_tf.data.checks.names import folder_name
from epnas_tf.metrics import percent_of_images, with_interval
from epnas_tf.space import make_space
from epnas_tf.space.base import SearchSpace
from epnas_tf.storage.run_directory import recalled
from epnas_tf.storage.searches import folder_of_search, open_directories

if TYPE_CHECKING:
    from epnas_tf.run.one_search import SearchResult

MANY_CANDIDATES = 10**9
"""More than that of one level are warned of: they take minutes to score (`python -m benchmarks deep_levels`)."""

DESCRIPTION = """Searches for a convolutional network that fits a labelled image data set.

  epnas-search                                  the digits that ship with scikit-learn
  epnas-search --dataset=photos/                a folder with one folder of images a class
  epnas-search --preset=quickstart              a search of minutes

The same command goes on with a search that was stopped.
"""


def main(arguments: list[str]) -> None:
    """Runs the search that the flags describe."""
    refuse_arguments(arguments)
    config = config_flags.to_config(RunConfig)
    run_dir = flags.FLAGS.run_dir or default_run_dir(config)
    config = recalled(config, run_dir)
    workers, searches = config_flags.to_config(WorkersConfig), flags.FLAGS.searches
    check_workers(workers, config, searches)
    space = make_space(config.space)
    data.check(config.data)
    console = Terminal()
    verbose = {"operations": tuple(getattr(space, "operations", ()))} if flags.FLAGS.verbose else {}
    console.print_settings(config, {"run_dir": run_dir, **verbose})
    if config.search.sampling != "uniform" and (warning := warning_of_depth(space, config.search.k)):
        console.say(warning)
    with contextlib.ExitStack() as stack:
        open_directories(config, run_dir, searches, stack)  # refused here if they cannot be used

    start_tensorflow(config.child.xla, one_thread=config.round > 1 or searches > 1)
    from epnas_tf.bin.displays.search import LiveDisplay, LiveSearches, LogDisplay
    from epnas_tf.run.runner import run_searches

    live = sys.stdout.isatty() and not console.is_dumb_terminal
    numbers = range(1, searches + 1) if searches > 1 else (0,)
    drawn = [LiveDisplay(console, config.search, number) for number in numbers] if live else []
    displays: Sequence[LogDisplay] = drawn or [LogDisplay(console, config.search, number) for number in numbers]
    profile, forecast = flags.FLAGS.profile, flags.FLAGS.forecast
    with LiveSearches(drawn) if len(drawn) > 1 else displays[0]:
        try:
            results = interruptible(
                lambda: run_searches(config, run_dir, searches, displays, profile, forecast, workers)
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(after_interrupt(run_dir, displays[0].missing())) from None
    if all(result.already_finished for result in results):
        what, whose = ("This search is", "its result") if searches == 1 else ("These searches are", "their results")
        console.say(f"{what} finished; {run_dir} holds {whose}. Give another --run_dir for a new one.")
    for number, result in zip(numbers, results, strict=True):
        print_result(console, config, result, number, folder_of_search(run_dir, number or 1))
    at_the_end = max((result.workers for result in results), key=lambda some: sum(worker.children for worker in some))
    for worker in at_the_end:
        console.say(f"worker {worker.number}: {worker} ({worker.place})")
    if profile and results[0].already_finished:
        console.say("profile: none was written, since nothing was trained")
    elif profile:
        console.print(f"profile: tensorboard --logdir {shlex.quote(str(Path(run_dir) / 'logs'))}", soft_wrap=True)
    best = "the best architecture from fresh weights"
    several = "the best architecture of each search for a few epochs, and the best of them in full"
    steps = {"epnas-train": best if searches == 1 else several, "epnas-report": "the search as a page to look at"}
    console.print_next(steps, run_dir)


def print_result(console: Terminal, config: RunConfig, result: "SearchResult", number: int, folder: Path) -> None:
    """Prints what a search took and found.

    Args:
        console: the console.
        config: the settings.
        result: the result of the search.
        number: of several searches, which one it is, from 1; 0 for a search alone.
        folder: its folder.
    """
    failed = f", {result.num_failed} of them failed" if result.num_failed else ""
    which = f"search {number}: " if number else ""
    console.say(f"{which}{result.num_children} children in {result.seconds:.0f} s{failed}")
    if not number:  # the time of several searches side by side is that of the others as well
        console.say(where_the_time_went(result.seconds, result.parts))
    for line in best_lines(result, config):
        console.say(line)
    console.print(f"  {folder / 'architecture.json'}", soft_wrap=True)


def best_lines(result: "SearchResult", config: RunConfig) -> list[str]:
    """Describes the result of a search: ranking value, measured accuracy with interval, and architecture."""
    measured = (
        f"{with_interval(result.score, result.num_validation)} measured on {result.num_validation:,} validation images"
    )
    where, last = config.child.on_weights, f"  {result.architecture}"
    if config.search.rank_by == "score":
        return [f"best architecture, by its newest accuracy {where}:", f"  {measured}", last]
    estimate = percent_of_images(result.estimate, result.num_validation)
    return [
        f"best architecture, by an estimate of its accuracy {where}, between what is measured and what is predicted:",
        f"  {estimate} estimated, {measured}",
        last,
    ]


def after_interrupt(run_dir: str, missing: str) -> str:
    """Describes what can be done with a stopped search.

    Args:
        run_dir: its directory.
        missing: the text about what is missing until there is a whole network.
    """
    if (Path(run_dir) / "architecture.json").exists():
        return f"The best so far can be trained now:\n  {command('epnas-train')} {shlex.quote(run_dir)}"
    return f"There is nothing to train yet{': ' if missing else ''}{missing}."


def warning_of_depth(space: SearchSpace[Any, Any], k: int) -> str:
    """Returns a warning if levels have more candidates than can be scored in minutes, else ""."""
    deep = next((n for n in range(1, space.num_levels + 1) if k * space.num_extensions(n) > MANY_CANDIDATES), None)
    if deep is None:
        return ""
    return (
        f"warning: level {deep} of {space.num_levels} has up to {k * space.num_extensions(deep):,} candidates, and "
        "every further one twice as many. Two CPU cores score some 3 million a second: such a search may never end."
    )


def where_the_time_went(seconds: float, parts: dict[str, float]) -> str:
    """Describes on one line which fraction of a search's time each of its parts took."""
    shares = {**parts, "rest": seconds - sum(parts.values())}
    return "of that: " + ", ".join(f"{name} {100 * max(s, 0) / max(seconds, 1e-9):.0f} %" for name, s in shares.items())


def default_run_dir(config: RunConfig) -> str:
    """Returns the default run directory, one for each data set and space."""
    dataset = config.data.dataset
    ending = sources.ending(config.data)
    name = dataset.replace("/", "_").replace(":", "_") if ending is None else folder_name(dataset).removesuffix(ending)
    return str(Path("runs") / f"{name or 'images'}-{config.space.space}")


def run() -> None:
    """The console script."""
    config_flags.define(RunConfig)
    config_flags.define(WorkersConfig)
    config_flags.define_preset()
    flags.DEFINE_integer(
        "searches",
        1,
        "searches side by side on the same images, with seeds from `seed` on, each in a folder of its own; epnas-train "
        "then finds the best [paper, section 5: with more than one GPU]",
        lower_bound=1,
    )
    config_flags.show_in_help("searches")
    config_flags.define_path(
        "run_dir",
        "where the run keeps its files; runs/DATASET-SPACE unless given. The same directory goes on",
        group=config_flags.OFTEN,
    )
    flags.DEFINE_boolean(
        "profile", False, "write a TensorBoard profile of a few steps of a whole network to the run's logs"
    )
    flags.DEFINE_boolean(
        "forecast",
        True,
        "time a few steps first, say what the search will take, and refuse one that needs more memory than there is",
    )
    config_flags.show_in_help("profile", "forecast")
    config_flags.define_verbose()
    run_main("epnas-search", main, DESCRIPTION, on_interrupt="The same command goes on from the last child.")


if __name__ == "__main__":
    run()
