import dataclasses
import json
import shutil

import pytest

from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildDiverged
from epnas_tf.config import RankConfig, RunConfig
from epnas_tf.errors import ConfigError, RunDirectoryError
from epnas_tf.options import from_values
from epnas_tf.run.comparison import RankListener, agreements, run_rank
from epnas_tf.run.correlation import kendall
from epnas_tf.run.one_search import Listener
from epnas_tf.run.runner import run_search
from epnas_tf.storage.data_file import load_description, save_description
from epnas_tf.storage.rank_directory import LESS, SIZES, WAYS
from tests.run import test_runner
from tests.run.test_runner import Stopped

SETTINGS = test_runner.SETTINGS | {"k": 4, "iterations": 1}
SEARCH = from_values(RunConfig, SETTINGS)
CONFIG = RankConfig(architectures=3, own_epochs=2)


pytestmark = pytest.mark.usefixtures("without_grappler")


class StopsAfter(RankListener):
    def __init__(self, count):
        self.left = count

    def architecture_ended(self, record):
        self.left -= 1
        if not self.left:
            raise Stopped


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A finished search of four whole architectures; to be read only, but for folders of one's own."""
    path = tmp_path_factory.mktemp("ranked") / "run"
    run_search(SEARCH, path)
    return path


@pytest.fixture(scope="module")
def unbroken(run_dir, tmp_path_factory):
    return run_rank(run_dir, CONFIG, rank_dir=tmp_path_factory.mktemp("unbroken") / "rank")


def without_times(records):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def test_scores_of_a_sample_in_all_ways(run_dir, unbroken):
    lines = [json.loads(line) for line in (run_dir / "trials.jsonl").read_text().splitlines()]
    whole = {line["child"]: line for line in lines if line["level"] == 2}
    assert len(unbroken.records) == 3 < len(whole)
    assert len({record["child"] for record in unbroken.records}) == 3
    for record in unbroken.records:
        assert list(record["shared"]) == list(WAYS)
        assert record["sizes"]["parameters"] == whole[record["child"]]["parameters"]
        assert record["sizes"]["multiply_adds"] > record["sizes"]["parameters"]
        assert record["shared"]["search"] == whole[record["child"]]["score"]
        assert all(0 <= score <= 1 for score in (*record["shared"].values(), record["own"]))
    last = max(whole)  # nothing was trained after it, so its weights are the final ones
    for record in unbroken.records:
        if record["child"] == last:
            assert record["shared"]["final"] == record["shared"]["search"]


def test_images_that_have_changed_since_the_search_are_refused(run_dir, tmp_path):
    copy = shutil.copytree(run_dir, tmp_path / "run")
    description = load_description(copy)
    save_description(copy, dataclasses.replace(description, digest="of others"))
    with pytest.raises(RunDirectoryError, match=r"are no longer those.*Received: as many images"):
        run_rank(copy, CONFIG)
    assert not (copy / "rank").exists()


def test_result_file(unbroken):
    result = json.loads((unbroken.directory / "rank.json").read_text())
    assert (result["architectures"], result["own_epochs"]) == (3, 2)
    assert list(result["agreement"]) == [*WAYS, *SIZES, *LESS.values()]
    for way, both in unbroken.agreement.items():
        assert result["agreement"][way] == {name: dataclasses.asdict(value) for name, value in both.items()}


def test_several_own_trainings_are_compared_with_one_another(run_dir, tmp_path, unbroken):
    twice = run_rank(run_dir, dataclasses.replace(CONFIG, own_trainings=2), rank_dir=tmp_path / "twice")
    for record, once in zip(twice.records, unbroken.records, strict=True):
        first, second = record["own_scores"]
        assert [first] == once["own_scores"] == [once["own"]]
        assert record["own"] == (first + second) / 2
    assert any(len(set(record["own_scores"])) == 2 for record in twice.records)  # other weights, other batches
    assert list(twice.agreement) == [*WAYS, *SIZES, *LESS.values(), "repeated"]
    scores = zip(*(record["own_scores"] for record in twice.records), strict=True)
    assert twice.agreement["repeated"]["kendall"] == kendall(*map(list, scores))
    assert json.loads((twice.directory / "rank.json").read_text())["own_trainings"] == 2


def test_own_trainings_share_nothing(run_dir, tmp_path, unbroken):
    """The same architecture in the same place of the sample scores the same, whatever was trained before it."""
    last = run_rank(run_dir, CONFIG, rank_dir=tmp_path / "again").records
    assert without_times(last) == without_times(unbroken.records)


def test_goes_on_where_it_was_stopped(run_dir, tmp_path, unbroken):
    with pytest.raises(Stopped):
        run_rank(run_dir, CONFIG, rank_dir=tmp_path / "rank", listener=StopsAfter(2))
    result = run_rank(run_dir, CONFIG, rank_dir=tmp_path / "rank")
    assert not result.already_finished
    assert without_times(result.records) == without_times(unbroken.records)
    again = run_rank(run_dir, CONFIG, rank_dir=tmp_path / "rank")
    assert again.already_finished
    assert again.agreement == result.agreement


def test_other_settings_in_the_same_folder_are_refused(run_dir, unbroken):
    with pytest.raises(RunDirectoryError, match=r"(?s)own_epochs: 2 there, 3 now.*--rank_dir"):
        run_rank(run_dir, dataclasses.replace(CONFIG, own_epochs=3), rank_dir=unbroken.directory)


def test_the_comparison_of_another_search_is_refused(run_dir, tmp_path, unbroken):
    run_search(dataclasses.replace(SEARCH, seed=SEARCH.seed + 1), tmp_path / "run")
    before = (unbroken.directory / "rank.json").read_bytes()
    with pytest.raises(RunDirectoryError, match=r"belongs to another search.*--rank_dir.*Received: the architectures"):
        run_rank(tmp_path / "run", CONFIG, rank_dir=unbroken.directory)
    assert (unbroken.directory / "rank.json").read_bytes() == before


def test_a_search_without_shared_weights_is_refused(tmp_path):
    run_search(from_values(RunConfig, SETTINGS | {"layers": 1, "share_weights": False}), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"has no shared scores.*Received: .*share_weights=False"):
        run_rank(tmp_path / "run", CONFIG)


def test_a_search_that_goes_on_is_refused(tmp_path):
    class Stops(Listener):
        def child_ended(self, candidate, result):
            if candidate.number == 4:  # the last but one
                raise Stopped

    with pytest.raises(RunDirectoryError, match="nothing, which does not exist"):
        run_rank(tmp_path / "nothing", CONFIG)
    with pytest.raises(Stopped):
        run_search(SEARCH, tmp_path / "run", Stops())
    with pytest.raises(RunDirectoryError, match=r"must be finished.*epnas-search"):
        run_rank(tmp_path / "run", CONFIG)
    assert not (tmp_path / "run" / "rank").exists()


def test_too_few_architectures_are_refused(tmp_path):
    run_search(from_values(RunConfig, SETTINGS | {"layers": 1}), tmp_path / "run")
    with pytest.raises(RunDirectoryError, match=r"at least 3 whole architectures.*Received: 2"):
        run_rank(tmp_path / "run", CONFIG)


def test_the_final_trainings_folder_is_left_to_it(run_dir):
    with pytest.raises(ConfigError, match=r"`rank_dir` must be another folder .* Received: .*final"):
        run_rank(run_dir, CONFIG, rank_dir=run_dir / "final")
    assert not (run_dir / "final").exists()


def test_wrong_settings_are_refused(run_dir):
    with pytest.raises(ConfigError, match=r"`architectures` must be at least 3. Received: architectures=2"):
        RankConfig(architectures=2)
    with pytest.raises(ConfigError, match="must be a RankConfig"):
        run_rank(run_dir, SEARCH)


def test_what_diverged_is_left_out(run_dir, tmp_path, monkeypatch, unbroken):
    train, children = ChildTrainer.train, []

    def diverges_second(self, architecture, seed):
        children.append(architecture)
        if len(children) == 2:
            raise ChildDiverged("the test says so")
        return train(self, architecture, seed)

    monkeypatch.setattr(ChildTrainer, "train", diverges_second)
    result = run_rank(run_dir, CONFIG, rank_dir=tmp_path / "rank")
    assert [record["own"] is None for record in result.records] == [False, True, False]
    assert result.agreement == {}  # two are no order


def test_agreements_are_of_each_way_with_the_own_scores():
    records = [
        {
            "shared": {"search": score, "estimate": score**2, "final": -score},
            "sizes": {"parameters": round(1 / score), "multiply_adds": 7},
            "own": own,
            "own_scores": [own],
        }
        for score, own in ((0.1, 0.2), (0.3, 0.1), (0.5, 0.6), (0.9, None), (0.7, 0.8))
    ]
    found = agreements(records)
    assert found["search"]["kendall"] == kendall([0.1, 0.3, 0.5, 0.7], [0.2, 0.1, 0.6, 0.8])
    assert found["final"]["spearman"].value == -found["search"]["spearman"].value
    assert found["parameters"]["kendall"] == kendall([10, 3, 2, 1], [0.2, 0.1, 0.6, 0.8])
    better = found["estimate"]["kendall"].value - found["parameters"]["kendall"].value
    assert found["estimate_less_parameters"]["kendall"].value == pytest.approx(better)
    assert found["estimate_less_multiply_adds"]["kendall"].value is None  # equal sizes are in no order
