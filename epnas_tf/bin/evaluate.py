"""The command `epnas-evaluate`: flags, settings, evaluation, printed metrics."""

import contextlib
import json
import os
from pathlib import Path

from absl import flags
from rich.table import Table

from epnas_tf import data
from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, make_table, only_argument, run_main, start_tensorflow
from epnas_tf.config import NOT_AUGMENTED
from epnas_tf.errors import ConfigError
from epnas_tf.evaluation import Evaluation, Metrics
from epnas_tf.evaluation.evaluation import evaluate
from epnas_tf.evaluation.latency import Latency
from epnas_tf.evaluation.location import locate
from epnas_tf.evaluation.matching import SAME
from epnas_tf.evaluation.settings import MIRROR, SINGLE, SPLITS, VIEWS, EvaluationConfig, base_settings, no_data
from epnas_tf.metrics import percent_of_images, with_interval
from epnas_tf.options import values_of
from epnas_tf.storage.state_files import write_whole

DESCRIPTION = """Evaluates a trained network on images that are labelled.

  epnas-evaluate RUN_DIR                                the final training's network on the test images of its data set
  epnas-evaluate RUN_DIR/export/model.keras             an exported model: .keras, SavedModel folder, .tflite
  epnas-evaluate RUN_DIR --dataset=photos/              on other images of the same classes
  epnas-evaluate RUN_DIR --latency --json=figures.json  also times it on this device, and writes all figures to a file

Flags of the data set that are not given are those that the network was trained with, not the defaults below.
"""

LARGEST_TABLE = 20
"""Classes up to which the confusion matrix is printed whole."""

CONFUSED_PAIRS = 15

PARTS = {"test": "test part", "validation": "validation part", "train": "training part", "all": "all images"}


def main(arguments: list[str]) -> None:
    """Evaluates the model that the one argument names."""
    path, json_file = only_argument(arguments, "model: a run directory or a file"), flags.FLAGS.json
    config = config_of(path)
    data.check(config.data, fewest_classes=1)
    if json_file:
        refuse_file(Path(json_file))
    start_tensorflow()
    chosen = flags.FLAGS
    result = evaluate(path, config.data, chosen.split, chosen.latency, config.seed, chosen.views)
    show(Terminal(), result)
    if json_file:
        refuse_file(Path(json_file))
        write_whole(Path(json_file), (json.dumps(result.to_dict(), indent=2) + "\n").encode())


def config_of(path: str) -> EvaluationConfig:
    """Returns the data settings from the flags, based on those of the model's own training.

    Raises:
        ConfigError: if neither names one, or a value is out of its bounds.
    """
    own, flag = locate(path).config(), flags.FLAGS["dataset"]
    if own is None and not flag.present:
        raise no_data(path)
    base = {} if own is None else base_settings(values_of(own), flag.value if flag.present else None)
    return config_flags.to_config(EvaluationConfig, base)


def refuse_file(file: Path, flag: str = "--json") -> None:
    """Refuses an output file, named by a flag, that exists or cannot be written.

    Raises:
        ConfigError: if it exists, or its folder does not exist or is not writable.
    """
    with contextlib.suppress(FileNotFoundError):
        os.lstat(file)  # raises, too, for a name that is too long
        raise ConfigError(f"{flag} must name a new file; nothing is overwritten. Received: {file}, which exists.")
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ConfigError(f"{flag} must name a file in a folder that can be written to. Received: {file}")


def show(console: Terminal, result: Evaluation) -> None:
    """Prints the result of an evaluation."""
    metrics = result.metrics
    console.say(f"{result.model} on {result.data_name}, {PARTS[result.split]}")
    size = "×".join(map(str, result.image_shape))
    present = len(metrics.classes) - len(result.absent)
    console.say(f"{metrics.num_images} images of {size} in {present} classes")
    for note in result.notes:
        console.say(note)
    if result.channels is not None:
        console.say(result.channels)
    if result.views == MIRROR:
        console.say("the mean of the probabilities of each image and of its mirror image")
    if result.may_be_trained_on:
        console.say("the network may have been trained on these images; on new ones it can do worse")
    if result.matching != SAME:
        console.say(f"the classes of the data set and of the model are matched {result.matching}")
    if result.absent:
        console.say(f"the network also knows, without images here: {', '.join(result.absent)}")
    for table in (figures_table(metrics), class_table(metrics)):
        console.print()
        console.print(table)
    console.print()
    show_confusion(console, metrics)
    if result.latency is not None:
        console.print()
        show_latency(console, result.latency)


def figures_table(metrics: Metrics) -> Table:
    """Makes the table of accuracy, top-5 accuracy and loss."""
    table = make_table()
    table.add_row("accuracy", with_interval(metrics.accuracy, metrics.num_images))
    if metrics.top_5 is not None:
        table.add_row("top-5 accuracy", with_interval(metrics.top_5, metrics.num_images))
    table.add_row("loss", f"{metrics.loss:.4f} nats")
    return table


def class_table(metrics: Metrics) -> Table:
    """Makes the table of the metrics of each class."""
    table = make_table("class", numbers=("precision", "recall", "F1", "images"))
    for figures in metrics.classes:
        parts = (figures.precision, figures.recall, figures.f1)
        known = (part if figures.num_images else None for part in parts)
        shares = (percent_of_images(part, figures.num_images) for part in known)
        table.add_row(figures.name, *shares, str(figures.num_images))
    return table


def show_confusion(console: Terminal, metrics: Metrics) -> None:
    """Prints the confusion matrix, or the most confused pairs if it would not fit."""
    if len(metrics.classes) <= LARGEST_TABLE:
        table = confusion_table(metrics)
        unbounded = console.options.update(max_width=10_000)  # or the console's own width is the most it gives
        if console.measure(table, options=unbounded).maximum <= console.width:
            console.say("confusion matrix: images of the class in the row, taken for the class in the column")
            console.print(table)
            return
    pairs = confused_pairs(metrics)
    if not pairs:
        console.say("no image was taken for another class")
        return
    console.say(f"the classes confused most often ({len(pairs)} pairs; --json gives the whole matrix)")
    table = make_table("true class", "taken for", numbers=("images",))
    for count, true, predicted in pairs:
        table.add_row(metrics.class_names[true], metrics.class_names[predicted], str(count))
    console.print(table)


def confusion_table(metrics: Metrics) -> Table:
    """Makes the table of the confusion matrix, with class numbers, which fit above the counts, as column heads."""
    named = metrics.class_names != tuple(map(str, range(len(metrics.classes))))
    table = make_table("", numbers=map(str, range(len(metrics.classes))))
    for number, (name, row) in enumerate(zip(metrics.class_names, metrics.confusion, strict=True)):
        table.add_row(f"{number} {name}" if named else name, *(str(count) if count else "·" for count in row))
    return table


def confused_pairs(metrics: Metrics) -> list[tuple[int, int, int]]:
    """Returns (images, true class, predicted class) of the most confused pairs, most frequent first."""
    pairs = [
        (count, true, predicted)
        for true, row in enumerate(metrics.confusion)
        for predicted, count in enumerate(row)
        if count and predicted != true
    ]
    return sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))[:CONFUSED_PAIRS]


def show_latency(console: Terminal, latency: Latency) -> None:
    """Prints the latency on this device."""
    console.say(f"latency on {latency.device}")
    table = make_table(numbers=("batch", "median", "90th percentile", "images a second", "calls"))
    for batch in latency.batches:
        table.add_row(
            str(batch.batch_size),
            f"{batch.median_ms:.2f} ms",
            f"{batch.percentile_90_ms:.2f} ms",
            f"{batch.images_per_second:,.0f}",
            str(batch.calls),
        )
    console.print(table)


def run() -> None:
    """The console script."""
    flags.DEFINE_enum(
        "split",
        None,
        list(SPLITS),
        "part of the data set to evaluate on; test unless given, and all where another data set has no test part",
    )
    flags.DEFINE_enum(
        "views",
        SINGLE,
        list(VIEWS),
        "mirror averages the probabilities of each image and its mirror image; not for digits and letters, and not how "
        "an exported model answers",
    )
    flags.DEFINE_boolean("latency", False, "also time the model on this device, at batches of 1 and 64 images")
    config_flags.define_path("json", "new file for all figures; none is written unless this is given")
    config_flags.show_in_help("split", "views", "latency")
    config_flags.define(EvaluationConfig, without=NOT_AUGMENTED)
    run_main("epnas-evaluate", main, DESCRIPTION)


if __name__ == "__main__":
    run()
