"""A table of networks that were trained here: stopped, gone on with, and searched."""

import json

import numpy as np
import pytest

from benchmarks.table.table import Table
from tests.bin import runs

FLAGS = (
    "--layers=2",
    "--operations=conv_3x3",
    "--train_images=200",
    "--epochs=1",
    "--trainings=2",
    "--channels=4",
    "--processes=1",
)
NETWORKS = 1 + 1 * 2


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
    # A second layer costs more than none, and its skip connection more again.
    assert networks["0,1"]["multiply_adds"] > networks["0,0"]["multiply_adds"] > networks["0"]["multiply_adds"] > 0
    assert networks["0,1"]["parameters"] > networks["0,0"]["parameters"] > networks["0"]["parameters"]


def test_a_stopped_table_goes_on_to_the_same_networks(made, tmp_path):
    table = tmp_path / "macro.json"
    lines = made.with_name("macro.json.networks").read_text().splitlines(keepends=True)
    # Settings and two networks; the third was being written when the power failed.
    table.with_name("macro.json.networks").write_text("".join(lines[:3]) + lines[3][:20])
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
    assert table.accuracies.shape == (1, 2)
    assert table.accuracies[0, 1] == pytest.approx(np.mean(networks["0,1"]["test"]))
    assert table.multiply_adds[0, 1] == networks["0,1"]["multiply_adds"]
    rng = np.random.default_rng(0)
    told = {round(100 * table.score((0, 1), 0, rng), 3) for _ in range(30)}
    assert told == set(networks["0,1"]["validation"])
    assert {round(100 * table.score((0,), 0, rng), 3) for _ in range(30)} == set(networks["0"]["validation"])
    best = np.unravel_index(table.accuracies.argmax(), table.accuracies.shape)
    assert (table.rank(best), table.regret(best)) == (1, 0)
