"""Search methods on a table of known accuracies, over many seeds, at equal numbers of evaluations.

python -m benchmarks tabular --table=PATH --seeds=20

The table has NAS-Bench-Macro's form (Su et al., 2021; github.com/xiusu/NAS-Bench-Macro) or comes from `make_table`. In
the first, a network's score is its mean accuracy, and a search's shallower networks have the first choice, the
identity, in their further layers; in the second, it is the validation accuracy of one training. `--noise` adds Gaussian
noise as shared weights would have; what is reported is always judged by the true accuracy. With `--limits`, only
networks of few multiply-adds may be evaluated. Prints a table for each noise, limit and number of evaluations, and
draws regret against evaluations.
"""

import collections
import re
from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.figure
import matplotlib.rcsetup
import numpy as np
from absl import flags
from rich.progress import track

from benchmarks import checks
from benchmarks.interleaved import bootstrap, show_table
from benchmarks.table.made import KINDS, make_table
from benchmarks.table.methods import UNLIMITED, methods
from benchmarks.table.runs import Job, Outcome, run_jobs
from benchmarks.table.table import Table
from epnas_tf.errors import ConfigError

_TABLE = flags.DEFINE_string(
    "table", None, "file in NAS-Bench-Macro's form or of make_table, or a kind of benchmarks.table.made", required=True
)
_SEEDS = flags.DEFINE_integer("seeds", 20, "runs of each method", lower_bound=2)
_NOISE = flags.DEFINE_list("noise", ["0"], "standard deviations of the noise on a score, in points of percent")
_LIMITS = flags.DEFINE_list("limits", ["1"], "shares of the networks, those of the fewest multiply-adds; 1 for all")
_METHODS = flags.DEFINE_string("methods", "", "a regular expression of the methods to run; empty for all")
_EVALUATIONS = flags.DEFINE_integer(
    "evaluations", 486, "evaluations of the methods that take any number", lower_bound=2
)
_BAYESIAN = flags.DEFINE_integer(
    "bayesian_evaluations", 162, "evaluations of KerasTuner's BayesianOptimization, which is slow", lower_bound=2
)
_AT = flags.DEFINE_list("at", ["162", "486", "810"], "numbers of evaluations at which a table is printed")
_PROCESSES = flags.DEFINE_integer("processes", 2, "runs side by side", lower_bound=1)
_FIGURE = flags.DEFINE_string("figure", "tabular.png", "file to draw regret against evaluations into")

checks.numbers("noise", float, least=0)
checks.numbers("at", int, least=1)
checks.numbers("limits", float, least=0.01)
checks.regular_expression("methods")
checks.picture("figure")

Group = dict[str, list[Outcome]]
"""The outcomes of each method, at one noise and limit."""

Setting = tuple[float, float]
"""A noise and a limit."""


def jobs_of(names: Sequence[str], settings: Sequence[Setting]) -> list[Job]:
    """Returns all runs, the seeds in turn so that every method has figures early."""
    evaluations = {name: _BAYESIAN.value if "Bayesian" in name else _EVALUATIONS.value for name in names}
    return [
        Job(name, noise, seed, evaluations[name], share)
        for seed in range(_SEEDS.value)
        for noise, share in settings
        for name in names
        if share == 1 or not UNLIMITED.search(name)
    ]


def show(group: Mapping[str, Sequence[Outcome]], setting: Setting, evaluations: int, networks: int) -> None:
    """Prints a table of the methods that went so far and have seen a whole network by then in every run."""
    rows, left_out = [], []
    for name, outcomes in group.items():
        if not outcomes or any(evaluations > len(o.regrets) or np.isnan(o.regrets[evaluations - 1]) for o in outcomes):
            left_out.append(name)
            continue
        ranks = np.array([outcome.ranks[evaluations - 1] for outcome in outcomes])
        regrets = np.array([outcome.regrets[evaluations - 1] for outcome in outcomes])
        low, high = bootstrap(regrets)
        seconds = np.median([outcome.seconds for outcome in outcomes])
        rows.append(
            [
                name,
                f"{np.median(ranks):g}",
                f"{ranks.mean():.1f}",
                f"{(ranks == 1).mean():.0%}",
                f"{regrets.mean():.3f}",
                f"{low:.3f} … {high:.3f}",
                f"{np.mean([outcome.scored[evaluations - 1] for outcome in outcomes]):.3f}",
                f"{seconds:.1f}",
            ]
        )
    if rows:
        columns = ["", "median rank", "mean rank", "rank 1", "regret", "95 % interval", "best scored", "seconds a run"]
        title = f"\n{evaluations} evaluations, {in_words(setting)}, {_SEEDS.value} seeds, {networks:,} networks"
        note = (
            "regret: mean, in points of percent, by true accuracy, of what is reported, with the bootstrap's interval; "
            "best scored: of the truly best whole network among those that were scored"
        )
        show_table(title, columns, rows, note)
        if left_out:
            print(f"Not in the table, for a run that did not go so far or to a whole network: {'; '.join(left_out)}.")
    else:
        print(f"\n{evaluations} evaluations, {in_words(setting)}: no method went so far, or to a whole network.")


def in_words(setting: Setting) -> str:
    """Names the noise and the limit of a table or picture."""
    noise, share = setting
    limit = "" if share == 1 else f", the {share:.0%} of the fewest multiply-adds"
    return f"noise of {noise:g} {'point' if noise == 1 else 'points'}{limit}"


def show_correlations(group: Mapping[str, Sequence[Outcome]], setting: Setting, levels: int) -> None:
    """Prints the rank correlation of predicted and measured scores, by level."""
    rows = []
    for name, outcomes in group.items():
        by_level: dict[int, list[float]] = collections.defaultdict(list)
        for outcome in outcomes:
            for level, values in outcome.correlations.items():
                by_level[level] += values
        if by_level:
            rows.append([name, *(f"{np.mean(by_level[n]):.2f}" if n in by_level else "" for n in range(1, levels + 1))])
    if rows:
        title = f"\nrank correlation of the surrogate's predictions and the scores, by level, {in_words(setting)}"
        show_table(title, ["", *map(str, range(1, levels + 1))], rows, "Spearman's, mean over seeds and iterations")


def draw(groups: Mapping[Setting, Group], path: str) -> None:
    """Draws the mean regret and its 95 % interval against evaluations, one picture for each noise and limit."""
    figure = matplotlib.figure.Figure(figsize=(7 * len(groups), 5), layout="constrained")
    for axes, (setting, group) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups.items(), strict=True):
        axes.set_prop_cycle(matplotlib.rcsetup.cycler(linestyle=["-", "--"]) * matplotlib.rcParams["axes.prop_cycle"])
        for name, outcomes in group.items():
            if not outcomes:
                continue
            length = min(len(outcome.regrets) for outcome in outcomes)
            regrets = np.array([outcome.regrets[:length] for outcome in outcomes])
            points = np.flatnonzero(~np.isnan(regrets).any(axis=0))
            points = np.unique(points[np.linspace(0, len(points) - 1, 60).astype(int)])
            bands = np.array([bootstrap(regrets[:, point]) for point in points])
            (line,) = axes.plot(points + 1, regrets[:, points].mean(axis=0), label=name)
            axes.fill_between(points + 1, *bands.T, alpha=0.15, color=line.get_color())
        axes.set(title=in_words(setting), xlabel="evaluations", ylabel="regret (points)", yscale="symlog")
        axes.legend(fontsize="small")
    figure.savefig(path)
    print(f"\nRegret against evaluations, with 95 % bands: {path}")


def main() -> None:
    table = make_table(_TABLE.value) if _TABLE.value in KINDS else Table.read(_TABLE.value)
    noises, shares = (list(dict.fromkeys(map(float, each))) for each in (_NOISE.value, _LIMITS.value))  # each once
    points = sorted({int(at) for at in _AT.value})
    names = [name for name in methods() if re.search(_METHODS.value, name)]
    if not names:
        raise ConfigError(f"`--methods` must match one of {'; '.join(methods())}. Received: {_METHODS.value!r}")
    if max(shares) > 1:
        raise ConfigError(f"`--limits` are shares of the networks, at most 1. Received: {max(shares):g}")
    for share in shares:
        table.limit(share)
    settings = [(noise, share) for noise in noises for share in shares]
    jobs = jobs_of(names, settings)
    groups: dict[Setting, Group] = {setting: {name: [] for name in names} for setting in settings}
    for outcome in track(run_jobs(table, jobs, _PROCESSES.value), "runs", total=len(jobs)):
        groups[outcome.job.noise, outcome.job.share][outcome.job.method].append(outcome)
    for group in groups.values():
        for outcomes in group.values():
            outcomes.sort(key=lambda outcome: outcome.job.seed)  # they came as they were done
    for setting, group in groups.items():
        for evaluations in points:
            show(group, setting, evaluations, table.accuracies.size)
        show_correlations(group, setting, table.space.num_levels)
    draw(groups, _FIGURE.value)
