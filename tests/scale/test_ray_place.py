"""Ray's workers: the same trials however many there are and whatever happens to them."""

import contextlib
import dataclasses
import os
import random
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster

from epnas_tf import plugins
from epnas_tf.children.setup import child_trainer, network_shape
from epnas_tf.config import RunConfig, WorkersConfig
from epnas_tf.data import load
from epnas_tf.errors import ConfigError, DataError, SearchError
from epnas_tf.options import from_values
from epnas_tf.report.page import write_report
from epnas_tf.report.search_files import read_search
from epnas_tf.run.runner import run_search
from epnas_tf.scale import ray_place
from epnas_tf.scale.place import Events, Round, Task
from epnas_tf.scale.ray_place import RayWorkers
from epnas_tf.scale.worker import ChildWorker
from epnas_tf.space import make_space
from epnas_tf.storage.run_directory import read_config
from tests.bin import runs
from tests.run.test_runner import Recorder
from tests.scale import fake_workers

ROUND = ("--round=5", "--k=6", "--iterations=1")
NUM_CHILDREN = 2 + 6 + 6
SEED = 2018

pytestmark = [
    pytest.mark.usefixtures("only_ray", "without_grappler"),
    # Ray's own; and its sockets are closed when it is shut down, whoever still holds them.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def search(run_dir, *arguments, **plan):
    return runs.drive("search", *runs.TINY, *ROUND, f"--run_dir={run_dir}", *arguments, **plan)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The directory of a search in rounds in one process, which was never stopped."""
    path = tmp_path_factory.mktemp("one_process") / "run"
    result = search(path)
    assert result.returncode == 0, result.stderr
    assert len((path / "trials.jsonl").read_text().splitlines()) == NUM_CHILDREN
    return path


@pytest.fixture(scope="module")
def cluster(only_ray):
    """A cluster of three nodes on the loopback interface, with five CPUs."""
    node = {"include_dashboard": False, "node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **node})
    for _ in range(2):
        made.add_node(num_cpus=2, node_ip_address="127.0.0.1", object_store_memory=80 * 2**20)
    yield made
    ray.shutdown()
    made.shutdown()


def processes_of_ray():
    """Returns the processes of Ray, but for those of the tests' own cluster, which ends after them."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    # Two small helpers of Ray's, its agents, look only once a minute whether what they belong to has been killed.
    lines = (line for line in listed.splitlines() if "Agent" not in line)
    return {line for line in lines if "raylet" in line or "gcs_server" in line or "ray::" in line}


@pytest.fixture
def nothing_left():
    """After the test, no more processes of Ray run than before, at once or soon."""
    before = processes_of_ray()
    yield
    for _ in range(100):
        if not processes_of_ray() - before:
            return
        time.sleep(0.2)
    raise AssertionError(processes_of_ray() - before)


@pytest.mark.usefixtures("nothing_left")
def test_two_workers_change_no_trial_and_are_told_of(expected, tmp_path):
    result = search(tmp_path / "run", "--workers=2")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    runs.assert_same_result(tmp_path / "run", expected)
    lines = [line for line in result.stdout.splitlines() if line.startswith("worker ")]
    assert [line.split(":")[0] for line in lines] == ["worker 1", "worker 2"]
    assert sum(int(line.split()[2]) for line in lines) == NUM_CHILDREN
    told = read_search(tmp_path / "run").workers
    assert [worker.number for worker in told] == [1, 2]
    assert sum(worker.children for worker in told) == NUM_CHILDREN
    assert all(0 < worker.busy <= 1 and f"({worker.place})" in result.stdout for worker in told)
    assert told[0].place in write_report(tmp_path / "run").read_text()
    (tmp_path / "run" / "report.html").unlink()


@pytest.mark.usefixtures("nothing_left")
def test_a_search_whose_driver_is_killed_three_times_ends_like_one_that_was_not(expected, tmp_path):
    """It goes on with one worker, and then with none."""
    for moment, nth in (("a line is written", 1), ("a child is trained, not told", 3), ("after a child", 2)):
        result = search(tmp_path / "run", "--workers=1", moment=moment, nth=nth)
        assert result.returncode == -signal.SIGKILL, (moment, result.stdout[-500:], result.stderr)
    result = search(tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "Going on after child" in result.stdout
    runs.assert_same_result(tmp_path / "run", expected)


@pytest.mark.usefixtures("nothing_left")
def test_searches_side_by_side_share_the_workers_and_give_the_same(tmp_path):
    for name, more in (("alone", ()), ("workers", ("--workers=2",))):
        plan = ("--k=2", "--iterations=1", "--searches=2", f"--run_dir={tmp_path / name}", *more)
        result = runs.drive("search", *runs.TINY, *plan)
        assert result.returncode == 0, result.stderr
        lines = result.stdout.splitlines()
        assert sum(" validation and " in line for line in lines) == 1  # of the images once
        for number in (1, 2):
            assert any(line.startswith(f"search {number}: child 6/6") for line in lines)
            assert any(line.startswith(f"search {number}: 6 children in ") for line in lines)
    assert sum(int(line.split()[2]) for line in lines if line.startswith("worker ")) == 12
    assert str(tmp_path / "workers" / "searches" / "2" / "architecture.json") in result.stdout
    for of in ("", "searches/2"):
        runs.assert_same_result(tmp_path / "workers" / of, tmp_path / "alone" / of)
    assert "These searches are finished;" in runs.drive("search", *runs.TINY, *plan).stdout


@pytest.fixture
def place(cluster, monkeypatch):
    """Makes a place with workers of a class of `fake_workers`, and closes it."""
    config = from_values(RunConfig, {"layers": 2, "channels": 4, "train_images": 300, "round": 4})
    data = load(config.data, 0)
    space = make_space(config.space)
    trainer = child_trainer(config, network_shape(config, space, data), data)
    places = []

    def make(worker, number=2, events=None, **settings):
        for each in places:
            each.close()
        monkeypatch.setattr(ray_place, "ChildWorker", worker)
        changed = dataclasses.replace(config, data=dataclasses.replace(config.data, **settings))
        workers = WorkersConfig(workers=number, cluster=cluster.address)
        places.append(RayWorkers(workers, [changed], data, events or Events()))
        places[-1].trainer = trainer
        return places[-1]

    yield make
    for each in places:
        each.close()


def train(made, tasks, events=None):
    """Trains children as a round of their own."""
    given = Round(tasks, None, made.trainer, events or Events())
    made.begin(given)
    done, outcomes = made.done()
    assert done is given
    return outcomes


def tasks(number):
    space = make_space(from_values(RunConfig, {"layers": 2}).space)
    rng = np.random.default_rng(0)
    return [Task(n, space.sample(rng), 100 + n) for n in range(number)]


class Said(Events):
    """Writes down what happens."""

    def __init__(self):
        self.texts, self.begun = [], []

    def said(self, text):
        self.texts.append(text)

    def began(self, task):
        self.begun.append(task.number)


def test_outcomes_come_in_the_order_of_the_children_and_large_ones_begin_first(place):
    made, events = place(fake_workers.Echo), Said()
    given = tasks(6)
    outcomes = train(made, given, events)
    assert [outcome.result.score for outcome in outcomes] == [task.seed / 1000 for task in given]
    sizes = [ray_place.multiply_adds(given[number], made.trainer) for number in events.begun]
    assert sizes[:2] == sorted(sizes, reverse=True)[:2]
    assert sorted(events.begun) == list(range(6))


def test_what_no_child_has_trained_is_not_sent_and_the_rest_comes_back(place):
    made = place(fake_workers.Echo)
    (task,) = tasks(1)
    assert train(made, [task])[0].values.variables == {}
    made.trainer.commit(made.trainer.outcome(task.architecture, 0).values, {})
    sent = made.trainer.shared([("stem",)]).variables[("stem",)]
    (outcome,) = train(made, [task])
    for array, doubled in zip(sent, outcome.values.variables[("stem",)], strict=True):
        np.testing.assert_array_equal(2 * array, doubled)


def test_more_than_the_object_store_holds_goes_through(place):
    """Eight times 30 MB through a store of 80 MB."""
    outcomes = train(place(fake_workers.Sending), tasks(8))
    assert [outcome.values.momentum[("stem",)][-1] for outcome in outcomes] == [100 + n for n in range(8)]


def test_a_lost_worker_is_told_of_and_its_child_trained_again(place, tmp_path):
    events = Said()
    made = place(fake_workers.DyingOnce, 1, events, data_dir=str(tmp_path))
    outcomes = train(made, tasks(3), events)
    assert [outcome.result.score for outcome in outcomes] == [0.1, 0.101, 0.102]
    (text,) = events.texts
    assert text.startswith("Worker 1 (here, process ")
    assert text.endswith(
        "was lost while it trained child " + str(events.begun[0] + 1) + ". The child is trained "
        "again, from the same weights."
    )
    assert sorted(events.begun) == sorted([0, 1, 2, events.begun[0]])
    assert (made.workers[0].lost, made.workers[0].children) == (1, 3)


def test_a_child_that_ends_every_worker_ends_the_search_with_one_line(place):
    with pytest.raises(SearchError, match=r"5 workers have ended while they trained child 3\. Too") as told:
        train(place(fake_workers.DyingAtChildThree), tasks(3))
    assert "\n" not in str(told.value)


def test_workers_that_differ_are_refused(place, tmp_path, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(plugins, "loaded", lambda: ("no_such_plugin",))
        with pytest.raises(ConfigError, match=r"A worker on .*`plugins` must name modules.* Received: no_such_plugin"):
            train(place(fake_workers.Echo), tasks(1))
    for make, error, message in (
        (lambda: place(fake_workers.OfAnotherVersion), ConfigError, "must have the same versions.*'numpy': '1.0'"),
        (lambda: place(ChildWorker, dataset=str(tmp_path / "none.npz")), DataError, "none.npz"),
        (lambda: place(ChildWorker, train_images=200), DataError, "must read the same images as the process"),
    ):
        with pytest.raises(error, match=message):
            train(make(), tasks(1))


def test_a_search_without_any_worker_says_what_it_waits_for(place, monkeypatch):
    monkeypatch.setattr(ray_place, "PATIENCE", 1.0)
    events = Said()
    made = place(fake_workers.Unready, 1, events)
    assert len(train(made, tasks(1), events)) == 1
    (text,) = events.texts
    assert text.startswith("No worker has answered for 1 s. Waiting until Ray has started one")


def test_addresses_where_no_cluster_is_are_refused(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound, but nothing listens
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        result = search(tmp_path / "run", f"--cluster={address}")
    assert result.returncode == 1
    assert "`cluster` must be the address of a running Ray cluster" in result.stderr
    assert f"Received: --cluster={address}, and nothing answers at 127.0.0.1:" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.count("Received") == 1
    assert not (tmp_path / "run").exists()
    result = search(tmp_path / "run", "--cluster=nosuchhost")
    assert "`cluster` must be HOST:PORT, as `ray start --head` prints it, or auto. Received: --c" in result.stderr


def test_workers_without_ray_are_refused_before_anything_is_read(tmp_path):
    lacking = "import sys; sys.modules['ray'] = None\nfrom epnas_tf.bin.search import run\nrun()"
    result = runs.code(lacking, *runs.TINY, *ROUND, "--workers=2", f"--run_dir={tmp_path / 'run'}")
    assert result.returncode == 1
    assert "Workers need Ray: pip install 'epnas-tf[ray]'." in result.stderr


class Killing(Recorder):
    """Kills a worker at random moments, and once ends a node."""

    def __init__(self, kills, node):
        super().__init__()
        self.random, self.kills, self.node = random.Random(SEED), kills, node
        self.statuses, self.killed = (), 0

    def workers_changed(self, workers):
        self.statuses = workers

    def child_started(self, candidate):
        is_again = candidate in self.began
        super().child_started(candidate)
        if candidate.number == 3 and not is_again:
            self.node()
        if self.killed < self.kills and not is_again:
            self.killed += 1
            threading.Timer(self.random.uniform(0.0, 0.5), self.kill).start()

    def kill(self):
        if alive := [int(worker.place.split()[-1]) for worker in self.statuses if worker.place]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(alive), signal.SIGKILL)


def test_workers_killed_at_ten_random_moments_and_a_lost_node_change_no_trial(expected, cluster, tmp_path, capfd):
    config = read_config(expected)
    last = list(cluster.worker_nodes)[-1]
    listener = Killing(10, lambda: cluster.remove_node(last, allow_graceful=False))
    workers = WorkersConfig(workers=4, cluster=cluster.address)
    result = run_search(config, tmp_path / "run", listener, workers=workers)
    runs.assert_same_result(tmp_path / "run", expected)
    assert "raylet" not in capfd.readouterr().out  # Ray's own pages about it
    assert listener.killed == 10
    said = [text for text in listener.warnings if "was lost while it" in text]
    assert said
    assert all("trained child" not in text or "The child is trained again" in text for text in said)
    assert len([candidate for candidate, _ in listener.ended]) == NUM_CHILDREN  # each is scored once
    assert [worker.number for worker in result.workers] == [1, 2, 3, 4]
    assert sum(worker.lost for worker in result.workers) == len(said)
