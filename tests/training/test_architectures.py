import dataclasses

import pytest

from epnas_tf.config import RunConfig, SpaceConfig
from epnas_tf.errors import ArchitectureError, ConfigError, RunDirectoryError
from epnas_tf.space.serialization import architecture_to_dict
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.training.architectures import find_candidates
from tests.network.architectures import macro
from tests.training import helpers

A = macro("conv_3x3", "max_pool_3x3")
B = macro("conv_3x3", "conv_3x3")
C = macro("max_pool_3x3", ("conv_3x3", 0))
SHALLOW = macro("conv_5x5")


@pytest.fixture
def search(tmp_path):
    """Makes the directory of a search of two levels from (architecture, score) of its trials; None for a failure."""

    def make(*trials):
        with RunDirectory(tmp_path / "run", dataclasses.replace(RunConfig(), space=SpaceConfig(layers=2))) as directory:
            for number, (architecture, score) in enumerate(trials, 1):
                record = {"child": number, "iteration": 1, "level": architecture.num_levels, "text": str(architecture)}
                record |= {"architecture": architecture_to_dict(architecture)}
                completed = {"status": "completed", "score": score, "parameters": 100}
                record |= {"status": "failed"} if score is None else completed
                directory.append_record(record)
        return tmp_path / "run"

    return make


def found(run_dir, count, file=None):
    return [(candidate.architecture, candidate.shared_score) for candidate in find_candidates(run_dir, file, count)]


def test_the_best_whole_architectures_come_first(search):
    run_dir = search((SHALLOW, 0.99), (A, 0.5), (B, 0.8), (C, 0.6))
    assert found(run_dir, 1) == [(B, 0.8)]
    assert found(run_dir, 2) == [(B, 0.8), (C, 0.6)]
    assert found(run_dir, 9) == [(B, 0.8), (C, 0.6), (A, 0.5)]


def test_the_newest_score_of_each_counts(search):
    assert found(search((A, 0.9), (B, 0.8), (A, 0.7)), 9) == [(B, 0.8), (A, 0.7)]


def test_failures_and_a_line_that_is_still_written_do_not_count(search):
    run_dir = search((A, None), (B, 0.8))
    with open(run_dir / "trials.jsonl", "a") as file:
        file.write('{"child": 3, "lev')
    assert found(run_dir, 9) == [(B, 0.8)]


def test_a_search_without_a_whole_network_is_refused(search):
    with pytest.raises(
        RunDirectoryError, match=r"No architecture of 2 levels is trained yet in .* Let the search go on"
    ):
        find_candidates(search((SHALLOW, 0.5), (A, None)), None, 1)


def test_a_directory_without_a_search_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunDirectoryError, match=f"^{path} is not the directory of a search: it has no config.json"):
            find_candidates(path, None, 1)


def test_an_architecture_of_ones_own_needs_no_search(tmp_path):
    file = helpers.architecture_file(tmp_path, C)
    assert found(tmp_path / "nowhere", 1, file) == [(C, None)]
    with pytest.raises(ConfigError, match=r"`candidates` compares architectures of a search.* Received: candidates=3"):
        find_candidates(tmp_path / "nowhere", file, 3)


def test_a_file_without_an_architecture_is_refused(tmp_path):
    (tmp_path / "my.json").write_text("[]")
    for name in ("my.json", "nowhere.json"):
        with pytest.raises(ArchitectureError, match=name):
            find_candidates(tmp_path, str(tmp_path / name), 1)


def test_depth_counts_layers_and_blocks():
    assert [a.num_levels for a in (SHALLOW, A, helpers.SKIPS, helpers.CELL)] == [1, 2, 3, 2]
