"""Test images as the page shows them: small PNGs inside the page, with what they are and what they were taken for."""

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
        true: the name of its class.
        predicted: the name of the class that the network found most probable.
        probability: that it gave this class, in per cent.
    """

    source: str
    true: str
    predicted: str
    probability: str


def examples(predictions: Predictions, class_names: Sequence[str], right: bool) -> list[Example]:
    """Returns the test images that a training kept, of those that it gets right or wrong."""
    indices, images = predictions.right if right else predictions.wrong
    found = []
    for index, image in zip(indices.tolist(), images, strict=True):
        answer = predictions.probabilities[index]
        predicted = int(np.argmax(answer))
        found.append(
            Example(
                source=data_uri(image),
                true=clean(class_names[int(predictions.labels[index])]),
                predicted=clean(class_names[predicted]),
                probability=percent(float(answer[predicted]), 0),
            )
        )
    return found


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """Returns a uint8 image [height, width, channels] as a PNG inside a URI."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
