"""A folder of photographs, decoded by three competitors."""

import numpy as np
import pytest

from benchmarks.competitors.decoding import by_epnas_tf, by_pillow, by_tf_data, files_of, fresh_cache, make_photos
from epnas_tf.data import decoded
from epnas_tf.data.sources import decoding
from tests.bin.runs import benchmark


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    make_photos(folder, 40, (160, 120))
    return folder


def test_all_give_the_same_images_in_the_same_order(folder):
    ours = by_epnas_tf(folder, 32)
    assert ours.shape == (40, 32, 32, 3)
    assert [file.name for file in files_of(folder)[:5]] == [f"{n:06d}.jpg" for n in (0, 10, 20, 30, 1)]
    np.testing.assert_array_equal(ours, by_pillow(folder, 32))
    off = np.abs(ours.astype(float) - by_tf_data(folder, 32))
    assert off.mean() < 1  # of 255, where other images are 50 apart


def test_a_cache_is_empty_each_time_and_filled(folder, monkeypatch):
    monkeypatch.setattr(decoding, "FEWEST_KEPT", 40)
    for _ in range(2):
        with fresh_cache() as cache:
            assert decoded.entries(cache) == []
            by_epnas_tf(folder, 16)
            assert [entry.shape for entry in decoded.entries(cache)] == [(40, 16, 16, 3)]
        assert not cache.exists()


def test_rates_and_ratios_are_shown():
    shown = benchmark("decoding", "--images=20", "--turns=1", "--image_size=8", "--width=96").stdout
    assert "20 JPEG files of 96×72 to 8×8" in shown
    rates = {line.rpartition("  ")[0].split("  ")[0]: line.split()[-3:] for line in shown.splitlines()[2:7]}
    ours, theirs = (float(rates[name][0].replace(",", "")) for name in ("epnas_tf", "one thread of Pillow"))
    assert float(rates["epnas_tf / one thread of Pillow"][0]) == pytest.approx(ours / theirs, rel=0.01)
    assert "one thread of Pillow's by 0 and" in shown
