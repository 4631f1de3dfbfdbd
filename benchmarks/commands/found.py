"""What searches find, judged by training the found architectures on their own, over several seeds.

python -m benchmarks found --dataset=fashion_mnist --seeds=5 --arms='default|random'

Every arm runs the same search but for a few settings, on the same images; "random" draws every architecture uniformly
and has the same shared weights and as many children. What a run reports is trained from new weights, several times, and
judged by its accuracy on the test images, which no search sees. Runs that are in --directory already are not repeated.
It is trained as the search's children are, so only arms whose children have the same L2 can be compared.
The paper's claims (section 5, Fig. 6) are the arms that begin with "paper".

Prints a table, and draws the accuracy against the number of iterations as the paper's Fig. 6 does.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
from absl import flags
from rich.progress import track

from benchmarks import checks
from benchmarks.interleaved import show_table
from benchmarks.judgement import Job, Judged, judged_before, run_jobs, summary
from benchmarks.table.methods import iterations as in_words
from epnas_tf import data
from epnas_tf.config import PAPER_SEARCH, PAPER_SURROGATE, RunConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import from_values, values_of

_DATASET = flags.DEFINE_string("dataset", "fashion_mnist", "data set")
_MANUAL_DIR = flags.DEFINE_string("manual_dir", "/usr/share/datasets/fashion-mnist", "folder of the four IDX files")
_IMAGES = flags.DEFINE_integer("train_images", 4000, "training images, validation included; 0 for all")
_SIDE = flags.DEFINE_integer("image_size", 16, "pixels a side; 0 for the images' own")
_LAYERS = flags.DEFINE_integer("layers", 4, "layers of the macro space", lower_bound=1)
_CHANNELS = flags.DEFINE_integer("channels", 12, "channels, of the search and of the judgement", lower_bound=2)
_K = flags.DEFINE_integer("k", 6, "architectures sampled at each level", lower_bound=1)
_ITERATIONS = flags.DEFINE_integer("iterations", 3, "passes over all levels where the arm does not say", lower_bound=1)
_BATCH = flags.DEFINE_integer("batch_size", 64, "images a training step", lower_bound=1)
_SEEDS = flags.DEFINE_integer("seeds", 5, "runs of each arm", lower_bound=2)
_ARMS = flags.DEFINE_string("arms", "default|random", "a regular expression of the arms to run")
_AGAINST = flags.DEFINE_string("against", "", "the arm that the others are compared with; empty for the first")
_OWN_EPOCHS = flags.DEFINE_integer("own_epochs", 20, "epochs of the judging trainings", lower_bound=1)
_TRAININGS = flags.DEFINE_integer("trainings", 3, "judging trainings of each found architecture", lower_bound=1)
_PROCESSES = flags.DEFINE_integer("processes", 2, "runs side by side", lower_bound=1)
_DIRECTORY = flags.DEFINE_string("directory", "runs/found", "where the runs are kept")
_FIGURE = flags.DEFINE_string("figure", "found.png", "file to draw accuracy against iterations into")

checks.regular_expression("arms")
checks.picture("figure")

OF_ENAS = {"l2_on": "all"}
"""Where the optimiser of the children is not ENAS's by default."""
OF_PAPER = values_of(PAPER_SEARCH) | values_of(PAPER_SURROGATE) | OF_ENAS
UNIFORM = {"sampling": "uniform"}  # and the same rule of reporting, so that only the search differs


def arms(k: int, iterations: int) -> dict[str, dict[str, Any]]:
    """Returns the settings in which each arm differs from the defaults, at so many iterations where it does not say."""

    def paper(**settings: Any) -> dict[str, Any]:
        return OF_PAPER | {"k": k, "iterations": iterations} | settings

    return {
        "default": {},
        "random": UNIFORM,
        **{f"rounds of {size}": {"round": size} for size in (5, 25)},
        "ENAS's L2": OF_ENAS,
        "ENAS's L2, uniform": OF_ENAS | UNIFORM,
        **{f"paper, {in_words(n)}": paper(iterations=n) for n in (1, 2, 3, 4, 5)},
        f"paper, 1 iteration, K = {3 * k}": paper(iterations=1, k=3 * k),
        "paper, 1 iteration, 9 epochs": paper(iterations=1, epochs=9),
        "paper, greedy": paper(sampling="greedy"),
        "paper, no shared weights": paper(share_weights=False),
    }


def config_of(settings: Mapping[str, Any], seed: int) -> RunConfig:
    """Returns a run's settings."""
    fashion = {"manual_dir": _MANUAL_DIR.value} if _DATASET.value == "fashion_mnist" else {}
    common = {
        "dataset": _DATASET.value,
        "train_images": _IMAGES.value,
        "image_size": _SIDE.value,
        "validation_fraction": 0.25,
        "layers": _LAYERS.value,
        "channels": _CHANNELS.value,
        "k": _K.value,
        "iterations": _ITERATIONS.value,
        "batch_size": _BATCH.value,
        "seed": seed,
    }
    return from_values(RunConfig, {**common, **fashion, **settings})


def show(groups: Mapping[str, Sequence[Judged]], against: str) -> None:
    """Prints the table, and how each arm differs from one of them, seed by seed."""
    rows = []
    for name, group in groups.items():
        found = summary(group, groups[against])
        rows.append(
            [
                name,
                f"{np.mean([judged.children for judged in group]):.0f}",
                f"{np.median([judged.seconds for judged in group]):.0f} s",
                f"{100 * found.mean:.2f} %",
                " … ".join(f"{100 * end:.2f}" for end in found.ends),
                f"{100 * found.deviation:.2f}",
                f"{100 * found.difference:+.2f} ({' … '.join(f'{100 * end:+.2f}' for end in found.difference_ends)})",
                f"{found.better} of {len(group)}",
            ]
        )
    columns = ["", "children", "search", "test accuracy", "95 % interval", "deviation", f"less {against}", "better"]
    how = f"found by {_SEEDS.value} searches each, trained on their own for {_OWN_EPOCHS.value} epochs"
    title = f"\n{_DATASET.value}: {how}"
    show_table(title, columns, rows, f"points of percent; mean of {_TRAININGS.value} trainings of each architecture")


def draw(groups: Mapping[str, Sequence[Judged]], path: str) -> None:
    """Draws the paper's arms against their number of iterations, like its Fig. 6: dots, their mean, their deviation."""
    found = {re.fullmatch(r"paper, (\d) iterations?", name): group for name, group in groups.items()}
    points = {int(match.group(1)): 100 * np.array([j.accuracy for j in g]) for match, g in found.items() if match}
    if len(points) < 2:
        return
    figure = matplotlib.figure.Figure(figsize=(6, 4), layout="constrained")
    axes, numbers = figure.subplots(), list(points)
    means = np.array([values.mean() for values in points.values()])
    deviations = np.array([values.std(ddof=1) for values in points.values()])
    axes.fill_between(numbers, means - deviations, means + deviations, alpha=0.2)
    for number, values in points.items():
        axes.plot([number] * len(values), values, "o", color="tab:blue", alpha=0.6)
    axes.plot(numbers, means, "k*", markersize=12)
    axes.set(xlabel="iterations", ylabel="test accuracy (%)", xticks=numbers)
    figure.savefig(path)
    print(f"\nAccuracy against iterations: {path}")


def main() -> None:
    chosen = {name: s for name, s in arms(_K.value, _ITERATIONS.value).items() if re.search(_ARMS.value, name)}
    if not chosen:
        names = "; ".join(arms(_K.value, _ITERATIONS.value))
        raise ConfigError(f"`--arms` must match one of {names}. Received: {_ARMS.value!r}")
    against = _AGAINST.value or next(iter(chosen))
    if against not in chosen:
        raise ConfigError(f"`--against` must be one of {'; '.join(chosen)}. Received: {against!r}")
    folder = Path(_DIRECTORY.value)
    jobs = [
        Job(name, seed, config_of(settings, seed), str(folder / f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{seed}"))
        for seed in range(_SEEDS.value)
        for name, settings in chosen.items()
    ]
    if len({job.config.child.l2_on for job in jobs}) > 1:
        raise ConfigError(
            "`--arms` must be of one kind, or they would be judged by trainings of different L2: the default's, or "
            f"those of ENAS's L2 and of the paper. Received: {'; '.join(chosen)}"
        )
    data.check(jobs[0].config.data)
    for job in jobs:
        judged_before(job, _OWN_EPOCHS.value, _TRAININGS.value)  # refuses runs of other settings
    groups: dict[str, list[Judged]] = {name: [] for name in chosen}
    outcomes = run_jobs(jobs, _OWN_EPOCHS.value, _TRAININGS.value, _PROCESSES.value)
    for judged in track(outcomes, "runs", total=len(jobs)):
        groups[judged.arm].append(judged)
    for group in groups.values():
        group.sort(key=lambda judged: judged.seed)
    show(groups, against)
    draw(groups, _FIGURE.value)
