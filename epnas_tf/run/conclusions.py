"""What a comparison of networks shows: means with intervals, differences seed by seed, and a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from epnas_tf.config import FOUND, LARGEST
from epnas_tf.metrics import Mean, mean_of_trainings, points_text
from epnas_tf.run.correlation import Correlation
from epnas_tf.run.opponents import Opponent
from epnas_tf.storage.compare_directory import ComparedNetwork

MILLION = 1_000_000

SIZES_IN_WORDS = {"parameters": "their number of parameters", "multiply_adds": "their multiply-adds"}


def ranking_conclusion(less: Mapping[str, Correlation], count: int) -> str:
    """Says in a sentence whether the search's estimate ranks networks better than their size does.

    Args:
        less: for each size, how much higher Kendall's τ of the estimate is than that of the size.
        count: the number of networks.
    """
    unknown = f"Whether the estimate ranks better than size alone cannot be told from {count} networks"
    told = {SIZES_IN_WORDS[size]: each for size, each in less.items() if each.low is not None}
    if not told:
        return f"{unknown}."
    worse = {size: reverse for size, each in told.items() if ((reverse := each.reversed()).low or 0.0) > 0}
    if worse:
        texts = [f"{size} by {each}" for size, each in worse.items()]
        return (
            f"Size alone ranks these networks better than the search's estimate: {_list(texts)} in τ. On such data a "
            "search helps little: take the largest network that you can use, or search with more images or epochs."
        )
    texts = [f"{size} by {each}" for size, each in told.items()]
    if all((each.low or 0.0) > 0 for each in told.values()):
        return f"The search's estimate ranks these networks better than size alone: than {_list(texts)} in τ."
    return f"{unknown}: it ranks better than {_list(texts)} in τ."


def compared(
    networks: Mapping[str, Sequence[Opponent]],
    records: Sequence[Mapping[str, Any]],
    num_images: int,
    latencies: Mapping[str, float],
) -> tuple[ComparedNetwork, ...]:
    """Summarises the trainings so far, network by network, the found one first.

    Args:
        networks: the networks by name, one for each seed.
        records: the lines of trainings.jsonl.
        num_images: the number of test images.
        latencies: milliseconds by name.
    """
    accuracies = {name: [r["accuracy"] for r in records if r["network"] == name] for name in networks}
    found = accuracies[FOUND]
    rows = []
    for name in sorted(networks, key=lambda name: name != FOUND):
        own, first = accuracies[name], networks[name][0]
        pairs = [(ours, its) for ours, its in zip(found, own, strict=False) if ours is not None and its is not None]
        differences = [] if name == FOUND else [ours - its for ours, its in pairs]
        rows.append(
            ComparedNetwork(
                name,
                first.title,
                first.note,
                round(np.mean([one.cost.parameters for one in networks[name]])),
                round(np.mean([one.cost.multiply_adds for one in networks[name]])),
                tuple(own),
                mean_of_trainings([accuracy for accuracy in own if accuracy is not None], num_images),
                mean_of_trainings(differences, num_images),
                latencies.get(name),
            )
        )
    return tuple(rows)


def conclusion(rows: Sequence[ComparedNetwork], num_images: int) -> str:
    """Says in one sentence what can be concluded, and what not.

    A difference counts if its interval leaves out zero.

    Args:
        rows: the figures of each network, the found one's first.
        num_images: the number of test images.
    """
    others = [row for row in rows if row.name != FOUND]
    known = [(row, row.difference) for row in others if row.difference is not None and row.difference.low is not None]
    if not known:
        return "Nothing can be concluded yet: a difference needs two trainings or more of both networks."
    better = [(row, mean) for row, mean in known if (mean.low or 0.0) > 0]
    worse = sorted(((row, mean) for row, mean in known if (mean.high or 0.0) < 0), key=lambda entry: entry[1].value)
    open_ones = [entry for entry in known if entry not in better and entry not in worse]
    seeds = max(sum(accuracy is not None for accuracy in row.accuracies) for row, _ in known)
    parts = []
    if worse:
        each = [f"by {_points(_reverse(mean), num_images)}" for _, mean in worse]
        parts.append(f"{_named(worse[0][0])} is better here than the found network {each[0]}")
        parts += [f"so is {_named(row)} {text}" for (row, _), text in zip(worse[1:], each[1:], strict=True)]
    if better:
        texts = [f"{_named(row)} by {_points(mean, num_images)}" for row, mean in better]
        parts.append(f"the found network is better here than {_list(texts)}")
    if open_ones:
        texts = [f"{_named(row)}, {_points(mean, num_images, signed=True)}" for row, mean in open_ones]
        found = "it" if parts else "the found network"
        parts.append(f"no difference can be told from {seeds} seeds between {found} and {_list(texts)}")
    left_out = [row for row in others if row not in [row for row, _ in known]]
    if left_out:
        parts.append(f"too few trainings of {_list([_named(row) for row in left_out])} ended for a comparison")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _named(row: ComparedNetwork) -> str:
    size = f"{row.parameters / MILLION:.2f} million" if row.parameters >= MILLION / 10 else f"{row.parameters:,}"
    return f"{'the' if row.name == LARGEST else 'a'} {row.title} ({size} parameters)"


def _points(mean: Mean, num_images: int, signed: bool = False) -> str:
    text = points_text(mean, num_images, signed)
    value, _, interval = text.partition(" ")
    return f"{value} points {interval}".rstrip()


def _reverse(mean: Mean) -> Mean:
    return Mean(-mean.value, None if mean.high is None else -mean.high, None if mean.low is None else -mean.low)


def _list(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
