"""What rounds of several children, and the merge of what they learned, do to the scores on shared weights.

python -m benchmarks rounds --rounds=5,25 --merges=mean,last,sum --seeds=0,1,2 --directory=runs/rounds

Each search draws its architectures uniformly, so those of one seed draw the same ones, and their scores can be compared
with the same own trainings (`epnas-rank`, of the search whose rounds are one child). What is there already is not
repeated. Merges: "mean", the product's; "last", of several children that used a layer the last one's values; "sum", the
shared values and all changes of them.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from absl import flags
from rich.progress import track

from benchmarks import checks
from benchmarks.interleaved import show_table
from epnas_tf.arrays import Float32Array
from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import SharedValues
from epnas_tf.config import RankConfig, RunConfig
from epnas_tf.devices import prepare_tensorflow
from epnas_tf.options import from_values
from epnas_tf.run.comparison import run_rank
from epnas_tf.run.correlation import kendall
from epnas_tf.run.runner import run_search
from epnas_tf.scale import merging
from epnas_tf.space.graph import Key
from epnas_tf.storage.records import TRIALS_FILE, read_records

_ROUNDS = flags.DEFINE_list("rounds", ["5", "25"], "children of a round, besides 1")
_MERGES = flags.DEFINE_list("merges", ["mean", "last", "sum"], "rules of the merge")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of the searches")
_DATASET = flags.DEFINE_string("dataset", "digits", "data set")
_LAYERS = flags.DEFINE_integer("layers", 3, "layers of the macro space", lower_bound=1)
_K = flags.DEFINE_integer("k", 25, "architectures at each level", lower_bound=1)
_ITERATIONS = flags.DEFINE_integer("iterations", 2, "passes over all levels", lower_bound=1)
_ARCHITECTURES = flags.DEFINE_integer("architectures", 40, "architectures that are trained on their own", lower_bound=3)
_OWN_EPOCHS = flags.DEFINE_integer("own_epochs", 20, "epochs of each of these trainings", lower_bound=1)
_DIRECTORY = flags.DEFINE_string("directory", "runs/rounds", "where the runs are kept")

checks.numbers("rounds", int, 2)
checks.numbers("seeds", int, 0)


def last(arrays: Sequence[Float32Array], steps: Sequence[int]) -> Float32Array:
    """The merge in which the last child wins."""
    return arrays[-1]


@contextlib.contextmanager
def merge_of(rule: str) -> Iterator[None]:
    """Merges rounds by a rule within the context."""
    if rule == "mean":
        yield
    elif rule == "last":
        with mock.patch.object(merging, "_mean", last):
            yield
    else:
        real = ChildTrainer.commit

        def commit(trainer: ChildTrainer, values: SharedValues, steps: dict[Key, int]) -> None:
            """Takes the changes as often as children made them: the mean of n is a sum with n times the change."""
            per_child = trainer.training.steps
            for key, arrays in values.variables.items():
                if (users := steps[key] // per_child) > 1 and key in trainer.store:
                    before = trainer.store.values(key)
                    values.variables[key] = [b + users * (a - b) for a, b in zip(arrays, before, strict=True)]
            real(trainer, values, steps)

        with mock.patch.object(ChildTrainer, "commit", commit):
            yield


def main() -> None:
    prepare_tensorflow(one_thread=True)
    arms = [(1, "mean"), *((int(r), merge) for r in _ROUNDS.value for merge in _MERGES.value)]
    found: dict[tuple[int, str], list[tuple[float, float, int]]] = {arm: [] for arm in arms}
    values = {"dataset": _DATASET.value, "layers": _LAYERS.value, "k": _K.value, "iterations": _ITERATIONS.value}
    values |= {"sampling": "uniform", "channels": 8, "batch_size": 64}
    for seed, arm in track([(int(seed), arm) for seed in _SEEDS.value for arm in arms], "searches"):
        size, merge = arm
        run = Path(_DIRECTORY.value) / f"seed{seed}" / f"{size}_{merge}"
        with merge_of(merge):
            run_search(from_values(RunConfig, values | {"seed": seed, "round": size}), run)
        if size == 1:
            config = RankConfig(architectures=_ARCHITECTURES.value, own_epochs=_OWN_EPOCHS.value)
            own = {record["child"]: record["own"] for record in run_rank(run, config).records}
        trained = {one["child"]: one["score"] for one in read_records(run / TRIALS_FILE) if "score" in one}
        both = [child for child, score in own.items() if score is not None and child in trained]
        tau = kendall([trained[child] for child in both], [own[child] for child in both]).value
        found[arm].append((np.nan if tau is None else tau, float(np.mean([trained[c] for c in both])), len(trained)))
    rows = []
    for (size, merge), of_arm in found.items():
        tau, score, children = np.array(of_arm).T
        less = tau - np.array(found[1, "mean"]).T[0]
        rows.append(
            [
                f"{size}, {merge}" if size > 1 else "1",
                f"{np.mean(tau):.2f} ({', '.join(f'{t:.2f}' for t in tau)})",
                f"{np.mean(less):+.2f}",
                f"{100 * np.mean(score):.1f} %",
                f"{int(children.min())}",
            ]
        )
    columns = [
        "round, merge",
        "τ (seed by seed)",
        "less that of 1",
        "their mean score",
        "fewest children that did not diverge",
    ]
    show_table(
        f"{_DATASET.value}, {len(_SEEDS.value)} seeds", columns, rows, "τ: scores in the search against own trainings"
    )
