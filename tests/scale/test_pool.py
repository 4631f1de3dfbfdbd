"""Comparisons whose trainings are spread over Ray's workers."""

import pytest
import ray

from epnas_tf.config import RankConfig, RunConfig, WorkersConfig
from epnas_tf.errors import ConfigError, SearchError
from epnas_tf.options import from_values
from epnas_tf.run.compare import CompareListener, compare_config, run_compare
from epnas_tf.run.comparison import RankListener, run_rank
from epnas_tf.run.runner import run_search
from epnas_tf.scale import pool
from epnas_tf.scale.pool import side_by_side
from epnas_tf.storage.compare_directory import read_comparison
from epnas_tf.storage.records import read_records
from tests.bin import runs
from tests.run.test_comparison import without_times
from tests.run.test_runner import SETTINGS, Stopped

pytestmark = [
    pytest.mark.usefixtures("without_grappler"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
]

HELPERS = "tests.scale.fake_workers"
NETWORKS = ("found", "plain")
SMALL = {"channels": 16, "epochs": 1, "train_images": 100, "batch_size": 64, "seeds": 2, "networks": NETWORKS}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A finished search of four whole architectures; to be read only, but for folders of one's own."""
    path = tmp_path_factory.mktemp("spread") / "run"
    run_search(from_values(RunConfig, SETTINGS | {"k": 4, "iterations": 1}), path)
    return path


@pytest.fixture(scope="module", autouse=True)
def _ray(only_ray):
    """Ray on this computer, for all of these tests."""
    ray.init(address="local", num_cpus=3, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield
    ray.shutdown()


class StopsAtFirst(CompareListener, RankListener):
    def training_ended(self, network, record):
        raise Stopped


def test_trainings_of_comparisons_do_not_depend_on_the_workers(run_dir, tmp_path):
    """One worker or two, stopped or not; both have one thread, as this process may not."""
    place = {"compare_dir": tmp_path / "one", "latency": False, "workers": WorkersConfig(workers=1)}
    with pytest.raises(Stopped):
        run_compare(run_dir, compare_config(run_dir, **SMALL), listener=StopsAtFirst(), **place)
    one = run_compare(run_dir, compare_config(run_dir, **SMALL), **place)
    assert [(record["seed"], record["network"]) for record in one.records] == [(s, n) for s in (0, 1) for n in NETWORKS]
    flags = [f"--{name}={','.join(value) if isinstance(value, tuple) else value}" for name, value in SMALL.items()]
    two = runs.drive("compare", run_dir, *flags, "--workers=2", f"--compare_dir={tmp_path / 'two'}", "--nolatency")
    assert two.returncode == 0, two.stderr
    assert two.stderr == ""
    assert "4/4  seed 2  plain chain" in two.stdout
    assert without_times(read_records(tmp_path / "two" / "trainings.jsonl")) == without_times(one.records)
    assert read_comparison(tmp_path / "two") == one.comparison


def test_scores_of_a_ranking_come_from_workers_too(run_dir, tmp_path):
    found = [
        run_rank(
            run_dir,
            RankConfig(architectures=3, own_epochs=1),
            rank_dir=tmp_path / str(number),
            workers=WorkersConfig(workers=number),
        )
        for number in (0, 2)
    ]
    ours, theirs = (one.records for one in found)
    assert [record["child"] for record in ours] == [record["child"] for record in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["shared"] == pytest.approx(other["shared"], abs=0.05)  # 30 images, and other last bits
        assert mine["own_scores"] == pytest.approx(other["own_scores"], abs=0.05)


def test_results_come_in_order_and_the_task_of_a_lost_worker_is_sent_again(tmp_path):
    results = side_by_side(WorkersConfig(workers=3), (HELPERS, "slow_square"), str(tmp_path), list(range(6)))
    assert list(results) == [0, 1, 4, 9, 16, 25]
    assert (tmp_path / "died").exists()


def test_workers_import_the_plugins_of_this_process(monkeypatch):
    monkeypatch.setattr(pool, "loaded", lambda: ("wave",))  # of Python's library; nothing else imports it
    assert list(pool.side_by_side(WorkersConfig(workers=1), (HELPERS, "has_plugin"), "wave", [0])) == [True]


def test_what_cannot_go_on_ends_with_one_line(monkeypatch):
    monkeypatch.setattr(pool, "MAX_LOST", 1)
    for helper, error, message in (
        ("dying", SearchError, "Ray cannot go on. The same command does"),
        ("refusing", ConfigError, "`task` must be even. Received: 1"),
    ):
        with pytest.raises(error, match=message) as told:
            list(side_by_side(WorkersConfig(workers=1), (HELPERS, helper), None, [1]))
        assert "\n" not in str(told.value)
