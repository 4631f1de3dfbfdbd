"""The tabular benchmark on a small table of its own form: additive accuracies, so that the best network is known."""

import itertools
import json

import numpy as np
import pytest

from benchmarks.table.methods import UNLIMITED, Run, methods, progressive, regularized_evolution
from benchmarks.table.runs import Job, run_job
from benchmarks.table.table import Layers, Limit, Table, TableSpace
from epnas_tf.config import SearchConfig, SurrogateConfig
from epnas_tf.errors import ArchitectureError, DataError
from tests.bin import runs

LAYERS = 3


def values(gains=(0.0, 2.0, 1.0), layers=LAYERS):
    """Every choice adds its gain, more so in later layers: the best is 111, the second best 211."""
    names = ["".join(name) for name in itertools.product("012", repeat=layers)]
    return {
        name: {"mean_acc": 80 + sum(gains[int(choice)] * (1 + layer) for layer, choice in enumerate(name))}
        for name in names
    }


@pytest.fixture
def table():
    return Table.from_values(values())


def test_ranks_and_regrets_are_those_of_the_true_accuracies(table):
    assert table.accuracies.size == 3**LAYERS
    assert (table.rank((1, 1, 1)), table.regret((1, 1, 1))) == (1, 0)
    assert (table.rank((2, 1, 1)), table.regret((2, 1, 1))) == (2, 1)
    assert table.rank((0, 0, 0)) == 3**LAYERS
    rng = np.random.default_rng(0)
    assert table.score((1,), 0, rng) == table.score((1, 0, 0), 0, rng) == 0.82


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows: rows.pop("111"), r"of all, 1 differ: \['111'\]"),
        (lambda rows: rows["111"].pop("mean_acc"), "Received: '111': {}"),
        (lambda rows: rows.update({"111": 90.0}), "Received: '111': 90.0"),
        (lambda rows: rows["111"].update(mean_acc=101), "in percent, 0 to 100. Received: 80.0 … 101.0"),
        (
            lambda rows: rows.update({name: {"mean_acc": row["mean_acc"] / 100} for name, row in rows.items()}),
            "in percent, 0 to 100. Received: 0.8 … 0.92",
        ),
        (lambda rows: rows.clear(), "0 networks"),
    ],
)
def test_another_form_is_refused(change, text):
    rows = values()
    change(rows)
    with pytest.raises(DataError, match=text):
        Table.from_values(rows)


def test_the_space_is_a_search_space(table):
    space = table.space
    assert (space.num_levels, space.cardinality()) == (LAYERS, 27)
    assert space.indices(Layers("120")) == (1, 2, 0)
    assert space.architecture((1, 2)) == Layers("12")
    np.testing.assert_array_equal(space.encode(1, np.array([2, 0])), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ArchitectureError, match=r"Layer 1 has the choices 0, 1, 2\. Received: '3'"):
        space.indices(Layers("3"))


# Of the methods that differ only in their iterations.
LONGER = ("default, 5 iterations", "EPNAS, 5 iterations", "greedy PNAS, 3 iterations")
APART = [name for name in methods() if name not in LONGER]


@pytest.mark.parametrize("name", [name for name in APART if name not in ("largest", "uniform and ridge")])
def test_a_method_keeps_to_the_protocol_and_a_seed_repeats_it(name):
    levelwise = name.startswith(("default", "EPNAS", "greedy", "progressive"))
    layers, evaluations = (2, 8) if levelwise else (3, 11)  # the fits of three iterations take their time
    if "Bayesian" in name:
        evaluations = 10  # its first nine are random, and its fits take their time
    table = Table.from_values(values(layers=layers))

    def run(asked):
        def evaluate(indices):
            asked.append(indices)
            return table.score(indices, 0, np.random.default_rng(0))

        return methods()[name](Run(table.space, evaluate, evaluations, seed=3, limit=table.limit(1)))

    asked, again = [], []
    reports = list(run(asked))
    assert len(reports) == len(asked) >= evaluations
    for number, report in enumerate(reports):
        assert report is None or (len(report) == layers and report in asked[: number + 1])
    best = max((indices for indices in asked if len(indices) == layers), key=table.accuracies.__getitem__)
    assert table.accuracies[reports[-1]] == table.accuracies[best]
    assert list(run(again)) == reports
    assert again == asked


def asked_by_random_search(seed, layers=3, evaluations=18):
    asked = []
    table = Table.from_values(values(layers=layers))
    run = Run(table.space, lambda indices: asked.append(indices) or 0.5, evaluations, seed, table.limit(1))
    list(methods()["KerasTuner RandomSearch"](run))
    return asked


def test_keras_tuner_s_seeds_are_seeds_and_are_not_those_beside_them_shifted():
    assert asked_by_random_search(0) == asked_by_random_search(0)
    # With its own seeds 1 and 5 would have all networks but one in common, of 81 here.
    one, other = (set(asked_by_random_search(seed, layers=4)) for seed in (1, 5))
    assert len(one & other) < 12  # 18 of 81 and 18 of 81 have 4 in common by chance; 12 or more once in 100,000


def test_noise_blurs_the_scores_but_not_the_judgement(table):
    exact, noisy = (run_job(table, Job("random", noise, seed=0, evaluations=27)) for noise in (0.0, 20.0))
    assert exact.ranks[-1] == 1
    # With this seed; of 27 networks so much noise seldom leaves the best one ahead.
    assert noisy.ranks[-1] > 1
    assert set(noisy.regrets) <= {table.regret(indices) for indices in np.ndindex(3, 3, 3)}
    for outcome in (exact, noisy):
        assert np.array_equal(outcome.scored, exact.regrets)  # both score the same networks in the same order


def test_the_best_that_was_scored_is_a_whole_network(table):
    outcome = run_job(table, Job("EPNAS, 1 iteration", 20.0, seed=0, evaluations=27))
    shallow = 3 + 9
    assert np.isnan(outcome.scored[:shallow]).all()
    assert not np.isnan(outcome.scored[shallow:]).any()
    assert len(outcome.scored) == len(outcome.regrets)
    assert (np.diff(outcome.scored[shallow:]) <= 0).all()
    assert (outcome.scored[shallow:] <= outcome.regrets[shallow:]).all()


def test_the_surrogate_s_correlations_are_those_of_the_levels(table):
    run = Run(table.space, lambda indices: table.score(indices, 0, np.random.default_rng(0)), 27, 0, table.limit(1))
    list(progressive(SearchConfig(k=9, iterations=2), SurrogateConfig())(run))
    # Level 1 has predictions from the second iteration on, which has two rounds of whole networks.
    assert {level: len(found) for level, found in run.correlations.items()} == {1: 1, 2: 1, 3: 3}


def test_evolution_changes_one_layer_of_the_best_of_its_youngest():
    """Scores rise with every evaluation, so the best of those alive is the newest one that is drawn."""
    asked, limit = [], Limit(np.zeros((3,) * 5), 0)
    run = Run(TableSpace(("012",) * 5), lambda indices: asked.append(indices) or len(asked) / 100, 40, 0, limit)
    reports = list(regularized_evolution(population=4, sample=4)(run))
    assert reports == asked
    for parent, child in itertools.pairwise(asked[3:]):
        assert sum(one != other for one, other in zip(parent, child, strict=True)) == 1
    falling = []
    run = Run(TableSpace(("012",) * 5), lambda indices: falling.append(indices) or 1 / len(falling), 40, 0, limit)
    list(regularized_evolution(population=4, sample=4)(run))
    for number in range(4, 40):  # the oldest of those alive is the best, until it is the one that goes
        oldest = falling[number - 4]
        assert sum(one != other for one, other in zip(oldest, falling[number], strict=True)) == 1


def with_costs(gains=(0.0, 2.0, 1.0)):
    """A table in which the better choice 1 costs five times as much as choice 2, and choice 0 nothing."""
    rows = values(gains)
    return {name: row | {"flops": sum((0, 50, 10)[int(choice)] for choice in name)} for name, row in rows.items()}


@pytest.mark.parametrize("name", [name for name in APART if not UNLIMITED.search(name)])
def test_a_method_keeps_to_the_limit(name):
    table = Table.from_values(with_costs())
    outcome = run_job(table, Job(name, 0.0, seed=1, evaluations=9, share=0.5))
    bound = table.limit(0.5).bound
    assert bound == 60
    best = max(table.accuracies[indices] for indices in np.ndindex(3, 3, 3) if table.multiply_adds[indices] <= 60)
    assert best == table.accuracies[0, 2, 1] == 88  # the dearer choice where it gains most, and one of the other
    assert outcome.regrets[-1] >= 0
    assert outcome.ranks[-1] == 1 or outcome.regrets[-1] > 0
    if name == "largest":
        assert outcome.regrets[-1] == 1  # 012, the first of those that cost 60


def test_a_limit_lets_through_what_can_still_keep_it():
    table = Table.from_values(with_costs())
    limit = table.limit(0.5)
    allowed = limit.allowed([(1,), (2,)], 2)
    # By extensions 0, 1, 2, then parents: 1 and 2 cost 50 and 10 already.
    assert allowed(0, 6).tolist() == [True, True, False, True, True, True]
    assert allowed(1, 2).tolist() == [True, False]
    with pytest.raises(DataError, match="one without"):
        Table.from_values(values()).limit(0.5)


def test_uniform_and_ridge_finds_the_best_of_an_additive_table_from_few_scores():
    table = Table.from_values(values())
    outcome = run_job(table, Job("uniform and ridge", 0.0, seed=0, evaluations=20))
    assert outcome.regrets[-1] == 0
    assert run_job(table, Job("local search", 0.0, seed=0, evaluations=27)).regrets[-1] == 0


def test_the_command_prints_tables_and_draws(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(with_costs()))
    flags = [
        "--seeds=2",
        "--noise=0,1",
        "--limits=1,0.5",
        "--at=1,20",
        "--methods=random|evolution|^EPNAS, 1",
        "--evaluations=20",
    ]
    figure = f"--figure={tmp_path / 'figure.png'}"
    result = runs.benchmark("tabular", f"--table={path}", *flags, "--processes=1", figure)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("20 evaluations, noise of") == 4
    assert result.stdout.count("the 50% of the fewest multiply-adds") >= 4
    assert "regularized evolution" in result.stdout
    assert result.stdout.count("did not go so far or to a whole network: EPNAS, 1 iteration.") == 4  # after one
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--table=nowhere.json", "nowhere.json"),
        ("--methods=[", "flag --methods=[: must be a regular expression"),
        ("--methods=magic", "must match one of default, 1 iteration"),
        ("--limits=0.5", "needs a table with the networks' multiply-adds"),
        ("--limits=1.5", "at most 1. Received: 1.5"),
    ],
)
def test_mistakes_are_said_without_a_traceback(tmp_path, flag, text):
    path = tmp_path / "table.json"
    path.write_text(json.dumps(values()))
    result = runs.benchmark("tabular", f"--table={path}", "--seeds=2", flag)
    assert result.returncode == 1
    assert text in result.stderr
    assert "Traceback" not in result.stderr


MISTAKES = {
    "--at=0": "must be whole numbers of at least 1",
    "--at=1.5": "must be whole numbers of at least 1",
    "--noise=0,-1": "must be numbers of at least 0",
    "--noise=nan": "must be numbers of at least 0",
    "--figure=nowhere/figure.png": "must be in a folder that exists",
    "--figure=figure.zzz": "and end in one of",
}

PARSE = """
import sys
from absl import flags
from absl.testing import flagsaver
import benchmarks.commands.tabular

for argument in sys.argv[1:]:
    with flagsaver.flagsaver():
        try:
            flags.FLAGS(["tabular.py", "--table=table.json", argument])
            print("accepted")
        except flags.Error as error:
            print(str(error).replace("\\n", " "))
"""


def test_every_flag_is_checked():
    result = runs.code(PARSE, "--at=1,2", *MISTAKES)
    assert result.returncode == 0, result.stderr
    accepted, *refusals = result.stdout.splitlines()
    assert accepted == "accepted"
    for refusal, text in zip(refusals, MISTAKES.values(), strict=True):
        assert text in refusal
