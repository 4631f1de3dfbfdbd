"""The head of the report: the progress of the run and its main figures."""

import dataclasses
from pathlib import Path

from epnas_tf.cost.workload import first_whole_child
from epnas_tf.metrics import interval_text, percent_of_images
from epnas_tf.report.search_files import Search, Trial
from epnas_tf.report.tables import search_cost
from epnas_tf.report.text import MISSING, clean, compact, duration, plural
from epnas_tf.report.training_files import Training
from epnas_tf.space import make_space
from epnas_tf.space.architecture import Architecture
from epnas_tf.storage.data_file import DataDescription


@dataclasses.dataclass(frozen=True)
class Tile:
    """A figure in large letters."""

    title: str
    value: str
    note: str


@dataclasses.dataclass(frozen=True)
class Summary:
    """The head of the report.

    Attributes:
        name: the name of the data set.
        data: one line about the data set; empty if it is not known.
        status: sentences about the progress of the run.
        tiles: the main figures.
        architecture: the architecture shown, the trained one or the search's best; None before there is one.
        title: the heading of that architecture.
        other: the search's best, if it is not the trained one.
    """

    name: str
    data: str
    status: list[str]
    tiles: list[Tile]
    architecture: Architecture | None
    title: str
    other: Architecture | None


def summarise(search: Search | None, training: Training | None) -> Summary:
    """Makes the head of the report from the existing parts of a run, at least one."""
    found = None if search is None else search.best
    trained = None if training is None else training.architecture
    architecture = trained or found
    parts = [part for part in (training, search) if part is not None]
    description = next((part.description for part in parts if part.description), None)
    dataset = parts[-1].config.data.dataset
    finished = search is not None and len(search.trials) >= search.num_planned
    title = "The best architecture" if finished else "The best architecture so far"
    if training is not None and trained is not None:
        title = "The architecture in training" if training.figures is None else "The trained architecture"
    return Summary(
        name=clean(description.name if description else Path(dataset).name or dataset),
        data=_data(description, held_out=training is None or training.config.recipe.held_out) if description else "",
        status=[_search_status(search), _training_status(training)],
        tiles=_tiles(search, training),
        architecture=architecture,
        title=title,
        other=None if trained is None or trained == found else found,
    )


def _training_status(training: Training | None) -> str:
    """Describes the progress of a final training in one sentence."""
    if training is None:
        return "No final training has begun."
    if training.figures is not None:
        return f"The final training has ended after {plural(training.figures.epochs, 'epoch')}."
    if training.architecture is None:
        return f"The final training is comparing candidates, {len(training.candidates)} so far, and has not ended yet."
    done = f"{len(training.epochs)} of {plural(training.config.recipe.epochs, 'epoch')}"
    return f"The final training has not ended yet: {done} so far."


def _search_status(search: Search | None) -> str:
    if search is None:
        return "There is no search in this directory."
    failed = len(search.trials) - len(search.completed)
    of_them = f" {failed:,} of them diverged." if failed else ""
    if len(search.trials) >= search.num_planned:
        return f"The search has ended after {plural(len(search.trials), 'child', 'children')}.{of_them}"
    return f"The search has not ended yet: {len(search.trials):,} of {search.num_planned:,} children so far.{of_them}"


def _tiles(search: Search | None, training: Training | None) -> list[Tile]:
    tiles = []
    if training is not None and (figures := training.figures) is not None:
        metrics, images = figures.metrics, figures.metrics.num_images
        note = f"{interval_text(metrics.accuracy, images)} on {plural(images, 'image')}"
        note += "" if metrics.top_5 is None else f", top-5 {percent_of_images(metrics.top_5, images)}"
        tiles.append(Tile("Test accuracy", percent_of_images(metrics.accuracy, images), note))
        tiles.append(Tile("Parameters", compact(figures.parameters), "of the trained network"))
        tiles.append(Tile("Multiply-adds", compact(figures.multiply_adds), "for one image"))
    elif search is not None:
        best = search.best_trials()
        costs = search_cost(search, best[0].architecture) if best else None
        tiles.append(_best_tile(search, best))
        tiles.append(Tile("Parameters", compact(best[0].parameters) if best else MISSING, "while searching"))
        tiles.append(Tile("Multiply-adds", MISSING if costs is None else compact(costs.multiply_adds), "for one image"))
    parts = {} if search is None else {"search": search.seconds}
    parts |= {} if training is None else {"final training": training.seconds}
    note = ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts.items())
    return [*tiles, Tile("Time spent", duration(sum(parts.values())), note)]


def _best_tile(search: Search, best: list[Trial]) -> Tile:
    """Makes the tile of the best whole architecture; before there is one, of the best so far."""
    images, where = search.num_validation, search.config.child.on_weights

    def measured(trial: Trial) -> str:
        score = trial.score or 0.0
        interval = "" if images is None else f" ({interval_text(score, images)}, {plural(images, 'validation image')})"
        return f"{percent_of_images(score, images)} measured{interval}, {where}"

    if best:
        title = "Best, estimated" if search.config.search.rank_by == "estimate" else "Best, measured"
        return Tile(title, percent_of_images(search.estimate(best[0]), images), measured(best[0]))
    first = first_whole_child(make_space(search.config.space), search.config.search)
    comes = f"whole networks come at level {search.depth}, from child {first} on"
    if not search.completed:
        return Tile("Best so far", MISSING, comes)
    deepest = max(search.completed, key=lambda trial: (trial.level, trial.score or 0.0))
    note = f"level {deepest.level} of {search.depth}: {measured(deepest)}; {comes}"
    return Tile("Best so far", percent_of_images(deepest.score, images), note)


def _data(description: DataDescription, held_out: bool) -> str:
    """Describes the images; validation images only if they are not also trained on."""
    height, width, channels = description.image_shape
    kind = "grey" if channels == 1 else "coloured"
    parts = {"training": description.num_train, "validation": description.num_validation, "test": description.num_test}
    if not held_out:
        del parts["validation"]
    images = ", ".join(f"{number:,} {part}" for part, number in parts.items() if number)
    classes = plural(description.num_classes, "class", "classes")
    return f"{height} × {width} pixels, {kind} · {classes} · {images} images"
