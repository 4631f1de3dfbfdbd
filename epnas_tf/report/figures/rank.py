"""Agreement of the scores on shared weights with own trainings, as measured by `epnas-rank`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from epnas_tf.report.figures.drawing import BLUE, Picture, percent_axis, picture, plot
from epnas_tf.report.text import MISSING, plural, signed
from epnas_tf.storage.rank_directory import CAPTIONS, RESULT, RankDirectory
from epnas_tf.storage.records import finite, parsed
from epnas_tf.storage.state_files import translate_read_errors


@dataclasses.dataclass(frozen=True)
class Rank:
    """A comparison at its present state.

    Attributes:
        scores: the score of each architecture in the search, and after its own training; None if that diverged.
        own_epochs: number of epochs of each own training.
        agreement: the method of scoring, Kendall's τ and Spearman's ρ with their intervals, as texts.
        conclusion: whether the search's estimate ranks better than size alone; "" of older comparisons.
    """

    scores: tuple[tuple[float, float | None], ...]
    own_epochs: int
    agreement: list[tuple[str, str, str]]
    conclusion: str


def read_rank(path: Path) -> Rank | None:
    """Reads a finished comparison; None if there is none.

    Args:
        path: its directory.

    Raises:
        RunDirectoryError: if a file is not one that a comparison writes.
    """
    file = path / RESULT
    if not file.exists():
        return None
    with translate_read_errors(f"{file} is not one that a comparison writes"):
        result = json.loads(file.read_text(encoding="utf-8"))
        agreement = [
            (str(CAPTIONS.get(way, way)), _shown(both["kendall"]), _shown(both["spearman"]))
            for way, both in result["agreement"].items()
        ]
        epochs, conclusion = int(result["own_epochs"]), str(result.get("conclusion", ""))
    return Rank(parsed(path / RankDirectory.RECORDS, _scores), epochs, agreement, conclusion)


def rank_picture(rank: Rank) -> Picture | None:
    """Draws the scores of own trainings against those of the search; None if there are fewer than two."""
    scored = [scores for scores in rank.scores if scores[1] is not None]
    if len(scored) < 2:
        return None
    figure, axes = plot(270)
    shared, own = zip(*scored, strict=True)
    axes.scatter(shared, own, s=18, c=BLUE, alpha=0.7, linewidths=0)
    axes.set_xlabel("accuracy in the search, on shared weights")
    axes.set_ylabel(f"after {plural(rank.own_epochs, 'epoch')} of its own")
    axes.grid(axis="x")
    for axis in (axes.xaxis, axes.yaxis):
        percent_axis(axis)
    caption = (
        "Each dot is a whole architecture: its validation accuracy in the search, and that of the same network trained "
        "on weights of its own, on the same images."
    )
    alt = f"Accuracy of own trainings against that on shared weights, of {plural(len(scored), 'architecture')}."
    return picture(figure, "rank", alt, caption)


def _scores(record: dict[str, Any]) -> tuple[float, float | None]:
    return finite(record["shared"]["search"]), _optional(record["own"])


def _optional(value: Any) -> float | None:
    return None if value is None else finite(value)


def _shown(correlation: dict[str, Any]) -> str:
    value, low, high = (_optional(correlation[name]) for name in ("value", "low", "high"))
    interval = "" if low is None else f" ({signed(low)} … {signed(high)})"
    return MISSING if value is None else f"{signed(value)}{interval}"
