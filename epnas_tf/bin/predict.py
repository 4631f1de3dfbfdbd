"""The command `epnas-predict`: flags, predictions, a table or a file."""

import contextlib
import csv
import json
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from rich.cells import cell_len
from rich.progress import Progress

from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.console import Terminal, run_main, start_tensorflow
from epnas_tf.bin.evaluate import refuse_file
from epnas_tf.data.sources import pictures
from epnas_tf.errors import ConfigError, DataError
from epnas_tf.evaluation.location import locate
from epnas_tf.evaluation.prediction import FilePrediction, Predictor, find_images
from epnas_tf.evaluation.preparation import to_document
from epnas_tf.files import new_file
from epnas_tf.storage.state_files import translate_os_errors

DESCRIPTION = """Classifies image files by a trained network.

  epnas-predict RUN_DIR photo.jpg                                        a table: file, class, probability, next best
  epnas-predict RUN_DIR/export/saved_model photos/ more/                 all images in folders, at any depth
  epnas-predict RUN_DIR photos/ --format=csv --output=answers.csv        a row for each file, with all probabilities

The model is a run directory or an exported one: SavedModel folder, .keras, .tflite. Files may be of any format that
Pillow reads; they are prepared as the training's images were. Files that cannot be read are named at the end; then the
others have been answered, and the exit code is 1.
"""

NAMED = 10
"""Files that cannot be read which the error at the end names."""

WIDEST = 60
"""Cells up to which the names of files set the width of their column."""

Answers = Iterable[FilePrediction]
Write = Callable[[str], object]


def main(arguments: list[str]) -> None:
    """Classifies files with a model: the first argument names the model, the others the files."""
    if len(arguments) < 2:
        raise ConfigError(
            f"Give a model, then image files or folders, see --help. Received: {' '.join(arguments) or 'nothing'}"
        )
    values, (model, *given) = flags.FLAGS, arguments
    if values.output:
        refuse_file(Path(values.output), "--output")
    locate(model)
    files, left_out = find_images(given)
    start_tensorflow()
    predictor = Predictor(model, files)
    messages = Terminal(stderr=True)
    for note in (*predictor.notes, left_out):
        if note:
            messages.say(note)
    broken: list[FilePrediction] = []
    answers = watched(predictor.run(files), len(files), broken, show=values.output or not sys.stdout.isatty())
    with opened(values.output) as write:
        RENDER[values.format](write, answers, predictor, files)
    for remark in predictor.remarks:
        messages.say(remark)
    if values.output:
        Terminal().say(f"{len(files) - len(broken):,} images classified: {pictures.shown(values.output)}")
    refuse_broken(broken, len(files))


def refuse_broken(broken: list[FilePrediction], total: int) -> None:
    """Names the files that could not be read.

    Raises:
        DataError: if there are any.
    """
    if broken:
        named = "; ".join(f"{printable(answer.file)} ({answer.error})" for answer in broken[:NAMED])
        rest = f"; and {len(broken) - NAMED:,} more" if len(broken) > NAMED else ""
        raise DataError(
            f"Every image file must hold a whole image; the others are answered. Received: {len(broken):,} of "
            f"{total:,} files that cannot be read: {named}{rest}. Replace them or leave them out."
        )


def watched(answers: Answers, total: int, broken: list[FilePrediction], *, show: object) -> Iterator[FilePrediction]:
    """Passes predictions on, collects broken files, and shows the progress if the predictions do not."""
    console = Terminal(stderr=True)
    with Progress(console=console, transient=True, disable=not (show and console.is_terminal)) as progress:
        for answer in progress.track(answers, total=total, description="classifying"):
            if answer.error:
                broken.append(answer)
            yield answer


@contextlib.contextmanager
def opened(output: str | None) -> Iterator[Write]:
    """Yields a function that writes text to a new file, whole or not at all, or to standard output.

    Surrogates, which represent bytes of a file name that are not UTF-8, are written to files as these bytes.
    """
    if not output:
        encoding = "utf-8" if flags.FLAGS.format == "csv" else sys.stdout.encoding
        errors = "surrogateescape" if flags.FLAGS.format == "csv" else "backslashreplace"

        def show(text: str) -> None:
            sys.stdout.buffer.write(text.encode(encoding, errors))
            sys.stdout.buffer.flush()

        yield show
        return
    file = Path(output)
    with translate_os_errors(file), new_file(file) as handle:
        yield lambda text: handle.write(text.encode("utf-8", "surrogateescape"))
        refuse_file(file, "--output")


def table(write: Write, answers: Answers, predictor: Predictor, files: Sequence[object]) -> None:
    """Writes the lines of a table."""
    names = [printable(name) for name in predictor.class_names]
    file_width = min(max(cell_len(printable(str(file))) for file in files), WIDEST)
    class_width = max(map(cell_len, [*names, "class"]))
    write(f"{padded('file', file_width)}  {padded('class', class_width)}  probability  next best\n")
    for answer in answers:
        start = padded(printable(answer.file), file_width)
        if answer.probabilities is None:
            write(f"{start}  cannot be read: {answer.error}\n")
            continue
        order = np.argsort(-answer.probabilities, kind="stable")[: flags.FLAGS.top]
        shares = [(names[number], f"{100 * answer.probabilities[number]:.1f} %") for number in order]
        others = ", ".join(" ".join(share) for share in shares[1:])
        write(f"{start}  {padded(shares[0][0], class_width)}  {shares[0][1]:>11}  {others}".rstrip() + "\n")


def csv_rows(write: Write, answers: Answers, predictor: Predictor, _: Sequence[object]) -> None:
    """Writes the lines of a CSV file with all probabilities; floats have the fewest digits that identify them."""
    names, rows = predictor.class_names, csv.writer(types.SimpleNamespace(write=write), lineterminator="\n")
    rows.writerow(["file", "class", "probability", "error", *(f"probability of {name}" for name in names)])
    for answer in answers:
        if answer.probabilities is None:
            rows.writerow([answer.file, "", "", answer.error, *[""] * len(names)])
            continue
        best, shares = answer.probabilities.argmax(), list(map(str, answer.probabilities))
        rows.writerow([answer.file, names[best], shares[best], "", *shares])


def json_lines(write: Write, answers: Answers, predictor: Predictor, _: Sequence[object]) -> None:
    """Writes the lines of a JSON document with all probabilities, in the order of its `class_names`, one per file."""
    names = predictor.class_names
    head = {"class_names": names, "preparation": to_document(predictor.preparation), "notes": predictor.notes}
    write(json.dumps(head, indent=2)[:-2] + ',\n  "files": [')
    separator = "\n    "
    for answer in answers:
        entry: dict[str, Any] = {"file": answer.file}
        if answer.probabilities is None:
            entry["error"] = answer.error
        else:
            rounded = [float(str(value)) for value in answer.probabilities]  # a double has digits that a float has not
            best = int(answer.probabilities.argmax())
            entry |= {"class": names[best], "probability": rounded[best], "probabilities": rounded}
        write(separator + json.dumps(entry))
        separator = ",\n    "
    write("\n  ]\n}\n")


RENDER: dict[str, Callable[[Write, Answers, Predictor, Sequence[object]], None]] = {
    "table": table,
    "csv": csv_rows,
    "json": json_lines,
}
"""The writers of predictions, by the value of --format."""


def printable(text: str) -> str:
    """Makes a name printable on one line, whatever bytes it has."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: repr(found[0])[1:-1], pictures.shown(text))


def padded(text: str, width: int) -> str:
    """Pads a text with blanks to a width in terminal cells."""
    return text + " " * (width - cell_len(text))


def run() -> None:
    """The console script."""
    flags.DEFINE_enum("format", "table", list(RENDER), "form of the answers; csv and json give all probabilities")
    flags.DEFINE_integer("top", 3, "classes that the table shows for each file, the most probable first", lower_bound=1)
    config_flags.show_in_help("format", "top")
    config_flags.define_path("output", "new file to write instead of standard output")
    run_main("epnas-predict", main, DESCRIPTION, on_interrupt="No file was written.")


if __name__ == "__main__":
    run()
