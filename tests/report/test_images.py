import base64
import io

import numpy as np
import pytest
from PIL import Image

from epnas_tf.report.images import LARGEST_SIDE, data_uri, examples
from epnas_tf.report.training_files import Predictions


def opened(uri):
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_every_pixel(channels):
    image = np.random.default_rng(0).integers(0, 256, (7, 9, channels), np.uint8)
    np.testing.assert_array_equal(opened(data_uri(image)).reshape(image.shape), image)


def test_large_images_are_made_smaller():
    assert opened(data_uri(np.zeros((400, 200, 3), np.uint8))).shape == (LARGEST_SIDE, LARGEST_SIDE // 2, 3)


def test_examples_say_what_was_taken_for_what():
    labels = np.array([0, 1, 1], np.int32)
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.25, 0.75]], np.float32)
    image = np.zeros((1, 4, 4, 1), np.uint8)
    predictions = Predictions(labels, probabilities, right=(np.array([2]), image), wrong=(np.array([1]), image))
    (right,), (wrong,) = (examples(predictions, ("cat", "dog\x00"), right=part) for part in (True, False))
    assert (right.true, right.predicted, right.probability) == ("dog\ufffd", "dog\ufffd", "75 %")
    assert (wrong.true, wrong.predicted, wrong.probability) == ("dog\ufffd", "cat", "80 %")
