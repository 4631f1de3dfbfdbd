"""Image files and image sizes, by Pillow, which is imported when it is first needed."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 turn the picture by a quarter
_ROTATED = (5, 6, 7, 8)


def fit(picture: "Image", side: int) -> "Image":
    """Brings a picture to a square: scaled so that the shorter side fits, then cut to the centre.

    Args:
        picture: a picture of any size, 8 bits a channel.
        side: pixels a side.
    """
    from PIL import Image, ImageOps

    if picture.size == (side, side):
        return picture
    return ImageOps.fit(picture, (side, side), method=Image.Resampling.BILINEAR)


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
    return np.asarray(fit(picture, side)).reshape(side, side, image.shape[2])


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


def decode(path: Path, channels: int, side: int) -> npt.NDArray[np.uint8]:
    """Decodes an image file; of an animation the first picture.

    Args:
        path: an image file.
        channels: 1 for grey, 3 for red, green and blue. Transparent parts show white.
        side: pixels a side to bring the image to; 0 keeps its size.

    Returns:
        uint8 [height, width, channels].

    Raises:
        DataError: if the file is not an image, or is cut short.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I"):  # 16 bits: Pillow's own conversion clips them instead of scaling
                picture = Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            picture = picture.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # Pillow's decoders raise nearly anything on broken input
        raise _broken(path, error) from error
    if side:
        picture = fit(picture, side)
    return np.asarray(picture).reshape(picture.height, picture.width, channels)


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(
        f"Every image file must hold a whole image. Received: {path}, which cannot be read ({error}). "
        "Replace the file or delete it."
    )
