import dataclasses
import json
import shutil

import pytest

from epnas_tf.config import LimitConfig, RunConfig
from epnas_tf.errors import ConfigError, RunDirectoryError
from epnas_tf.options import from_values
from epnas_tf.run.compare import CompareListener, compare_config, run_compare
from epnas_tf.run.one_search import Listener
from epnas_tf.run.opponents import Opponents
from epnas_tf.run.runner import finished_state, run_search
from epnas_tf.storage.compare_directory import read_comparison
from epnas_tf.storage.data_file import load_description, save_description
from epnas_tf.storage.run_directory import read_config
from epnas_tf.training.network_training import NetworkTraining, TrainingDiverged
from epnas_tf.training.trained import final_shape
from tests.run import test_runner
from tests.run.test_comparison import without_times
from tests.run.test_runner import Stopped

SEARCH = from_values(RunConfig, test_runner.SETTINGS | {"iterations": 1})
SMALL = {
    "channels": 16,
    "epochs": 2,
    "train_images": 100,
    "batch_size": 64,
    "seeds": 2,
    "ema_decay": 0.5,
    "cutmix": 1.0,
}
NETWORKS = ("found", "random", "plain")

pytestmark = pytest.mark.usefixtures("without_grappler")


class StopsAfter(CompareListener):
    """Stops after so many epochs of all trainings."""

    def __init__(self, epochs):
        self.left = epochs

    def epoch_ended(self, network, epoch, epochs):
        self.left -= 1
        if not self.left:
            raise Stopped


def config(run_dir, **values):
    return compare_config(run_dir, **SMALL | {"networks": NETWORKS} | values)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A finished search; to be read only, but for folders of one's own."""
    path = tmp_path_factory.mktemp("compared") / "run"
    run_search(SEARCH, path)
    return path


@pytest.fixture(scope="module")
def unbroken(run_dir, tmp_path_factory):
    return run_compare(run_dir, config(run_dir), compare_dir=tmp_path_factory.mktemp("unbroken") / "compare")


def test_each_seed_trains_every_network_by_one_recipe(run_dir, unbroken):
    assert [(record["seed"], record["network"]) for record in unbroken.records] == [
        (seed, name) for seed in (0, 1) for name in NETWORKS
    ]
    assert {record["epochs"] for record in unbroken.records} == {2}
    assert all(0 <= record["accuracy"] <= 1 for record in unbroken.records)
    found = [record for record in unbroken.records if record["network"] == "found"]
    assert found[0]["text"] == found[1]["text"] == str(test_runner.load_architecture(run_dir / "architecture.json"))
    assert found[0]["accuracy"] != found[1]["accuracy"] or found[0]["loss"] != found[1]["loss"]


def test_hand_made_networks_have_the_found_ones_size(unbroken):
    rows = {row.name: row for row in unbroken.comparison.networks}
    assert rows["plain"].parameters == pytest.approx(rows["found"].parameters, rel=0.05)
    assert rows["plain"].title.startswith("plain chain of ")


def test_result_file_and_latencies(run_dir, unbroken):
    comparison = read_comparison(unbroken.directory)
    assert comparison == unbroken.comparison
    assert [row.name for row in comparison.networks] == list(NETWORKS)
    assert (comparison.num_images, comparison.epochs, comparison.seeds) == (180, 2, 2)
    assert all(row.latency_ms > 0 for row in comparison.networks)
    assert comparison.device
    assert "seeds" in comparison.conclusion
    again = run_compare(run_dir, config(run_dir), compare_dir=unbroken.directory)
    assert again.already_finished
    assert (again.comparison, again.records) == (comparison, unbroken.records)  # timed once


def test_goes_on_where_it_was_stopped(run_dir, tmp_path, unbroken):
    settings = config(run_dir, networks=("found", "plain"))
    for epochs in (2, 1):  # between two trainings, and within one
        with pytest.raises(Stopped):
            run_compare(run_dir, settings, compare_dir=tmp_path / "c", listener=StopsAfter(epochs), latency=False)
    result = run_compare(run_dir, settings, compare_dir=tmp_path / "c", latency=False)
    assert not result.already_finished
    same = [record for record in unbroken.records if record["network"] != "random"]
    assert without_times(result.records) == without_times(same)
    assert result.comparison.device == ""


def test_more_seeds_go_on_and_fewer_are_refused(run_dir, tmp_path, unbroken):
    copy = shutil.copytree(unbroken.directory, tmp_path / "compare")
    result = run_compare(run_dir, config(run_dir, seeds=3), compare_dir=copy, latency=False)
    assert result.records[:6] == unbroken.records
    assert [record["seed"] for record in result.records[6:]] == [2, 2, 2]
    with pytest.raises(RunDirectoryError, match=r"more seeds. Give --seeds=3 or more.* of seed 2 there, seeds=2 now"):
        run_compare(run_dir, config(run_dir), compare_dir=copy)


def opponents(run_dir, search, **values):
    """Returns the networks of a comparison, untrained: those of each name, one for each seed."""
    settings, found = (
        config(run_dir, channels=4, **values),
        test_runner.load_architecture(run_dir / "architecture.json"),
    )
    shape = final_shape(found, load_description(run_dir), settings.training.network)  # 4 channels, as in the search
    state = finished_state(run_dir, search, "the test reads it")
    return Opponents(run_dir, search, state, found, shape, settings).of_seeds()


def test_largest_and_resnet_at_equal_multiply_adds(run_dir):
    names = ("found", "largest", "resnet")
    made = opponents(run_dir, read_config(run_dir), networks=names, match="multiply_adds")
    found, largest, resnet = (made[name][0] for name in names)
    assert largest.cost.multiply_adds >= found.cost.multiply_adds
    assert "times the multiply-adds" in largest.note or largest.note == "the found network itself"
    assert resnet.cost.multiply_adds == pytest.approx(found.cost.multiply_adds, rel=0.05)


def test_networks_of_the_space_keep_the_search_s_limits(run_dir):
    search, names = read_config(run_dir), ("found", "largest", "random")
    bound = opponents(run_dir, search, networks=names)["largest"][0].cost.parameters - 1
    limited = dataclasses.replace(search, limits=LimitConfig(max_params=bound))
    within = opponents(run_dir, limited, networks=names)
    assert within["largest"][0].cost.parameters <= bound
    assert max(one.cost.parameters for one in within["random"]) <= bound


def test_what_diverged_is_left_out(run_dir, tmp_path, monkeypatch):
    run_epoch, warnings = NetworkTraining.run_epoch, []

    def diverges(self, number, *arguments):
        if "plain" in str(self.store.get_state()[0]) or ("stage", "relu") in self._network.layers:
            raise TrainingDiverged("the test says so")
        return run_epoch(self, number, *arguments)

    class Warned(CompareListener):
        def warning(self, text):
            warnings.append(text)

    monkeypatch.setattr(NetworkTraining, "run_epoch", diverges)
    settings = config(run_dir, networks=("found", "plain"), epochs=1)
    result = run_compare(run_dir, settings, compare_dir=tmp_path / "compare", listener=Warned(), latency=False)
    assert [record["accuracy"] is None for record in result.records] == [False, True] * 2
    assert result.comparison.networks[1].accuracy is None
    assert result.comparison.conclusion.startswith("Nothing can be concluded yet")
    assert [text.split(",")[0] for text in warnings] == [result.comparison.networks[1].title] * 2


def test_other_settings_in_the_same_folder_are_refused(run_dir, unbroken):
    with pytest.raises(RunDirectoryError, match=r"(?s)--epochs: 2 there, 3 now.*--compare_dir"):
        run_compare(run_dir, config(run_dir, epochs=3), compare_dir=unbroken.directory)
    with pytest.raises(RunDirectoryError, match=r"--networks: found,random,plain there, found,plain now"):
        run_compare(run_dir, config(run_dir, networks=("found", "plain")), compare_dir=unbroken.directory)


def test_trainings_of_other_networks_are_refused(run_dir, tmp_path, unbroken):
    copy = shutil.copytree(unbroken.directory, tmp_path / "compare")
    lines = (copy / "trainings.jsonl").read_text()
    changed = lines.replace("plain chain of", "plain chaim of")
    assert changed != lines
    (copy / "trainings.jsonl").write_text(changed)
    with pytest.raises(RunDirectoryError, match=r"has trainings of other networks.*Received: plain chaim"):
        run_compare(run_dir, config(run_dir), compare_dir=copy)


def test_images_that_have_changed_are_refused(run_dir, tmp_path, unbroken):
    copy = shutil.copytree(unbroken.directory, tmp_path / "compare")
    save_description(copy, dataclasses.replace(load_description(copy), digest="of others"))
    with pytest.raises(RunDirectoryError, match="are no longer those"):
        run_compare(run_dir, config(run_dir), compare_dir=copy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": 1}, "`seeds` must be at least 2. Received: seeds=1"),
        (
            {"networks": ("found", "alexnet")},
            r"`networks` must be found .*plain.* Received: networks=found,alexnet",
        ),
        ({"networks": ("resnet", "plain")}, r"`networks` must be found and .* Received: networks=resnet,plain"),
        ({"networks": ("found",)}, r"one or more others.* Received: networks=found$"),
        ({"candidates": 2}, "`candidates` must be 1.* Received: candidates=2"),
        ({"match": "size"}, "`match` must be one of parameters, multiply_adds"),
        ({"seed_count": 3}, r"no setting of this name.* Received: \['seed_count'\]"),
    ],
)
def test_wrong_settings_are_refused(run_dir, values, message):
    with pytest.raises(ConfigError, match=message):
        compare_config(run_dir, **values)


def test_a_search_that_goes_on_is_refused(tmp_path):
    class Stops(Listener):
        def child_ended(self, candidate, result):
            if candidate.number == 3:  # the last but one
                raise Stopped

    with pytest.raises(RunDirectoryError, match="nothing, which does not exist"):
        run_compare(tmp_path / "nothing")
    with pytest.raises(Stopped):
        run_search(dataclasses.replace(SEARCH, seed=5), tmp_path / "run", Stops())
    with pytest.raises(RunDirectoryError, match=r"must be finished: it may still find a better .*epnas-search"):
        run_compare(tmp_path / "run", config(tmp_path / "run"))
    assert not (tmp_path / "run" / "compare").exists()


def test_folders_of_other_work_are_left_to_it(run_dir):
    with pytest.raises(ConfigError, match=r"`compare_dir` must be another folder .* Received: .*final"):
        run_compare(run_dir, config(run_dir), compare_dir=run_dir / "final")


def test_an_own_architecture_can_be_the_found_one(run_dir, tmp_path):
    lines = [json.loads(line) for line in (run_dir / "trials.jsonl").read_text().splitlines()]
    best = str(test_runner.load_architecture(run_dir / "architecture.json"))
    other = next(line for line in lines if line["level"] == 2 and line["text"] != best)
    (tmp_path / "my.json").write_text(json.dumps(other["architecture"]))
    settings, mine = config(run_dir, networks=("found", "plain"), epochs=1), str(tmp_path / "my.json")
    with pytest.raises(Stopped):  # in the second training
        run_compare(run_dir, settings, architecture_file=mine, compare_dir=tmp_path / "c", listener=StopsAfter(2))
    record = json.loads((tmp_path / "c" / "trainings.jsonl").read_text())
    assert (record["network"], record["text"]) == ("found", other["text"])
    assert other["text"] != best
    assert 0 <= record["accuracy"] <= 1
