"""Assembly and writing of a run's report."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import jinja2

from epnas_tf.errors import RunDirectoryError
from epnas_tf.report import images, tables, text
from epnas_tf.report.figures import (
    compare,
    pareto,
    search as search_figures,
    searches,
    svg,
    training as training_figures,
)
from epnas_tf.report.figures.architecture import architecture_picture
from epnas_tf.report.figures.drawing import Picture, drawing
from epnas_tf.report.figures.rank import Rank, rank_picture, read_rank
from epnas_tf.report.search_files import Search, read_search
from epnas_tf.report.summary import Summary, summarise
from epnas_tf.report.training_files import Training, read_training
from epnas_tf.storage.compare_directory import FOLDER as COMPARE_FOLDER, Comparison, read_comparison
from epnas_tf.storage.rank_directory import FOLDER as RANK_FOLDER
from epnas_tf.storage.searches import folders_of_searches
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
    "searches",
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


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """The parts of a run, each None if it does not exist; there is a search or a final training.

    Of several searches side by side, `search` is the first and `searches` are all; of one alone there are none.
    """

    search: Search | None
    training: Training | None
    rank: Rank | None = None
    comparison: Comparison | None = None
    searches: tuple[Search, ...] = ()


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
    run = read_run(path, None if final_dir is None else Path(final_dir))
    place = Path(output) if output is not None else default_place(path, final_dir)
    _check_earlier(place, run.search)
    summary = summarise(run.search, run.training)
    pictures = draw(run, summary)
    page = render(run, summary, pictures)
    folder = place / PICTURES
    with translate_os_errors(place):
        folder.mkdir(parents=True, exist_ok=True)
        for name in set(NAMES) - pictures.keys():
            (folder / f"{name}.svg").unlink(missing_ok=True)
    for name, picture in pictures.items():
        write_whole(folder / f"{name}.svg", picture.svg.encode())
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


def read_run(path: Path, final: Path | None = None) -> Run:
    """Reads the parts of a run.

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
        return Run(None, read_training(path))
    search = read_search(path) if has_search else None
    training = read_training(final) if has_training else None
    if search is None:
        return Run(None, training)
    others = tuple(map(read_search, folders_of_searches(path)[1:]))
    several = (search, *others) if others else ()
    return Run(search, training, read_rank(path / RANK_FOLDER), read_comparison(path / COMPARE_FOLDER), several)


def draw(run: Run, summary: Summary) -> dict[str, Picture]:
    """Draws every picture for which there is data, by name."""
    with drawing():
        return {picture.name: picture for picture in _pictures(run, summary) if picture is not None}


def _pictures(run: Run, summary: Summary) -> Iterator[Picture | None]:
    if summary.architecture is not None:
        yield architecture_picture(summary.architecture)
    if (search := run.search) is not None:
        yield search_figures.accuracy_picture(search)
        yield search_figures.prediction_picture(search)
        yield search_figures.updates_picture(search)
        yield from pareto.front_pictures(search)
    if run.searches:
        yield searches.searches_picture(run.searches)
    if run.rank is not None:
        yield rank_picture(run.rank)
    if (training := run.training) is not None:
        if training.epochs:
            yield training_figures.loss_picture(training.epochs, training.config.recipe)
            yield training_figures.training_accuracy_picture(training.epochs, training.config.recipe)
            yield training_figures.learning_rate_picture(training.epochs, training.config.recipe)
        if training.figures is not None:
            yield training_figures.confusion_picture(training.figures)
    if run.comparison is not None:
        yield compare.compare_picture(run.comparison)


def render(run: Run, summary: Summary, pictures: dict[str, Picture]) -> str:
    """Renders the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("epnas_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for module in (
        text,
        tables,
        images,
        pareto,
        compare,
        searches,
        svg,
    ):  # the page calls their functions by name
        environment.filters |= vars(module)
    template = environment.get_template("report.html")
    crowded = training_figures.CLASSES_WITH_NUMBERS
    return template.render(**vars(run), summary=summary, pictures=pictures, crowded=crowded)
