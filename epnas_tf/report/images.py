"""Test images on the page: small embedded PNGs with their true and predicted classes."""

import base64
import dataclasses
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from epnas_tf.report.text import clean, percent
from epnas_tf.report.training_files import Predictions

LARGEST_SIDE = 112
"""Pixels of a larger image's longer side: twice what the page shows, and the page stays small."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One test image.

    Attributes:
        source: its PNG as a data URI.
        true: the name of its true class.
        predicted: the name of the class that the network found most probable.
        probability: the probability of that class, in per cent.
    """

    source: str
    true: str
    predicted: str
    probability: str


def examples(predictions: Predictions, class_names: Sequence[str], right: bool) -> list[Example]:
    """Returns the kept test images that the network classifies correctly, or those that it does not."""
    indices, images = predictions.right if right else predictions.wrong
    names, found = [clean(name) for name in class_names], []
    for index, image in zip(indices.tolist(), images, strict=True):
        answer, true = predictions.probabilities[index], names[predictions.labels[index]]
        probability = percent(float(answer.max()), 0)
        found.append(Example(data_uri(image), true, names[answer.argmax()], probability))
    return found


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """Encodes a uint8 image [height, width, channels] as a PNG in a data URI."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
