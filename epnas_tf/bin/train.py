"""The command `epnas-train`: flags, settings, final training, result."""

import sys
from pathlib import Path

from absl import flags

from epnas_tf import data
from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, interruptible, only_argument, run_main, start_tensorflow
from epnas_tf.config import TrainingConfig
from epnas_tf.metrics import with_interval
from epnas_tf.storage.run_directory import recalled
from epnas_tf.storage.training_directory import FOLDER, TrainingDirectory
from epnas_tf.training.architectures import find_candidates
from epnas_tf.training.settings import search_settings

DESCRIPTION = """Trains the architecture that a search found, from fresh weights, and measures it on the test images.

  epnas-train RUN_DIR                          the search's best architecture, on the search's data set
  epnas-train RUN_DIR --candidates=4           the best of the search's four best, after a few epochs each
  epnas-train RUN_DIR --architecture=my.json --dataset=photos/    an architecture of your own

The same command goes on with a training that was stopped. Data flags that are not given are the search's, but for
--train_images: all images are used unless it is given.
"""


def main(arguments: list[str]) -> None:
    """Runs the final training that the flags describe."""
    run_dir = Path(only_argument(arguments))
    architecture_file = flags.FLAGS.architecture
    config = recalled(config_flags.to_config(TrainingConfig, search_settings(run_dir)), run_dir)
    final_dir = Path(flags.FLAGS.final_dir or run_dir / FOLDER)
    candidates = find_candidates(run_dir, architecture_file, config.recipe.candidates)
    data.check(config.data)
    console = Terminal()
    architecture = str(candidates[0].architecture) if len(candidates) == 1 else f"the best of {len(candidates)}"
    console.print_settings(config, {"final_dir": str(final_dir), "architecture": architecture})
    with TrainingDirectory(final_dir, config, tuple(str(c.architecture) for c in candidates)):
        pass  # refused here if it cannot be used

    start_tensorflow(config.recipe.xla, long_runs=True)
    from epnas_tf.bin.displays.training import LiveTrainingDisplay, LogTrainingDisplay
    from epnas_tf.training.trainer import train_final

    live = sys.stdout.isatty() and not console.is_dumb_terminal
    with (LiveTrainingDisplay if live else LogTrainingDisplay)(console, config.recipe) as display:
        result = interruptible(
            lambda: train_final(
                run_dir, config, architecture_file=architecture_file, final_dir=final_dir, listener=display
            )
        )
    if result.already_finished:
        console.say(f"This training is finished; {final_dir} holds its result. Give another --final_dir for a new one.")
    metrics = result.metrics
    console.say(f"{result.architecture}")
    console.say(f"{result.cost.parameters:,} parameters, {result.cost.multiply_adds:,} multiply-adds an image")
    console.say(
        f"test accuracy {with_interval(metrics.accuracy, metrics.num_images)} on {metrics.num_images:,} images, "
        f"loss {metrics.loss:.4f}, after {result.seconds:.0f} s"
    )
    console.print(f"  {final_dir / 'metrics.json'}", soft_wrap=True)
    steps = {"epnas-export": "a SavedModel to serve", "epnas-report": "a page to look at"}
    console.print_next(steps, run_dir if final_dir == run_dir / FOLDER else final_dir)


def run() -> None:
    """The console script."""
    config_flags.define_preset("_final")
    config_flags.define(TrainingConfig)
    config_flags.define_path(
        "architecture", "JSON file of the architecture to train; the best of the search unless given"
    )
    config_flags.define_path("final_dir", "where the training keeps its files; RUN_DIR/final unless given")
    config_flags.define_verbose()
    run_main(
        "epnas-train",
        main,
        DESCRIPTION,
        on_interrupt="The same command goes on from the last epoch; a candidate begins anew.",
    )


if __name__ == "__main__":
    run()
