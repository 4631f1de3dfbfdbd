"""Assembly and writing of a run's report."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2

from epnas_tf.errors import RunDirectoryError
from epnas_tf.metrics import percent_of_images
from epnas_tf.nn import Operation, known
from epnas_tf.report import tables
from epnas_tf.report.figures.architecture import architecture_picture
from epnas_tf.report.figures.compare import compare_picture, compared_rows
from epnas_tf.report.figures.drawing import Picture, drawing
from epnas_tf.report.figures.pareto import all_fronts, front_pictures
from epnas_tf.report.figures.rank import Rank, rank_picture, read_rank
from epnas_tf.report.figures.search import accuracy_picture, prediction_picture, updates_picture
from epnas_tf.report.figures.training import (
    CLASSES_WITH_NUMBERS,
    confusion_picture,
    learning_rate_picture,
    loss_picture,
    training_accuracy_picture,
)
from epnas_tf.report.images import examples
from epnas_tf.report.search_files import Search, read_search
from epnas_tf.report.summary import Summary, summarise, training_status
from epnas_tf.report.text import clean, count, decimal, duration, plural
from epnas_tf.report.training_files import Training, read_training
from epnas_tf.space.architecture import Architecture
from epnas_tf.storage.compare_directory import FOLDER as COMPARE_FOLDER, Comparison, read_comparison
from epnas_tf.storage.rank_directory import FOLDER as RANK_FOLDER
from epnas_tf.storage.state_files import translate_os_errors, write_whole
from epnas_tf.storage.training_directory import FOLDER, is_training

FILE = "report.html"
PICTURES = "report"
TITLE = ": architecture search</title>"
"""The mark in the head of every report."""
NO_SEARCH = "There is no search in this directory."
"""The mark of a report without a search."""
NAMES = (
    "accuracy",
    "prediction",
    "updates",
    "front-parameters",
    "front-multiply-adds",
    "rank",
    "architecture",
    "loss",
    "training-accuracy",
    "learning-rate",
    "confusion",
    "compare",
)
"""Every picture there may be; one that an earlier report left and this one lacks is removed."""


def write_report(
    run_dir: str | os.PathLike[str],
    final_dir: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes a run's report: one self-contained HTML file, and its pictures as SVG files.

    It needs only the run directory and changes nothing else in it, so it can be made at any time, also during a search
    or a training. The same files give the same report.

    Args:
        run_dir: the directory of a search, with or without a final training in it, or of a final training alone.
        final_dir: the final training to show with the search; None for the folder `final` of `run_dir`.
        output: the folder of report.html and report/, made if it does not exist. None for `run_dir`; or for `final_dir`
            if that is a training outside `run_dir`, so that each training has its own report.

    Returns:
        The file report.html, which replaces an earlier one. The pictures are in report/ beside it.

    Raises:
        RunDirectoryError: if it is not the directory of a run, a file in it is not one that a run writes, the report
            cannot be written, or it would replace a page that is not a report or that shows a search which this one
            does not. An earlier report then stays unchanged.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.write_report("runs/demo").name
        'report.html'
    """
    path = Path(run_dir)
    search, training = read_run(path, None if final_dir is None else Path(final_dir))
    place = Path(output) if output is not None else default_place(path, final_dir)
    _check_earlier(place, search)
    rank = None if search is None else read_rank(path / RANK_FOLDER)
    comparison = None if search is None else read_comparison(path / COMPARE_FOLDER)
    summary = summarise(search, training)
    pictures = draw(search, training, summary, rank, comparison)
    page = render(search, training, summary, pictures, rank, comparison)
    folder = place / PICTURES
    with translate_os_errors(place):
        folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        file = folder / f"{name}.svg"
        if name in pictures:
            write_whole(file, pictures[name].svg.encode())
        else:
            with translate_os_errors(folder):
                file.unlink(missing_ok=True)
    write_whole(place / FILE, page.encode())
    return place / FILE


def _check_earlier(place: Path, search: Search | None) -> None:
    """Refuses to replace a page that is not a report, or the report of a search by one without that search.

    Raises:
        RunDirectoryError: if it would be replaced, or cannot be read.
    """
    file = place / FILE
    if not file.is_file():
        return
    with translate_os_errors(place):
        earlier = file.read_text(encoding="utf-8", errors="replace")
    if TITLE not in earlier:
        raise RunDirectoryError(
            f"Only a report is written over. Received: {file}, which is a page of another kind. Move it away, or give "
            "another --output (`output`)."
        )
    if search is None and NO_SEARCH not in earlier:
        raise RunDirectoryError(
            f"A report of a search is not written over by one without it. Received: {file}, which shows a search. Give "
            "the search's RUN_DIR with --final_dir (`final_dir`), or another --output (`output`)."
        )


def default_place(run_dir: Path, final_dir: str | os.PathLike[str] | None) -> Path:
    """Returns the default folder of a report; see `write_report`."""
    own = run_dir / FOLDER
    if final_dir is None or (own.exists() and os.path.samefile(own, final_dir)):
        return run_dir
    return Path(final_dir)


def read_run(path: Path, final: Path | None = None) -> tuple[Search | None, Training | None]:
    """Reads the search and the final training of a run, as far as they exist; at least one does.

    Args:
        path: the run's directory.
        final: the directory of a final training, which must exist; None for the one in `path`, if any.

    Raises:
        RunDirectoryError: if there is neither, or a file is not one that a run writes.
    """
    if final is not None and not is_training(final):
        raise RunDirectoryError(
            f"A final training must be a directory that epnas-train has made. Received: {final}, which is none. Give "
            "what its --final_dir named."
        )
    final = final or path / FOLDER
    has_search, has_training = os.path.isfile(path / "config.json"), os.path.isfile(final / "config.json")
    if not has_search and not has_training:
        what = "is a directory without a config.json" if path.is_dir() else "is no directory"
        raise RunDirectoryError(
            f"A report is made of the directory of a search or a final training. Received: {path}, which {what}. "
            "Give what --run_dir named."
        )
    if has_search and not has_training and is_training(path):
        return None, read_training(path)
    return read_search(path) if has_search else None, read_training(final) if has_training else None


def draw(
    search: Search | None,
    training: Training | None,
    summary: Summary,
    rank: Rank | None = None,
    comparison: Comparison | None = None,
) -> dict[str, Picture]:
    """Draws every picture for which there is data, by name."""
    with drawing():
        pictures = [*_pictures(search, training, summary, rank)]
        pictures += [] if comparison is None else [compare_picture(comparison)]
        return {picture.name: picture for picture in pictures if picture is not None}


def _pictures(
    search: Search | None, training: Training | None, summary: Summary, rank: Rank | None
) -> Iterator[Picture | None]:
    if summary.architecture is not None:
        yield architecture_picture(summary.architecture)
    if search is not None:
        yield accuracy_picture(search)
        yield prediction_picture(search)
        yield updates_picture(search)
        yield from front_pictures(search)
    if rank is not None:
        yield rank_picture(rank)
    if training is not None:
        if training.epochs:
            yield loss_picture(training.epochs, training.config.recipe)
            yield training_accuracy_picture(training.epochs, training.config.recipe)
            yield learning_rate_picture(training.epochs, training.config.recipe)
        if training.figures is not None:
            yield confusion_picture(training.figures)


def render(
    search: Search | None,
    training: Training | None,
    summary: Summary,
    pictures: dict[str, Picture],
    rank: Rank | None = None,
    comparison: Comparison | None = None,
) -> str:
    """Renders the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("epnas_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    return environment.get_template("report.html").render(
        summary=summary,
        pictures=pictures,
        search=search,
        rank=rank,
        comparison=comparison,
        training=training,
        settings=_settings(search, training),
        crowded=CLASSES_WITH_NUMBERS,
    )


def _settings(search: Search | None, training: Training | None) -> list[tuple[str, list[Any], str]]:
    """Returns title, groups of settings and package versions for each part of the run."""
    parts = {"Search": search, "Final training": training}
    return [
        (
            title,
            tables.settings_groups(part.config, part.document["settings"]),
            ", ".join(f"{clean(name)} {clean(version)}" for name, version in part.document["versions"].items()),
        )
        for title, part in parts.items()
        if part is not None
    ]


def used_operations(architectures: Iterable[Architecture]) -> list[Operation]:
    """Returns the operations of some architectures, each once, those of the paper in its order."""
    used = {part for architecture in architectures for level in tables.operations_of(architecture) for part in level}
    order = {name: place for place, name in enumerate(known())}
    return sorted(used, key=lambda shown: (order.get(shown.name, len(order)), shown.label))


FILTERS: tuple[Callable[..., Any], ...] = (
    tables.accuracy_table,
    tables.architecture_table,
    tables.best_networks,
    tables.correlation_table,
    tables.frequent_confusions,
    tables.operations_of,
    tables.training_facts,
    all_fronts,
    compared_rows,
    clean,
    count,
    decimal,
    duration,
    examples,
    percent_of_images,
    plural,
    training_status,
    used_operations,
)
"""The functions that the page's template calls by their names."""
