"""The report's tables, as rows of text."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import ArchitectureError, DataError
from epnas_tf.metrics import percent_of_images, rank_correlation
from epnas_tf.nn import Cost, Operation, known
from epnas_tf.options import groups_of
from epnas_tf.report.figures.drawing import operation
from epnas_tf.report.search_files import Search, Trial
from epnas_tf.report.text import MISSING, clean, count, decimal, duration, plural, signed
from epnas_tf.report.training_files import TestFigures, Training
from epnas_tf.space import NetworkShape, build_graph, definition_of
from epnas_tf.space.architecture import Architecture

NUM_BEST = 10
NUM_CONFUSIONS = 10


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting: its value as text, its meaning, and whether it differs from the default."""

    name: str
    value: str
    help: str
    changed: bool


def settings_groups(config: Any, settings: dict[str, Any]) -> list[tuple[str, list[Setting]]]:
    """Returns the settings of a run in groups, as in their dataclass, each with its title in `--help`.

    Args:
        config: the settings as a dataclass, which defines the groups.
        settings: the same as in config.json; those outside every group are ignored.
    """
    return [
        ((group.TITLE or "general").capitalize(), [_setting(f, settings) for f in fields if f.name in settings])
        for group, fields in groups_of(type(config))
    ]


def _setting(field: "dataclasses.Field[Any]", settings: dict[str, Any]) -> Setting:
    value = settings[field.name]
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, bool):
        shown = "yes" if value else "no"
    return Setting(field.name.replace("_", " "), clean(shown) or MISSING, field.metadata["help"], value != default)


def best_networks(search: Search) -> list[tuple[Cost | None, Trial]]:
    """Returns the best whole architectures of a search, each with its cost, if that is known."""
    return [(search_cost(search, trial.architecture), trial) for trial in search.best_trials()[:NUM_BEST]]


def search_cost(search: Search, architecture: Architecture) -> Cost | None:
    """Returns the cost of an architecture at the search's channels; None if the image shape is not known."""
    if search.description is None:
        return None
    shape = NetworkShape.of(search.config.network, search.depth, search.description)
    try:
        return cost(build_graph(architecture, shape), shape.image_shape)
    except (ArchitectureError, DataError):
        return None


def operations_of(architecture: Architecture) -> list[list[Operation]]:
    """Returns the operations of each level."""
    return [[operation(name) for name in names] for names in definition_of(architecture).operations_of(architecture)]


def used_operations(architectures: Iterable[Architecture]) -> list[Operation]:
    """Returns the operations of some architectures, each once, those of the paper in its order."""
    used = {part for architecture in architectures for level in operations_of(architecture) for part in level}
    order = {name: place for place, name in enumerate(known())}
    return sorted(used, key=lambda shown: (order.get(shown.name, len(order)), shown.label))


@dataclasses.dataclass(frozen=True)
class ArchitectureTable:
    """An architecture level by level.

    Attributes:
        title: the title of its picture.
        level: the word for a level.
        rows: the operations of each level, each with its inputs; "" if the space does not describe them.
        caption: a sentence below it.
    """

    title: str
    level: str
    rows: list[list[tuple[Operation, str]]]
    caption: str

    @property
    def widest(self) -> int:
        """The maximum number of operations in a level."""
        return max(map(len, self.rows))


def architecture_table(architecture: Architecture) -> ArchitectureTable:
    """Makes the table of an architecture, layer by layer or block by block."""
    definition, levels = definition_of(architecture), operations_of(architecture)
    reads = [[""] * len(level) for level in levels] if definition.reads is None else definition.reads(architecture)
    rows = [list(zip(*both, strict=True)) for both in zip(levels, reads, strict=True)]
    title = definition.drawing_of(architecture).title
    return ArchitectureTable(title, definition.level, rows, definition.reads_caption(architecture))


@dataclasses.dataclass(frozen=True)
class LevelTable:
    """A figure by level (rows) and iteration (columns, plus one for all), in pairs of (figure, number of children)."""

    iterations: list[int]
    rows: list[tuple[str, list[tuple[str, str]]]]


def correlation_table(search: Search) -> LevelTable | None:
    """Makes the table of Spearman's correlation of predicted and measured accuracy; None before any prediction."""

    def figure(trials: list[Trial]) -> str:
        return signed(rank_correlation([(t.predicted, t.score) for t in trials]))

    return _by_level([t for t in search.completed if t.predicted is not None], figure)


def accuracy_table(search: Search) -> LevelTable | None:
    """Makes the table of the children's mean accuracy in per cent, on the shared weights; None before the first."""

    def figure(trials: list[Trial]) -> str:
        mean = float(np.mean([t.score for t in trials])) if trials else None
        return percent_of_images(mean, search.num_validation).removesuffix(" %")  # many columns on a narrow screen

    return _by_level(list(search.completed), figure)


def _by_level(trials: list[Trial], figure: Callable[[list[Trial]], str]) -> LevelTable | None:
    if not trials:
        return None
    iterations = sorted({t.iteration for t in trials})

    def row(trials: list[Trial]) -> list[tuple[str, str]]:
        groups = [[t for t in trials if t.iteration == iteration] for iteration in iterations]
        groups += [trials] if len(iterations) > 1 else []
        return [(figure(group), plural(len(group), "child", "children")) for group in groups]

    rows = [
        (f"level {level}", row([t for t in trials if t.level == level])) for level in sorted({t.level for t in trials})
    ]
    return LevelTable(iterations, [*rows, ("all levels", row(trials))])


def training_facts(training: Training) -> list[tuple[str, str]]:
    """Returns the main facts of a final training's epochs, each with its name."""
    if not training.epochs:
        return []
    last, seconds = training.epochs[-1], [e.seconds for e in training.epochs]
    data, images = training.description, training.num_validation
    facts = [
        ("Epochs", f"{len(seconds):,} of {training.config.recipe.epochs:,}"),
        ("Time of an epoch, mean", duration(sum(seconds) / len(seconds), short=True)),
        ("Last training accuracy", percent_of_images(last.training_accuracy, None if data is None else data.num_train)),
        ("Last training loss", decimal(last.training_loss)),
    ]
    if last.validation_accuracy is not None:
        best = max(training.epochs, key=lambda e: e.validation_accuracy or 0.0)
        highest = percent_of_images(best.validation_accuracy, images)
        facts += [
            ("Last validation accuracy", percent_of_images(last.validation_accuracy, images)),
            ("Last validation loss", decimal(last.validation_loss)),
            ("Best validation accuracy", f"{highest} in epoch {best.epoch:,}"),
        ]
    return facts


def frequent_confusions(figures: TestFigures) -> list[tuple[str, str, str]]:
    """Returns the most frequent mistakes: true class, predicted class and count."""
    confusion, names = np.array(figures.metrics.confusion), [clean(name) for name in figures.metrics.class_names]
    mistakes = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:NUM_CONFUSIONS]
    found = [(int(i) // len(names), int(i) % len(names)) for i in order]
    return [(names[i], names[j], count(int(mistakes[i, j]))) for i, j in found if mistakes[i, j] > 0]
