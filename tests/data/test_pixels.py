import gc
import os
from pathlib import Path

import numpy as np
import pytest

from epnas_tf.data import pixels
from epnas_tf.data.pixels import StoredPixels, chunks, joined, spanned, taken
from epnas_tf.errors import DataError
from tests.data.helpers import make_images

IMAGES = make_images(20, (4, 5, 3)).images


@pytest.fixture
def file(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    return tmp_path / "images.npy"


@pytest.mark.parametrize(
    "index",
    [
        3,
        -1,
        slice(None),
        slice(2, 9),
        slice(15, 40),
        slice(None, None, -3),
        [4, 5, 6, 2, 2, 19, -1],
        [],
        [[1, 2], [9, 0]],
    ],
)
def test_an_index_gives_what_that_of_an_array_does(file, index):
    index = np.array(index, np.int64) if isinstance(index, list) else index
    found = StoredPixels(file)[index]
    assert type(found) is np.ndarray
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, IMAGES[index])


def test_it_has_the_form_of_an_array(file):
    stored = StoredPixels(file)
    assert (stored.shape, stored.dtype, stored.ndim, len(stored)) == (IMAGES.shape, np.uint8, 4, 20)
    np.testing.assert_array_equal(np.asarray(stored), IMAGES)
    np.testing.assert_array_equal(np.asarray(stored, np.float32), IMAGES.astype(np.float32))
    with pytest.raises(IndexError):
        stored[20]


@pytest.mark.parametrize("kind", [StoredPixels, np.load])
def test_parts_are_taken_and_joined_alike_in_memory_and_in_a_file(file, kind):
    images = kind(file)
    some, rest = taken(images, np.array([7, 3, 3])), spanned(images, 10, 13)
    assert type(some) is type(rest) is type(images)
    both = joined(some, rest)
    assert type(both) is type(images)
    np.testing.assert_array_equal(both[:], IMAGES[[7, 3, 3, 10, 11, 12]])
    np.testing.assert_array_equal(taken(both, np.array([4, 0]))[:], IMAGES[[11, 7]])


@pytest.mark.parametrize("size", [(2, 1), (2, 240), (6, 1)])  # 240 bytes are four images
def test_chunks_are_all_images_in_their_order(file, monkeypatch, size):
    monkeypatch.setattr(pixels, "FEWEST", size[0])
    monkeypatch.setattr(pixels, "CHUNK", size[1])
    found = list(chunks(StoredPixels(file)))
    assert {len(chunk) for chunk in found[:-1]} == {max(size[0], size[1] // 60)}
    np.testing.assert_array_equal(np.concatenate(found), IMAGES)


def test_a_file_of_another_form_is_refused(tmp_path):
    for wrong in (IMAGES.astype(np.int16), IMAGES[0], np.asfortranarray(IMAGES)):
        np.save(tmp_path / "wrong.npy", wrong)
        with pytest.raises(ValueError, match="must hold uint8 images"):
            StoredPixels(tmp_path / "wrong.npy")


def test_a_file_that_is_cut_short_meanwhile_is_an_error_not_the_end_of_the_process(file):
    stored = StoredPixels(file)
    os.truncate(file, file.stat().st_size - 100)
    np.testing.assert_array_equal(stored[0], IMAGES[0])
    with pytest.raises(DataError, match="must hold all of them"):
        stored[19]


def test_a_removed_file_can_be_read_until_nothing_refers_to_it(file):
    stored = StoredPixels(file)
    part = stored.take(np.array([5]))
    file.unlink()
    del stored
    np.testing.assert_array_equal(part[0], IMAGES[5])
    del part
    gc.collect()
    open_files = [link.readlink() for link in Path("/proc/self/fd").iterdir() if os.path.lexists(link)]
    assert not [path for path in open_files if str(file) in str(path)]
