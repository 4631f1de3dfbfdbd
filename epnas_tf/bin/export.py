"""The command `epnas-export`: flags, export, printed table."""

from absl import flags
from rich.table import Table

from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, make_table, only_argument, quiet_tensorflow, run_main
from epnas_tf.export import FORMATS, Export, ExportResult
from epnas_tf.metrics import percent_of_images

NEWLINE = "\n"
DESCRIPTION = f"""Exports the network that epnas-train trained, as files that run without this package.

  epnas-export RUN_DIR                                   all formats, to RUN_DIR/export
  epnas-export RUN_DIR --format=saved_model              one of them
  epnas-export RUN_DIR --output=digits --overwrite       to a folder of your own

The formats:
{NEWLINE.join(f"  {entry.name:<17} {entry.content}: {entry.good_for}" for entry in FORMATS.values())}

Each file is loaded again and compared with the trained network on test images. If a float32 file differs, nothing is
left. An 8-bit file that rounding changes too much is left out, or, where --format asks for it, refuses the export.
"""


def main(arguments: list[str]) -> None:
    """Exports the run that the argument names."""
    values, console = flags.FLAGS, Terminal()
    formats = values.format if values["format"].present else None
    export = Export(only_argument(arguments), formats, values.output, values.overwrite, console.say)
    with quiet_tensorflow():  # and so its converters
        from epnas_tf.devices import grow_gpu_memory

        grow_gpu_memory()
        result = export.run()
    console.say(f"{result.output}: each file was loaded again and compared on {result.images}")
    for table in (files_table(result), uses_table(result)):
        console.print(table)
        console.print()
    for why in result.left_out.values():
        console.say(f"left out: {why}")
    steps = {"epnas-evaluate": "accuracy and latency of an exported file"}
    console.print_next(steps, result.files[0].path, "--latency")


def files_table(result: ExportResult) -> Table:
    """Makes the table of exported files."""
    table = make_table("format", "file", "size", "largest difference", "equal predictions")
    for file in result.files:
        table.add_row(
            file.format.name,
            file.format.file,
            f"{file.size / 1000:,.0f} kB",
            f"{file.parity.max_difference:.1e}",
            percent_of_images(file.parity.equal_predictions, file.parity.num_images),
        )
    return table


def uses_table(result: ExportResult) -> Table:
    """Makes the table of formats and their uses."""
    table = make_table("format", "what it is", "good for")
    for file in result.files:
        table.add_row(file.format.name, file.format.content, file.format.good_for)
    return table


def run() -> None:
    """The console script."""
    flags.DEFINE_list("format", list(FORMATS), f"what to write, separated by commas: {', '.join(FORMATS)}")
    flags.DEFINE_boolean("overwrite", False, "replace an export that is there, once the new one has passed")
    config_flags.show_in_help("format", "overwrite")
    config_flags.define_path("output", "folder to write; export in the run's directory unless given")
    run_main("epnas-export", main, DESCRIPTION, on_interrupt="Nothing was exported.")


if __name__ == "__main__":
    run()
