import contextlib
import errno
import functools
import json
import multiprocessing
import shutil

import numpy as np
import pytest

from epnas_tf import files
from epnas_tf.config import ChildConfig, DataConfig, RunConfig, SearchConfig, SpaceConfig
from epnas_tf.errors import ConfigError, DataError, RunDirectoryError, StateError
from epnas_tf.space import MacroArchitecture, MacroLayer, load_architecture
from epnas_tf.storage import run_directory
from epnas_tf.storage.rank_directory import RankDirectory
from epnas_tf.storage.run_directory import RunDirectory, read_config
from epnas_tf.storage.training_directory import TrainingDirectory

CONFIG = RunConfig()
ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}


def architecture(operation="conv_3x3"):
    return MacroArchitecture((MacroLayer(operation, ()),))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


def add(directory, *numbers):
    """Adds children, each with its line and its state."""
    for number in numbers:
        directory.append_record({"child": number})
        directory.save_state({"number": number}, {"a": ARRAYS["a"] + number})


def lines(path):
    return (path / "trials.jsonl").read_text().splitlines()


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_new_directory_holds_its_settings_and_versions(path):
    config = RunConfig(space=SpaceConfig(operations=("conv_3x3",)), seed=4)
    with RunDirectory(path, config) as directory:
        assert directory.load_state() is None
        assert directory.read_records() == []
        assert directory.warnings == []
    document = json.loads((path / "config.json").read_text())
    assert document["format"] == "epnas_tf.run"
    assert document["settings"]["operations"] == ["conv_3x3"]
    assert document["settings"]["seed"] == 4
    assert {"python", "tensorflow", "keras", "numpy"} <= document["versions"].keys()
    assert read_config(path) == config


def test_goes_on_from_the_newest_state(path):
    with RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        add(directory, 1, 2, 3)
    with RunDirectory(path, CONFIG) as directory:
        state = directory.load_state()
        assert state.values["number"] == 3
        np.testing.assert_array_equal(state.arrays["a"], ARRAYS["a"] + 3)
        assert directory.read_records() == [{"child": 1}, {"child": 2}, {"child": 3}]
        add(directory, 4)
    assert [json.loads(line)["child"] for line in lines(path)] == [1, 2, 3, 4]
    assert sorted(file.name for file in (path / "state").glob("*.npz")) == ["after-000003.npz", "after-000004.npz"]


@pytest.mark.parametrize("rest", [b'{"child": 3}\n', b'{"chi', b'{"child": 3}\n{"child"', b"\n", b"\xff\xfe"])
def test_what_the_state_does_not_know_is_cut_off_the_trials(path, rest):
    with RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        add(directory, 1, 2)
    with open(path / "trials.jsonl", "ab") as file:
        file.write(rest)
    with RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        assert directory.warnings == []  # an ordinary kill, nothing to worry about
        add(directory, 3)
    assert lines(path) == ['{"child": 1}', '{"child": 2}', '{"child": 3}']


def test_trials_before_the_first_state_are_cut_off(path):
    with RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        directory.append_record({"child": 1})
    with RunDirectory(path, CONFIG) as directory:
        assert directory.load_state() is None
    assert lines(path) == []


def test_state_cut_short_gives_way_to_the_one_before_with_a_warning(path):
    with RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        add(directory, 1, 2)
    newest = path / "state" / "after-000002.npz"
    newest.write_bytes(newest.read_bytes()[:300])
    with RunDirectory(path, CONFIG) as directory:
        assert directory.load_state().values["number"] == 1
        (warning,) = directory.warnings
    assert str(newest) in warning
    assert "going on from the state before it" in warning
    assert lines(path) == ['{"child": 1}']


def test_trials_shorter_than_the_state_says_are_an_error(path):
    with RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        add(directory, 1)
    (path / "trials.jsonl").write_text("")
    with (
        RunDirectory(path, CONFIG) as directory,
        pytest.raises(StateError, match=r"do not belong together.* Received: 0 lines, expected 1"),
    ):
        directory.load_state()


def test_full_disk_is_reported_and_leaves_the_state_before(path, monkeypatch):
    with RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        add(directory, 1)
        directory.save_best(architecture())
        for owner, save in (
            (run_directory, lambda: directory.append_record({"child": 2})),
            (files, lambda: directory.save_state({"number": 2}, ARRAYS)),
            (files, lambda: directory.save_best(architecture("conv_5x5"))),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(owner, "to_disk", no_space)
                with pytest.raises(RunDirectoryError, match=r"cannot be written: No space left on device. Received"):
                    save()
    assert not list(path.rglob("*.tmp"))
    with RunDirectory(path, CONFIG) as directory:
        assert directory.load_state().values["number"] == 1
        assert directory.warnings == []
    assert lines(path) == ['{"child": 1}']
    assert load_architecture(path / "architecture.json") == architecture()


def test_best_architecture_is_written_only_when_it_changes(path):
    with RunDirectory(path, CONFIG) as directory:
        directory.save_best(architecture())
        first = (path / "architecture.json").stat()
        directory.save_best(architecture())
        assert (path / "architecture.json").stat() == first
        directory.save_best(architecture("conv_5x5"))
    assert load_architecture(path / "architecture.json") == architecture("conv_5x5")


def test_other_settings_are_refused_with_both_values(path):
    with RunDirectory(path, CONFIG) as directory:
        add(directory, 1)
    other = RunConfig(search=SearchConfig(k=3), child=ChildConfig(l2=0.1), space=SpaceConfig(operations=("conv_3x3",)))
    with pytest.raises(RunDirectoryError) as caught:
        RunDirectory(path, other)
    _, *differing, _ = str(caught.value).splitlines()
    assert differing == [
        "  --operations: the default there, conv_3x3 now",
        "  --l2: 0.00025 there, 0.1 now",
        "  --k: 25 there, 3 now",
    ]
    with RunDirectory(path, CONFIG):
        pass  # and nothing was changed


def test_another_way_to_write_the_place_of_the_data_is_the_same_setting(path, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "others").mkdir()
    monkeypatch.chdir(tmp_path)
    with RunDirectory(path, RunConfig(data=DataConfig(dataset="photos"))) as directory:
        add(directory, 1)
    for name in ("photos/", str(tmp_path / "photos")):
        with RunDirectory(path, RunConfig(data=DataConfig(dataset=name))):
            pass
    with pytest.raises(RunDirectoryError, match="--dataset: photos there, others now"):
        RunDirectory(path, RunConfig(data=DataConfig(dataset="others")))


def test_run_without_a_child_takes_other_settings(path):
    with RunDirectory(path, CONFIG):
        pass
    other = RunConfig(search=SearchConfig(k=3))
    with RunDirectory(path, other):
        pass
    assert json.loads((path / "config.json").read_text())["settings"]["k"] == 3


def test_children_without_any_state_are_not_thrown_away(path):
    with RunDirectory(path, CONFIG) as directory:
        add(directory, 1, 2)
    shutil.rmtree(path / "state")
    before = (path / "trials.jsonl").read_bytes()
    with (
        RunDirectory(path, CONFIG) as directory,
        pytest.raises(StateError, match=r"do not belong together.*expected 0"),
    ):
        directory.load_state()
    assert (path / "trials.jsonl").read_bytes() == before


def test_other_versions_are_a_warning(path):
    with RunDirectory(path, CONFIG) as directory:
        add(directory, 1)
    document = json.loads((path / "config.json").read_text())
    document["versions"]["numpy"] = "1.0"
    (path / "config.json").write_text(json.dumps(document))
    with RunDirectory(path, CONFIG) as directory:
        (warning,) = directory.warnings
    assert f"numpy 1.0 then, {np.__version__} now" in warning


def _open_and_report(path, queue):
    try:
        with RunDirectory(path, CONFIG):
            queue.put("opened")
    except RunDirectoryError as error:
        queue.put(str(error))


def test_one_process_at_a_time(path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    answers = []
    directory = RunDirectory(path, CONFIG)
    for _ in range(2):
        process = context.Process(target=_open_and_report, args=(path, queue))
        process.start()
        answers.append(queue.get(timeout=60))
        process.join()
        directory.close()
    assert answers[0] == f"Another process is running in {path}. Wait for it, or give another --run_dir."
    assert answers[1] == "opened"


def test_foreign_directory_is_refused_and_left_alone(path):
    path.mkdir()
    (path / "photo.png").write_bytes(b"")
    with pytest.raises(RunDirectoryError, match=r"not the directory of a run.* Received: photo.png"):
        RunDirectory(path, CONFIG)
    assert [file.name for file in path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(
    ("kind", "folder", "message"),
    [
        (RunDirectory, "final", "`run_dir` must be another folder than the final training's"),
        (RunDirectory, "rank", "`run_dir` must be another folder than the comparison's"),
        (RunDirectory, "compare", "`run_dir` must be another folder than epnas-compare's"),
        (RankDirectory, "final", "`rank_dir` must be another folder than the final training's"),
        (functools.partial(TrainingDirectory, architectures=("a",)), "rank", "`final_dir` must be .* the comparison's"),
    ],
)
def test_a_run_s_folder_is_left_to_the_work_that_it_is_for(path, kind, folder, message):
    with RunDirectory(path, CONFIG), pytest.raises(ConfigError, match=rf"{message}. Received: .*{folder}"):
        kind(path / "sub" / ".." / folder, CONFIG)
    assert not (path / folder).exists()


def test_a_folder_beside_settings_of_something_else_may_have_any_name(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with RunDirectory(tmp_path / "final", CONFIG):
        pass


def test_directory_of_a_run_that_was_killed_in_its_first_instant_is_taken(path):
    (path / "state").mkdir(parents=True)
    (path / "state" / "lock").write_text("")
    (path / "config.json.tmp").write_text('{"form')
    with RunDirectory(path, CONFIG):
        pass
    assert read_config(path) == CONFIG
    assert not (path / "config.json.tmp").exists()


def test_run_that_fails_before_its_first_child_leaves_nothing(path):
    with contextlib.suppress(DataError), RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        raise DataError("wrong data")
    assert not path.exists()


def test_run_that_fails_after_a_child_keeps_everything(path):
    with contextlib.suppress(DataError), RunDirectory(path, CONFIG) as directory:
        directory.load_state()
        add(directory, 1)
        raise DataError("wrong data")
    with RunDirectory(path, CONFIG) as directory:
        assert directory.load_state().number == 1


def test_place_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunDirectoryError, match="cannot be written"):
            RunDirectory(path, CONFIG)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": 0}, "`k` must be at least 1"),
        ({"k": "many"}, "a setting that is not allowed"),
        ({"plugins": ["no_such_module"]}, "no_such_module"),
    ],
)
def test_settings_that_are_not_allowed_are_reported(path, settings, words):
    path.mkdir()
    document = {"format": "epnas_tf.run", "version": 1, "settings": settings, "places": {}, "versions": {}}
    (path / "config.json").write_text(json.dumps(document))
    with pytest.raises(RunDirectoryError, match=words):
        read_config(path)


def test_directory_without_a_run_has_no_settings_to_read(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"which holds no config\.json"):
        read_config(tmp_path)
