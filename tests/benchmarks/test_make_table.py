"""A table of networks that were trained here: stopped, gone on with, and searched."""

import json

import numpy as np
import pytest

from benchmarks.table.table import Table
from tests.bin import runs

FLAGS = (
    "--layers=2",
    "--operations=conv_3x3,max_pool_3x3",
    "--train_images=200",
    "--epochs=1",
    "--trainings=2",
    "--channels=4",
    "--processes=1",
)
NETWORKS = 2 + 2 * 4


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    table = tmp_path_factory.mktemp("table") / "macro.json"
    result = runs.benchmark("make_table", f"--table={table}", *FLAGS)
    assert result.returncode == 0, result.stderr
    assert f"{NETWORKS} networks" in result.stdout
    return table


def test_the_table_has_every_network_with_its_trainings_and_costs(made):
    networks = json.loads(made.read_text())["networks"]
    assert len(networks) == NETWORKS
    for name, network in networks.items():
        assert len(name.split(",")) in (1, 2)
        assert len(network["validation"]) == len(network["test"]) == 2
        assert all(0 <= accuracy <= 100 for accuracy in network["validation"] + network["test"])
    # A convolution costs more than a pooling, and a second layer more than none.
    assert networks["0"]["multiply_adds"] > networks["1"]["multiply_adds"] > 0
    assert networks["0,0"]["parameters"] > networks["0"]["parameters"]


def test_a_stopped_table_goes_on_to_the_same_networks(made, tmp_path):
    table = tmp_path / "macro.json"
    lines = made.with_name("macro.json.networks").read_text().splitlines(keepends=True)
    # Settings and seven networks; the eighth was being written when the power failed.
    table.with_name("macro.json.networks").write_text("".join(lines[:8]) + lines[8][:20])
    result = runs.benchmark("make_table", f"--table={table}", *FLAGS)
    assert result.returncode == 0, result.stderr
    assert table.read_bytes() == made.read_bytes()


def test_networks_of_other_settings_are_refused(made):
    result = runs.benchmark("make_table", f"--table={made}", *FLAGS, "--channels=8")
    assert result.returncode == 1
    assert "networks of other settings. Give another --table" in result.stderr
    assert "Received: other channels" in result.stderr


def test_a_search_is_told_a_training_and_judged_by_the_mean(made):
    table = Table.read(made)
    networks = json.loads(made.read_text())["networks"]
    assert table.accuracies.shape == (2, 4)
    assert table.accuracies[1, 2] == pytest.approx(np.mean(networks["1,2"]["test"]))
    assert table.multiply_adds[1, 2] == networks["1,2"]["multiply_adds"]
    rng = np.random.default_rng(0)
    told = {round(100 * table.score((1, 2), 0, rng), 3) for _ in range(30)}
    assert told == set(networks["1,2"]["validation"])
    assert {round(100 * table.score((1,), 0, rng), 3) for _ in range(30)} == set(networks["1"]["validation"])
    best = np.unravel_index(table.accuracies.argmax(), table.accuracies.shape)
    assert (table.rank(best), table.regret(best)) == (1, 0)
