"""Image files that are decoded once; the cache of `epnas_tf.data.decoded` under them, with real processes."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import epnas_tf
from epnas_tf import data
from epnas_tf.config import DataConfig
from epnas_tf.data import TrainingPipeline, decoded, evaluation_batches, progress
from epnas_tf.data.loading import with_all_training_images
from epnas_tf.data.pixels import StoredPixels
from epnas_tf.data.sources import decoding, folder, pictures
from epnas_tf.data.sources.reader import Reader
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError
from epnas_tf.storage.records import read_records
from tests.bin import runs
from tests.data.sources.image_files import fill, pixels, read, save

FIELDS = ("name", "class_names", "value_range", "deep", "skipped")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, in which two image files are already many."""
    monkeypatch.setenv("EPNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(decoding, "FEWEST_KEPT", 2)
    return tmp_path / "cache"


@pytest.fixture
def in_files(monkeypatch):
    """No image fits into memory."""
    for module in (decoding, folder):
        monkeypatch.setattr(module, "IN_MEMORY", 0)


@pytest.fixture
def photos(tmp_path):
    """Training, validation and test images, one deep, one broken, one of one colour, two alike."""
    root = tmp_path / "photos"
    for part, counts in (("train", {"a": 9, "b": 8}), ("val", {"a": 2, "b": 3}), ("test", {"b": 2, "a": 2})):
        fill(root / part, counts, (6, 9, 3))
    save(root / "train" / "a" / "deep.png", np.linspace(0, 65535, 54).reshape(6, 9).astype(np.uint16))
    save(root / "val" / "a" / "one.png", np.full((6, 9, 3), 50, np.uint8))
    save(root / "test" / "b" / "twice.png", pixels(100, (6, 9, 3)))
    (root / "train" / "b" / "broken.png").write_bytes((root / "train" / "b" / "000.png").read_bytes()[:90])
    return root


def same(one, other):
    """Compares two sources but for the note on the cache."""
    for field in FIELDS:
        assert getattr(one, field) == getattr(other, field)
    kept = [[note for note in source.notes if "decoded images" not in note] for source in (one, other)]
    assert kept[0] == kept[1]
    for part in ("train", "validation", "test"):
        for name in ("images", "labels"):
            np.testing.assert_array_equal(*(np.asarray(getattr(getattr(each, part), name)) for each in (one, other)))


def no_file(path):
    raise AssertionError(f"{path} was opened")


def test_a_later_run_opens_no_image_file(photos, cache, monkeypatch):
    monkeypatch.setenv("EPNAS_CACHE", "off")
    plain = read(photos, skip_broken=True)
    assert not any("decoded images" in note for note in plain.notes)
    monkeypatch.setenv("EPNAS_CACHE", str(cache))
    first = read(photos, skip_broken=True)
    monkeypatch.setattr(pictures, "probe", no_file)
    second = read(photos, skip_broken=True)
    same(plain, first)
    same(plain, second)
    assert plain.skipped
    assert first.notes == second.notes
    assert first.notes[-1].startswith(f"decoded images are kept for later runs, 0.0 MB in {cache}; epnas-cache lists")
    with pytest.raises(DataError, match="1 of 30 files that cannot be read"):  # as without the cache
        read(photos)


@pytest.mark.usefixtures("in_files")
def test_images_beyond_the_budget_stay_in_a_file_and_give_the_same_batches(photos, cache, monkeypatch):
    config = DataConfig(dataset=str(photos), skip_broken=True, augmentation="crop(1),mirror")
    stored = data.load(config, seed=3)
    monkeypatch.setattr(folder, "IN_MEMORY", 10**9)
    plain = data.load(config, seed=3)
    assert isinstance(plain.train.images, np.ndarray)
    for each, other in ((stored, plain), (with_all_training_images(stored), with_all_training_images(plain))):
        assert all(isinstance(part.images, StoredPixels) for part in (each.train, each.validation, each.test))
        assert each.digest == other.digest
        np.testing.assert_array_equal(each.mean, other.mean)
        batches = [list(TrainingPipeline(images, 4, epochs=2).batches(7)) for images in (each, other)]
        batches += [list(evaluation_batches(images.train, images.mean, images.std, 4)) for images in (each, other)]
        for (images, labels), (others, other_labels) in zip(
            batches[0] + batches[2], batches[1] + batches[3], strict=True
        ):
            np.testing.assert_array_equal(images, others)
            np.testing.assert_array_equal(labels, other_labels)


def test_an_entry_is_of_these_files_and_this_decoding(photos, cache):
    (photos / "train" / "b" / "broken.png").unlink()
    before = read(photos)
    assert len(decoded.entries(cache)) == 1
    read(photos, image_size=4)  # another size
    assert len(decoded.entries(cache)) == 2
    moved = photos.rename(photos.parent / "moved")
    same(dataclasses.replace(read(moved), name="photos"), before)
    changed = moved / "train" / "a" / "000.png"
    save(changed, pixels(999, (6, 9, 3)))
    after = read(moved)
    assert not np.array_equal(before.train.images[0], after.train.images[0])
    changed.unlink()
    assert len(read(moved).train) == len(after.train) - 1


def test_what_is_out_of_date_is_removed(photos, cache):
    read(photos, skip_broken=True)
    read(photos, skip_broken=True, image_size=4)
    for seed in range(3):
        save(photos / "train" / "a" / "000.png", pixels(seed, (6, 9, 3)))
        read(photos, skip_broken=True)
        assert sorted(entry.shape[1:] for entry in decoded.entries(cache)) == [(4, 4, 3), (6, 9, 3)]


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, cache):
    """As of files without compression, from an archive with fixed times."""
    for name in ("one", "other"):
        for index in range(6):
            save(tmp_path / name / "ab"[index % 2] / f"{index}.bmp", pixels(index + len(name), (6, 6, 3)))
            os.utime(tmp_path / name / "ab"[index % 2] / f"{index}.bmp", (0, 0))
    one, other = read(tmp_path / "one"), read(tmp_path / "other")
    assert not np.array_equal(one.train.images, other.train.images)
    file = tmp_path / "one" / "a" / "0.bmp"
    content = bytearray(file.read_bytes())
    content[-20:-10] = bytes(10)
    file.write_bytes(content)
    os.utime(file, (0, 0))
    assert not np.array_equal(read(tmp_path / "one").train.images, one.train.images)


def test_the_size_that_was_chosen_is_found_when_it_is_asked_for(photos, cache, monkeypatch):
    """As by an evaluation, which asks for the size of the model."""
    plain = read(photos, skip_broken=True)
    monkeypatch.setattr(pictures, "probe", no_file)
    found = folder.read(DataConfig(dataset=str(photos), skip_broken=True), Preparation(6, 9, 3, deep=False))
    same(plain, found)
    assert len(decoded.entries(cache)) == 1
    assert decoded.remove(decoded.entries(cache)[0])
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("name", ["images.npy", "source.json"])
@pytest.mark.parametrize("content", [None, b"", b"PK\3\4", b"{}", b"null"])
def test_an_entry_that_is_broken_is_made_anew(photos, cache, name, content):
    plain = read(photos, skip_broken=True)
    (entry,) = decoded.entries(cache)
    if content is None:
        os.truncate(entry.path / name, (entry.path / name).stat().st_size // 2)
    else:
        (entry.path / name).write_bytes(content)
    same(read(photos, skip_broken=True), plain)
    (mended,) = decoded.entries(cache)
    assert mended.shape == entry.shape


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda cache, patch: cache.write_text("no folder"), "is no folder"),
        (
            lambda cache, patch: patch.setattr(decoded, "MARGIN", 10**18),
            "MB are needed there, with .* MB to spare",
        ),
    ],
)
def test_where_nothing_can_be_kept_images_are_decoded_to_memory(photos, cache, monkeypatch, break_it, reason):
    break_it(cache, monkeypatch)
    source = read(photos, skip_broken=True)
    assert re.search(reason, source.notes[-1])
    assert source.notes[-1].startswith(f"decoded images are not kept for later runs: {cache}")
    assert isinstance(source.train.images, np.ndarray)
    assert not cache.is_dir() or not decoded.entries(cache)


def test_images_that_fit_neither_memory_nor_a_file_are_refused(photos, cache, monkeypatch):
    cache.write_text("no folder")
    monkeypatch.setattr("epnas_tf.data.sources.base.available_bytes", lambda: 100)
    with pytest.raises(DataError, match=r"must fit into memory.*Or make room for them in a file.*is no folder"):
        read(photos, skip_broken=True)


def test_an_entry_of_another_person_is_read(photos, cache, monkeypatch):
    plain = read(photos, skip_broken=True)

    def refused(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refused)
    monkeypatch.setattr(pictures, "probe", no_file)
    same(read(photos, skip_broken=True), plain)


def test_a_cache_that_is_removed_while_images_are_decoded_is_not_missed(photos, cache, monkeypatch):
    monkeypatch.setenv("EPNAS_CACHE", "off")
    plain = read(photos, skip_broken=True)
    monkeypatch.setenv("EPNAS_CACHE", str(cache))
    kinds = Reader._kinds

    def removed(self):
        shutil.rmtree(cache)
        return kinds(self)

    monkeypatch.setattr(Reader, "_kinds", removed)  # all images are written
    source = read(photos, skip_broken=True)
    same(source, plain)
    assert source.notes[-1].startswith(f"decoded images are not kept for later runs: {cache}: No such file")


def test_only_folders_of_its_own_are_listed_and_removed(photos, cache):
    for name in ("Documents", ".ssh", "0" * 31, "0" * 33, "0" * 32 + ".lock"):
        (cache / name).mkdir(parents=True)
        (cache / name / "file").write_text("precious")
    (cache / ("1" * 32)).symlink_to(cache / "Documents")
    read(photos, skip_broken=True)
    (entry,) = decoded.entries(cache)
    result = runs.call((sys.executable, "-m", "epnas_tf.bin.cache"), "--clear")
    assert "1 of 1" in result.stdout
    assert not decoded.remove(entry) or not entry.path.exists()  # twice does no harm
    assert len(list(cache.glob("*/file"))) == 6  # one of them by the link


def test_few_images_leave_nothing_behind(photos, cache, monkeypatch):
    monkeypatch.setattr(decoding, "FEWEST_KEPT", 1000)
    assert not any("decoded images" in note for note in read(photos, skip_broken=True).notes)
    assert list(cache.iterdir()) == []


def test_an_error_while_decoding_leaves_nothing(photos, cache, monkeypatch):
    def fails(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Reader, "_kinds", fails)  # all images are written
    with pytest.raises(KeyboardInterrupt):
        read(photos, skip_broken=True)
    assert list(cache.iterdir()) == []


KEEPER = """
import sys, time
from epnas_tf.config import DataConfig
from epnas_tf.data import progress, sources
from epnas_tf.data.sources import decoding, pictures
decoding.FEWEST_KEPT = 2
progress.tell = lambda text: print(text, flush=True)
decode = pictures.decode

def slow(path, preparation):
    print("decoding", flush=True)
    time.sleep(float(sys.argv[2]))
    return decode(path, preparation)

pictures.decode = slow
sources.read(DataConfig(dataset=sys.argv[1], skip_broken=True))
"""


def keeper(photos, seconds):
    command = [sys.executable, "-c", KEEPER, str(photos), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=runs.environment())


def test_a_killed_process_leaves_no_entry_and_the_next_one_cleans_up(photos, cache):
    process = keeper(photos, 60)
    assert process.stdout.readline().startswith("decoding")
    (unfinished,) = decoded.entries(cache)
    assert unfinished.shape == ()
    assert not decoded.remove(unfinished)  # it is just being written
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert [entry.path for entry in decoded.entries(cache)] == [unfinished.path]
    fill(cache.parent / "others", {"a": 2, "b": 2}, (6, 9, 3))
    read(cache.parent / "others")  # any run cleans up
    (entry,) = decoded.entries(cache)
    assert entry.shape == (4, 6, 9, 3)
    read(photos, skip_broken=True)
    for entry in decoded.entries(cache):
        assert decoded.remove(entry)
    assert list(cache.iterdir()) == []


def test_a_second_process_waits_and_decodes_nothing(photos, cache):
    first = keeper(photos, 0.2)
    assert first.stdout.readline().startswith("decoding")
    second = keeper(photos, 0)
    lines = [process.communicate(timeout=runs.LIMIT_SECONDS)[0].splitlines() for process in (first, second)]
    assert first.returncode == second.returncode == 0
    assert lines[1] == [f"another process decodes these images; waiting for it ({lines[1][0].partition('(')[2]}"]
    assert len(decoded.entries(cache)) == 1


def test_the_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for value, expected in (
        ("", tmp_path / ".cache" / "epnas_tf"),
        ("~/mine", tmp_path / "mine"),
        ("near", Path.cwd() / "near"),
        ("off", None),
        ("OFF", None),
    ):
        monkeypatch.setenv("EPNAS_CACHE", value)
        assert decoded.folder() == expected
    monkeypatch.setenv("EPNAS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert decoded.folder() == tmp_path / "xdg" / "epnas_tf"


def test_the_command_lists_and_removes(photos, cache):
    command = (sys.executable, "-m", "epnas_tf.bin.cache")
    assert runs.call(command).stdout == f"Nothing is kept in {cache}.\n"
    read(photos, skip_broken=True)
    listed = runs.call(command, COLUMNS="200")
    assert listed.returncode == 0
    assert str(photos) in listed.stdout
    assert listed.stdout.splitlines()[1].split()[-3:] == ["30", "6×9×3", "0.0"]
    (entry,) = decoded.entries(cache)
    os.utime(entry.path / "source.json", (0, time.time() - 40 * 24 * 60 * 60))
    assert "Nothing so old" in runs.call(command, "--clear", "--unused_days=41").stdout
    assert runs.call(command, "--clear", "--unused_days=39").stdout == f"Removed from {cache}: 1 of 1, 0.0 MB.\n"
    assert decoded.entries(cache) == []
    refused = runs.call(command, EPNAS_CACHE=str(photos / "train" / "a" / "000.png"))
    assert "000.png, which is no folder" in " ".join(refused.stderr.split())
    assert refused.returncode == 1
    assert runs.call(command, EPNAS_CACHE="off").stdout == "No decoded images are kept: EPNAS_CACHE=off.\n"


def test_what_is_kept_can_be_read_by_numpy(photos, cache):
    source = read(photos, skip_broken=True)
    (entry,) = decoded.entries(cache)
    images = np.load(entry.path / "images.npy")
    values = json.loads((entry.path / "source.json").read_text())
    assert values["made_from"] == str(photos)
    assert cache.stat().st_mode & 0o777 == 0o700  # of nobody else: images may be private
    np.testing.assert_array_equal(images[: len(source.train)], source.train.images)


def test_who_waits_is_told(monkeypatch):
    progress.announce("nobody listens")
    said = []
    monkeypatch.setattr(progress, "tell", said.append)
    progress.announce("wait")
    assert said == ["wait"]


def test_a_run_on_images_in_a_file_gives_the_same(photos, cache, tmp_path, monkeypatch):
    data_config = DataConfig(dataset=str(photos), skip_broken=True)
    space = epnas_tf.SpaceConfig(layers=1, operations=("conv_3x3", "max_pool_3x3"))
    config = epnas_tf.RunConfig(
        space,
        epnas_tf.NetworkConfig(channels=4),
        child=epnas_tf.ChildConfig(epochs=1, batch_size=4),
        search=epnas_tf.SearchConfig(k=1, iterations=1),
        data=data_config,
    )
    outcomes = []
    for number, budget in enumerate((10**9, 0)):
        for module in (decoding, folder):
            monkeypatch.setattr(module, "IN_MEMORY", budget)
        run = tmp_path / f"run{number}"
        epnas_tf.run_search(config, run)
        recipe = epnas_tf.training_config(run, channels=4, epochs=1, batch_size=4)
        trained = epnas_tf.train_final(run, recipe)
        evaluated = epnas_tf.evaluate(run, split="all", views="mirror")
        scores = [trial["score"] for trial in read_records(run / "trials.jsonl")]
        outcomes.append((scores, trained.metrics.loss, evaluated.metrics.loss))
    assert outcomes[0] == outcomes[1]
