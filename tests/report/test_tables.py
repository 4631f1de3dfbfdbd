import dataclasses

import numpy as np
import pytest
from scipy.stats import spearmanr

from epnas_tf.metrics import ClassMetrics
from epnas_tf.network import Network, VariableStore
from epnas_tf.report import tables
from epnas_tf.report.search_files import read_search
from epnas_tf.report.training_files import read_training
from epnas_tf.space import NetworkShape
from tests.report import runs


@pytest.fixture(scope="module")
def search(macro):
    return read_search(macro)


def test_correlations(search):
    table = tables.correlation_table(search)
    assert table.iterations == [1, 2]
    assert [name for name, _ in table.rows] == ["level 1", "level 2", "level 3", "all levels"]
    trials = [t for t in search.completed if t.predicted is not None]
    expected = spearmanr([t.predicted for t in trials], [t.score for t in trials]).statistic
    *_, (shown, children) = table.rows[-1][1]
    assert shown == f"{expected:+.2f}".replace("-", "−")
    assert children == f"{len(trials)} children"
    assert table.rows[0][1][0] == ("-", "0 children")  # nothing is predicted in level 1 of the first iteration


def test_mean_accuracy_by_level_and_iteration(search):
    table = tables.accuracy_table(search)
    assert table.iterations == [1, 2]
    assert [name for name, _ in table.rows] == ["level 1", "level 2", "level 3", "all levels"]
    for level, (_, values) in enumerate(table.rows[:-1], 1):
        for iteration, (shown, children) in enumerate(values[:-1], 1):
            scores = [t.score for t in search.completed if (t.level, t.iteration) == (level, iteration)]
            assert shown == f"{100 * np.mean(scores):.1f}"  # per cent
            assert children == (f"{len(scores)} children" if len(scores) > 1 else "1 child")
    assert table.rows[-1][1][-1][1] == f"{len(search.completed)} children"


def test_a_level_that_an_iteration_has_not_reached_has_a_dash(search):
    begun = tuple(t for t in search.trials if t.iteration == 1 or t.level == 1)
    table = tables.accuracy_table(dataclasses.replace(search, trials=begun))
    assert table.rows[1][1][1] == ("-", "0 children")
    assert tables.accuracy_table(dataclasses.replace(search, trials=())) is None


def test_one_iteration_has_no_column_for_all(search):
    first = dataclasses.replace(search, trials=tuple(t for t in search.trials if t.iteration == 1))
    assert all(len(values) == 1 for _, values in tables.correlation_table(first).rows)


@pytest.mark.parametrize("run", ["macro", "micro"])
def test_costs_are_those_of_the_network(run, request):
    search = read_search(request.getfixturevalue(run))
    networks = tables.best_networks(search)
    expected = runs.best_architectures(request.getfixturevalue(run))[:10]
    assert [trial.architecture for _, trial in networks] == list(expected)
    best = search.best_trials()[0].architecture
    shape = NetworkShape((8, 8, 1), 10, 4, search.depth, normal_cells=2)
    network = Network(best, shape, VariableStore(0))
    assert tables.search_cost(search, best).parameters == network.num_parameters
    assert networks[0][0] == tables.search_cost(search, best)


def test_costs_without_description(search):
    cost, trial = tables.best_networks(dataclasses.replace(search, description=None))[0]
    assert cost is None
    assert trial.parameters > 0


def test_ten_rows_at_most_the_best_first(search):
    trial = search.best_trials()[0]
    trials = tuple(
        dataclasses.replace(
            trial, child=i, score=0.01 * i, architecture=dataclasses.replace(trial.architecture, layers=a)
        )
        for i, a in enumerate((t.architecture.layers for t in search.trials if t.level == 3), 1)
    )
    many = dataclasses.replace(search, trials=trials * 5)
    best = [trial for _, trial in tables.best_networks(many)]
    assert len({trial.architecture for trial in best}) == len(best) <= tables.NUM_BEST
    assert [trial.score for trial in best] == sorted((trial.score for trial in best), reverse=True)


def test_settings(search):
    groups = dict(tables.settings_groups(search.config, search.document["settings"]))
    assert list(groups) == [
        *("Search space", "Size of the networks", "Images", "Training of the children", "Surrogate", "Search"),
        *("Limits of the networks", "General"),
    ]
    found = {setting.name: setting for settings in groups.values() for setting in settings}
    assert (found["layers"].value, found["layers"].changed) == ("3", True)
    assert (found["operations"].value, found["operations"].changed) == ("conv_3x3, max_pool_3x3", True)
    assert (found["data dir"].value, found["data dir"].changed) == ("-", False)
    assert "including those drawn for validation" in found["train images"].help
    assert len(found) == len(search.document["settings"])


def test_levels_of_a_chain(search):
    best = search.best
    table = tables.architecture_table(best)
    assert (table.title, table.level, table.widest) == ("From image to classes", "layer", 1)
    assert [[shown.label for shown, _ in row] for row in table.rows] == [
        [layer.operation.replace("_3x3", " 3×3").replace("_", " ")] for layer in best.layers
    ]
    assert table.rows[0][0][1] == "stem"
    assert table.rows[2][0][1].startswith("layer 2")
    assert table.caption.startswith("What each layer reads")


def test_levels_of_a_cell():
    table = tables.architecture_table(runs.CELL)
    assert (table.title, table.level, table.widest) == ("The cell", "block", 2)
    assert [(shown.short, read) for shown, read in table.rows[1]] == [("S5", "the previous cell"), ("M3", "block 1")]
    assert table.caption.endswith("The cell’s output is the blocks 2 and 3, which no other uses.")


def test_training(macro, micro):
    facts = dict(tables.training_facts(read_training(micro / "final")))
    assert facts["Epochs"] == "4 of 12"
    assert facts["Time of an epoch, mean"] == "3.0 s"
    assert "in epoch" in facts["Best validation accuracy"]
    figures = read_training(macro / "final").figures
    classes = (ClassMetrics("a", 1, 1, 1, 3), ClassMetrics("b\n", 1, 1, 1, 3))
    two = dataclasses.replace(figures.metrics, classes=classes, confusion=((1, 7), (0, 1)))
    confusions = tables.frequent_confusions(dataclasses.replace(figures, metrics=two))
    assert confusions == [("a", "b\ufffd", "7")]
