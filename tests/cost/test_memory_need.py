import dataclasses
import re

import pytest

from epnas_tf.config import ChildConfig, RunConfig
from epnas_tf.cost.memory_need import bytes_needed, forward_bytes, training_bytes
from epnas_tf.cost.workload import DataSize
from epnas_tf.errors import ConfigError
from epnas_tf.options import from_values
from epnas_tf.run import forecast
from epnas_tf.space.graph import IMAGE, Graph

PHOTOS = DataSize(486, 54, (300, 300, 3), 3)


def chain():
    """A stem of 4 channels, two layers with a skip connection around the first, and class scores."""
    graph = Graph()
    graph.add(("stem",), "stem", IMAGE, channels=4)
    graph.add(("a",), "conv_3x3", ("stem",), channels=4)
    graph.add(("b",), "sum", ("stem",), ("a",), channels=4)
    graph.add(("c",), "conv_3x3", ("b",), channels=4, stride=2)
    graph.add(("head",), "pooled_dense", ("c",), channels=2)
    return graph


def test_numbers_that_live_at_once():
    full, half = 8 * 8 * 4, 4 * 4 * 4
    assert training_bytes(chain(), (8, 8, 3)) == 4 * (3 * full + half + 2 + 6 * full)
    # At "b" the stem, "a" and "b" are there; "c" finds "b" alone.
    assert forward_bytes(chain(), (8, 8, 3)) == 4 * 3 * full


def test_numbers_between_the_layers_of_a_block_count():
    graph = Graph()
    graph.add(("stem",), "stem", IMAGE, channels=4)
    graph.add(("a",), "inverted_3x3_e3", ("stem",), channels=8, stride=2)
    graph.add(("b",), "residual_half", ("a",), channels=8)
    graph.add(("head",), "pooled_dense", ("b",), channels=2)
    first = 4 * 4 * 8 + 3 * 4 * (8 * 7 + 4 * 4)  # 12 channels on 8×7 and on 4×4 pixels
    second = 4 * 4 * 8 + 4 * 4 * 4
    assert training_bytes(graph, (8, 7, 3)) == 4 * (8 * 7 * 4 + first + second + 2 + 6 * first)
    assert forward_bytes(graph, (8, 7, 3)) == 4 * (8 * 7 * 4 + first)


def test_need_grows_with_the_batch_the_images_and_those_that_are_validated():
    config = RunConfig()
    one = dataclasses.replace(config, child=ChildConfig(batch_size=1))
    of_batch = bytes_needed(config, PHOTOS, 2) - bytes_needed(one, PHOTOS, 2)
    assert of_batch > 20e9  # 128 images of 300×300 through twelve layers
    small = dataclasses.replace(PHOTOS, image_shape=(32, 32, 3))
    assert bytes_needed(config, small, 2) < 1.5e9
    validated = dataclasses.replace(small, num_validation=5_000)
    assert bytes_needed(config, validated, 2) > bytes_needed(config, small, 2)


def test_memory_that_is_not_there_is_refused_with_flags_that_fit(monkeypatch):
    monkeypatch.setattr(forecast, "available_bytes", lambda: 8_000_000_000)
    with pytest.raises(ConfigError, match=r"needs about \d+ GB of memory .* 8.0 GB are free") as refused:
        forecast.check_memory(RunConfig(), PHOTOS)
    assert "Received: images of 300×300, 128 at a time, networks of 12 levels" in str(refused.value)
    flags = dict(re.findall(r"--(\w+)=(\d+)", str(refused.value)))
    changed = from_values(RunConfig, {name: int(value) for name, value in flags.items()})
    side = int(flags.get("image_size", 300))
    memory = forecast.check_memory(changed, dataclasses.replace(PHOTOS, image_shape=(side, side, 3)))
    assert memory.needed <= memory.available


def test_on_a_gpu_nothing_is_said_of_main_memory(monkeypatch):
    monkeypatch.setattr(forecast.tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    monkeypatch.setattr(forecast, "available_bytes", lambda: 0)
    assert forecast.check_memory(RunConfig(), PHOTOS) is None
