"""The command `epnas-show`, which prints an architecture file, or the best architectures of a run."""

import itertools
from pathlib import Path

from absl import flags

from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, make_table, only_argument, run_main
from epnas_tf.config import RunConfig
from epnas_tf.cost.workload import children_of_search, first_whole_child
from epnas_tf.errors import RunDirectoryError
from epnas_tf.metrics import interval_text, percent_of_images, with_interval
from epnas_tf.space import definition_of, depth_of, make_space
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.serialization import architecture_from_dict, load_architecture
from epnas_tf.storage.data_file import DATA_FILE, load_description
from epnas_tf.storage.records import TRIALS_FILE, best_trials, read_records
from epnas_tf.storage.run_directory import read_config

DESCRIPTION = """Prints an architecture layer by layer, or the best architectures of a run.

  epnas-show RUN_DIR
  epnas-show architecture.json
"""

RANKED_BY = {
    "estimate": "an estimate of each one's accuracy, between what is measured and what is predicted",
    "score": "each one's newest measured accuracy",
}
"""The names of the ranking values, by the setting `rank_by`."""


def main(arguments: list[str]) -> None:
    """Prints the architecture or run that the argument names."""
    path = Path(only_argument(arguments, "run directory or one architecture file"))
    console = Terminal()
    if path.is_dir():
        show_run(console, path, flags.FLAGS.best)
    else:
        show_architecture(console, load_architecture(path))


def show_run(console: Terminal, path: Path, count: int) -> None:
    """Prints the best whole networks of a run, and the very best layer by layer.

    Raises:
        RunDirectoryError: if there is no run, or it has no whole network yet.
    """
    config = read_config(path)
    depth = depth_of(config.space)
    whole = best_trials(path, depth)
    if not whole:
        raise RunDirectoryError(
            f"No architecture of {depth} levels is trained yet in {path}. {reached(path, config)} Let the search go on."
        )
    ranked = whole[:count]
    images = load_description(path).num_validation if (path / DATA_FILE).exists() else None
    table = make_table("estimate", "measured", "95 % interval", "parameters", "child", "iteration", "architecture")
    for trial in ranked:
        table.add_row(
            percent_of_images(trial["estimate"], images),
            percent_of_images(trial["score"], images),
            "-" if images is None else interval_text(trial["score"], images),
            f"{trial['parameters']:,}",
            str(trial["child"]),
            str(trial["iteration"]),
            trial["text"],
        )
    console.say(
        f"{path}: the best {len(ranked)} of {len(whole)} whole networks by {RANKED_BY[config.search.rank_by]}, "
        f"{config.child.on_weights}" + ("" if images is None else f", on {images:,} validation images")
    )
    console.print(table)
    console.print()
    show_architecture(console, architecture_from_dict(ranked[0]["architecture"]))


def reached(path: Path, config: RunConfig) -> str:
    """Describes the progress of a search that has no whole network yet."""
    space = make_space(config.space)
    planned = sum(children_of_search(space, config.search).values())
    first = first_whole_child(space, config.search)
    comes = f"whole networks come at level {space.num_levels}, from child {first} of {planned} on."
    trials = [trial for trial in read_records(path / TRIALS_FILE) if trial["status"] == "completed"]
    if not trials or not (path / DATA_FILE).exists():
        return comes.capitalize()
    best = max(trials, key=lambda trial: (trial["level"], trial["score"]))
    accuracy = with_interval(best["score"], load_description(path).num_validation)
    return f"So far: level {best['level']} of {space.num_levels}, {accuracy}; {comes}"


def show_architecture(console: Terminal, architecture: Architecture) -> None:
    """Prints an architecture layer by layer, or block by block."""
    console.say(str(architecture))
    console.print()
    definition = definition_of(architecture)
    levels = definition.operations_of(architecture)
    reads = definition.reads(architecture) if definition.reads else [()] * len(levels)
    columns = ("operation", "reads") if definition.reads else ("operation",)
    table = make_table(definition.level, *columns * max(map(len, levels)))
    for number, (names, sources) in enumerate(zip(levels, reads, strict=True), 1):
        cells = itertools.chain.from_iterable(zip(names, sources, strict=True)) if sources else names
        table.add_row(str(number), *cells)
    console.print(table)
    if caption := definition.reads_caption(architecture):
        console.say(caption)


def run() -> None:
    """The console script."""
    flags.DEFINE_integer("best", 10, "how many of a run's architectures to list", lower_bound=1)
    config_flags.show_in_help("best")
    run_main("epnas-show", main, DESCRIPTION)


if __name__ == "__main__":
    run()
