"""How well the scores of several searches agree with the own trainings of the same architectures.

python -m benchmarks agreement --own=runs/tau/rank --runs=runs/tau,runs/tau_of_enas

Searches with `--sampling=uniform` and one seed draw the same architectures, however they train them. So the own
trainings that `epnas-rank` made for one of them do for all. Prints Kendall's τ with 95 % intervals between them and the
scores in each search, of all iterations and of the last one alone, and their mean in each.
"""

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks.interleaved import show_table
from epnas_tf.errors import RunDirectoryError
from epnas_tf.run.correlation import FEWEST, Correlation, kendall
from epnas_tf.storage.rank_directory import RankDirectory
from epnas_tf.storage.records import TRIALS_FILE, parsed

_OWN = flags.DEFINE_string("own", None, "directory of a comparison that epnas-rank made", required=True)
_RUNS = flags.DEFINE_list("runs", None, "run directories of the searches", required=True)

Pair = tuple[dict[str, Any], dict[str, Any]]
"""A line of trials.jsonl and one of own.jsonl, of the same architecture."""


REQUIRED = ("child", "text")


def read(file: Path, *names: str) -> list[dict[str, Any]]:
    """Reads the architecture and `names` from each line of trials.jsonl or own.jsonl; None for a missing name."""

    def named(record: dict[str, Any]) -> dict[str, Any]:
        return {**{name: record[name] for name in REQUIRED}, **{name: record.get(name) for name in names}}

    return list(parsed(file, named))


def pairs_of(run: Path, own: list[dict[str, Any]]) -> list[Pair]:
    """Returns a search's trials of the architectures that were trained on their own; those that diverged are out.

    Raises:
        RunDirectoryError: if there is no search, it did not draw them, or too few are left.
    """
    if not (run / TRIALS_FILE).exists():
        raise RunDirectoryError(f"{run} must be the directory of a search. Received: one without {TRIALS_FILE}")
    trials = {(trial["child"], trial["text"]): trial for trial in read(run / TRIALS_FILE, "score", "iteration")}
    missing = [record["text"] for record in own if (record["child"], record["text"]) not in trials]
    if missing:
        raise RunDirectoryError(
            f"{run} must have drawn the architectures of --own={_OWN.value}: the same space, K, iterations and seed, "
            f"with --sampling=uniform. Received: no child {missing[0]!r} at its place"
        )
    pairs = [(trials[record["child"], record["text"]], record) for record in own]
    left = [(trial, record) for trial, record in pairs if trial["score"] is not None and record["own"] is not None]
    if len(left) < FEWEST:
        raise RunDirectoryError(
            f"{run} must have at least {FEWEST} of the architectures of --own={_OWN.value} that diverged in neither. "
            f"Received: {len(left)}"
        )
    return left


def row_of(run: Path, own: list[dict[str, Any]]) -> list[str]:
    """Returns the table's row of a search."""
    pairs = pairs_of(run, own)
    iterations = sorted({trial["iteration"] for trial, _ in pairs})
    of_last = [pair for pair in pairs if pair[0]["iteration"] == iterations[-1]]
    means = [np.mean([trial["score"] for trial, _ in pairs if trial["iteration"] == number]) for number in iterations]
    return [
        run.name,
        str(correlation_of(pairs)),
        f"{correlation_of(of_last)}, of {len(of_last)}",
        ", ".join(f"{100 * mean:.1f} %" for mean in means),
    ]


def correlation_of(pairs: list[Pair]) -> Correlation:
    """Returns Kendall's τ between the scores in the search and those of own trainings."""
    return kendall([trial["score"] for trial, _ in pairs], [record["own"] for _, record in pairs])


def main() -> None:
    own = read(Path(_OWN.value) / RankDirectory.RECORDS, "own")
    if not own:
        raise RunDirectoryError(f"`--own` must be a directory that epnas-rank wrote into. Received: {_OWN.value}")
    rows = [row_of(Path(run), own) for run in _RUNS.value]
    columns = ["search", "τ, all iterations", "τ, last iteration", "their mean score, by iteration"]
    show_table(f"{len(own)} architectures", columns, rows, "τ: scores in the search against own trainings")
