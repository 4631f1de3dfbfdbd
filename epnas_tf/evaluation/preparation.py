"""The preparation of image files for a model: found beside it, and described in words. No TensorFlow."""

import dataclasses
from typing import Any

from epnas_tf.data.sources.pictures import LUMA, kept_side
from epnas_tf.data.values import Preparation
from epnas_tf.evaluation.classifier import ModelError
from epnas_tf.evaluation.location import EXPORT_FILE, Location
from epnas_tf.storage.data_file import load_description
from epnas_tf.storage.records import from_record

KEY = "preparation"
"""Under which export.json holds it."""


def to_document(preparation: Preparation) -> dict[str, Any]:
    """Converts a preparation to its form in export.json: its numbers and their use."""
    return {**dataclasses.asdict(preparation), "how": describe_preparation(preparation)}


def describe_preparation(preparation: Preparation) -> str:
    """Describes the steps of `epnas_tf.data.sources.pictures.decode` in words, exactly enough to reimplement them."""
    height, width = preparation.height, preparation.width
    grey = "grey, ({} R + {} G + {} B + 32768) >> 16".format(*LUMA)
    colours = "RGB" if preparation.channels == 3 else grey
    untold = "" if preparation.deep else " (a guess, as none was trained on; epnas-predict takes the files' own scale)"
    return (
        "Decode the file; a JPEG at 1/8, 1/4 or 1/2 of its size if both sides stay at least "
        f"{kept_side(preparation)} pixels. Turn it as its EXIF orientation says. In 16-bit grey and float "
        f"files {preparation.low:g} becomes 0 and {preparation.high:g} becomes 255{untold}; values beyond are clipped. "
        "Of other 16-bit files take the upper 8 bits. Lay what is transparent on white. "
        f"Convert to {colours}. Scale until the picture just covers {width}×{height} (width × height), by a triangle "
        "filter as wide as the reduction, which averages all pixels (Pillow's BILINEAR; tf.image.resize skips pixels "
        "unless antialias=True), and cut to the centre. The result is uint8, 0 to 255; the model normalises it."
    )


def find_preparation(location: Location, image_shape: tuple[int, int, int], name: str) -> tuple[Preparation, str]:
    """Finds the preparation of image files for a model.

    Args:
        location: the location of the model.
        image_shape: (height, width, channels) of its input.
        name: its name in error texts.

    Returns:
        The preparation, and the assumption made, "" if it was found in export.json or a run's data.json.

    Raises:
        ModelError: if the one found belongs to another model, or the model takes images of other than 1 or 3 channels.
        RunDirectoryError: if data.json is broken.
    """
    if image_shape[2] not in (1, 3):
        raise ModelError(
            f"Image files are grey or of three colours. Received: {name}, which takes {image_shape[2]} channels. "
            "Use another model."
        )
    found = None
    if location.kind != "checkpoint":
        found = location.exported("say how images are prepared for", _preparation)
    if found is None and location.final is not None:
        found = load_description(location.final).preparation
    if found is None:
        assumed = Preparation(*image_shape)
        return assumed, (
            f"there is no {EXPORT_FILE} with a `{KEY}` beside {name}, so images are brought to its input's "
            f"{image_shape[0]}×{image_shape[1]}×{image_shape[2]} as epnas-search does by default, 16-bit files from "
            f"{assumed.low:g} … {assumed.high:g}; it gets pixels of 0 … 255 and must scale them itself"
        )
    shape = (found.height, found.width, found.channels)
    if shape != image_shape:
        raise ModelError(
            f"The {EXPORT_FILE} or data.json of a model must be its own. Received: {name}, which takes "
            f"{list(image_shape)} (height, width, channels), beside one of {list(shape)}. "
            "Export the model again, or move it away from that file."
        )
    return found, ""


def _preparation(document: dict[str, Any]) -> Preparation | None:
    """Takes the preparation from an export.json; None if it is of an older version."""
    if KEY not in document:
        return None
    return from_record(Preparation, document[KEY], deep=bool(document[KEY].get("deep", True)))
