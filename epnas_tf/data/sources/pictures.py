"""Image files and image sizes, by Pillow, which is imported when it is first needed."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 turn the picture by a quarter
_ROTATED = (5, 6, 7, 8)

REDUCED_MARGIN = 4
"""How many times as large as needed a JPEG file is decoded at least, where its format lets it be decoded smaller."""


def fit(picture: "Image", width: int, height: int) -> "Image":
    """Brings a picture to a size: scaled until it just covers it (bilinear), then cut to the centre.

    Args:
        picture: a picture of any size, 8 bits a channel.
        width: pixels.
        height: pixels.
    """
    from PIL import Image, ImageOps

    if picture.size == (width, height):
        return picture
    return ImageOps.fit(picture, (width, height), method=Image.Resampling.BILINEAR)


def resize(images: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Brings images to squares, as `fit` does.

    Args:
        images: uint8 [n, height, width, channels], 1 or 3 channels.
        side: pixels a side.

    Returns:
        uint8 [n, side, side, channels].
    """
    resized = np.empty((len(images), side, side, images.shape[3]), np.uint8)
    for index, image in enumerate(images):
        resized[index] = resize_one(image, side)
    return resized


def resize_one(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Brings one image, uint8 [height, width, 1 or 3], to uint8 [side, side, channels], as `fit` does."""
    from PIL import Image

    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    return np.asarray(fit(picture, side, side)).reshape(side, side, image.shape[2])


def probe(path: Path) -> tuple[int, int, bool]:
    """Reads height, width and whether the picture is grey from a file's header, without decoding it.

    Args:
        path: an image file.

    Raises:
        DataError: if the file is not an image.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if picture.getexif().get(_ORIENTATION) in _ROTATED:
                width, height = height, width
            return height, width, picture.mode in _GREY_MODES
    except Exception as error:  # Pillow's decoders raise nearly anything on broken input
        raise _broken(path, error) from error


def decode(file: Path | BinaryIO, preparation: Preparation) -> npt.NDArray[np.uint8]:
    """Decodes an image file, in the one way for all images that a network sees; of an animation the first picture.

    A JPEG file is decoded at a half, a quarter or an eighth of its size as long as that is `REDUCED_MARGIN` times as
    large as needed. Then, in this order: turned as its EXIF orientation says, brought to 8 bits, laid on white where it
    is transparent, made grey or coloured, brought to the size (`fit`).

    Args:
        file: an image file, or its content.
        preparation: the size, the channels, and the values of files of more than 8 bits.

    Returns:
        uint8 [height, width, channels].

    Raises:
        DataError: if the file is not an image, or is cut short.
    """
    from PIL import Image, ImageOps

    height, width = preparation.height, preparation.width
    try:
        with Image.open(file) as opened:
            enough = REDUCED_MARGIN * max(height, width)
            opened.draft(None, (enough, enough))  # for a JPEG alone; keeps at least that size
            picture = _to_8_bits(ImageOps.exif_transpose(opened), preparation)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            picture = fit(picture.convert("L" if preparation.channels == 1 else "RGB"), width, height)
    except Exception as error:  # Pillow's decoders raise nearly anything on broken input
        raise _broken(file, error) from error
    return np.asarray(picture).reshape(height, width, preparation.channels)


def _to_8_bits(picture: "Image", preparation: Preparation) -> "Image":
    """Brings a picture of 16 bits or of floats to 8: Pillow's own conversion would clip its values."""
    from PIL import Image

    if not picture.mode.startswith(("I", "F")):
        return picture
    values = (np.asarray(picture, np.float64) - preparation.low) / (preparation.high - preparation.low)
    return Image.fromarray(np.rint(255 * values.clip(0, 1)).astype(np.uint8))


def _broken(path: Path | BinaryIO, error: Exception) -> DataError:
    return DataError(
        f"Every image file must hold a whole image. Received: {path}, which cannot be read ({error}). "
        "Replace the file or delete it."
    )
