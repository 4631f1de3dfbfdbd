import json
import time

import numpy as np
import pytest

from epnas_tf.errors import DataError
from epnas_tf.evaluation.classifier import Classifier
from epnas_tf.evaluation.latency import FEWEST_CALLS, WARM_UP_CALLS, device_name, measure_latency
from epnas_tf.evaluation.models import load_classifier

MILLISECONDS_PER_IMAGE = 2
SLOW_START = 30


class Sleeper(Classifier):
    """Takes a known time an image, and longer the first time it sees a batch size."""

    def __init__(self):
        super().__init__((4, 4, 1), 2)
        self.sizes = []

    @property
    def on_gpu(self):
        return False

    def run(self, images):
        first = len(images) not in self.sizes
        self.sizes.append(len(images))
        time.sleep((MILLISECONDS_PER_IMAGE * len(images) + SLOW_START * first) / 1000)
        return np.full((len(images), 2), 0.5, np.float32)


def test_times_are_those_of_a_call_without_its_slow_start():
    sleeper = Sleeper()
    latency = measure_latency(sleeper, np.zeros((3, 4, 4, 1), np.uint8), batch_sizes=(1, 8), seconds=0.1)
    assert [batch.batch_size for batch in latency.batches] == [1, 8]
    for batch in latency.batches:
        expected = MILLISECONDS_PER_IMAGE * batch.batch_size
        assert expected <= batch.median_ms < expected + SLOW_START / 2
        assert batch.median_ms <= batch.percentile_90_ms
        assert batch.calls >= FEWEST_CALLS
        assert sleeper.sizes.count(batch.batch_size) == batch.calls + WARM_UP_CALLS
        assert batch.images_per_second == pytest.approx(1000 * batch.batch_size / batch.median_ms)


def test_some_calls_are_timed_however_long_one_takes():
    latency = measure_latency(Sleeper(), np.zeros((1, 4, 4, 1), np.uint8), batch_sizes=(2,), seconds=0)
    assert latency.batches[0].calls == FEWEST_CALLS


def test_real_model_is_timed_on_the_device_that_it_runs_on(plain, digits):
    classifier = load_classifier(plain.folder / "model.tflite")
    latency = measure_latency(classifier, digits.test.images, seconds=0.05)
    assert latency.device == device_name(on_gpu=False)
    document = json.loads(json.dumps(latency.to_dict()))
    assert [batch["batch_size"] for batch in document["batches"]] == [1, 64]
    assert all(batch["images_per_second"] > 0 for batch in document["batches"])


def test_device_is_named_with_the_cores_in_use():
    name, cores = device_name(on_gpu=False).rsplit(", ", 1)
    assert name
    assert cores.split()[0].isdecimal()


def test_nothing_to_time_is_refused():
    with pytest.raises(DataError, match="Received: 0 images"):
        measure_latency(Sleeper(), np.zeros((0, 4, 4, 1), np.uint8))
    with pytest.raises(DataError, match="batch_sizes=\\(0,\\)"):
        measure_latency(Sleeper(), np.zeros((1, 4, 4, 1), np.uint8), batch_sizes=(0,))
