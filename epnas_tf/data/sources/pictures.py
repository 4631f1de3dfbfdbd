"""Image files and image sizes, by Pillow, which is imported when it is first needed."""

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from epnas_tf.data import scale
from epnas_tf.data.checks.names import printable
from epnas_tf.data.pixels import Pixels
from epnas_tf.data.values import Preparation
from epnas_tf.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
_DEEP_MODES = ("I", "F")  # and I;16…: more than 8 bits
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 turn the picture by a quarter
_ROTATED = (5, 6, 7, 8)
_TIFF_SIZE = (0x0100, 0x0101)  # TIFF tags: width and height before any turn
_TIFF_PHOTOMETRIC = 0x0106  # TIFF tag: 0 where 0 is white, which Pillow heeds up to 8 bits only

_BY_CONTENT = (
    "PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000", "PPM", "PSD", "QOI", "ICO", "DDS", "SGI",
)  # fmt: skip
"""Formats that Pillow tells by the first bytes; it would take nearly any text for one of some others."""

_NOT_READ = ("BUFR", "EPS", "GRIB", "HDF5", "IM", "IPTC", "MPEG", "PDF", "WMF")
"""Formats that Pillow knows by name, but does not decode by itself, or soon no longer."""

_RAW = (".arw", ".cr2", ".dng", ".erf", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".sr2", ".srw")
"""Cameras' raw files: by their content TIFF files, of which Pillow would read a thumbnail."""

UPPER_BITS = "upper 8 of 16 bits"
"""The depth of a picture of several channels of 16 bits: Pillow gives the upper 8 of each."""

REDUCED_MARGIN = 8
"""How many times as large as needed a JPEG file is decoded at least, where its format lets it be decoded smaller.

With 8, photographs of 24 megapixels differ from those decoded in full by 0.07 to 0.1 of 255 in the mean, at 32, 64 and
224 pixels, and take a fifth to a third of the time; with 4, by up to 0.19.
"""


LUMA = (19595, 38470, 7471)
"""Pillow's shares of red, green and blue in grey, of 65,536: ITU-R 601-2; the sum is rounded by adding 32,768."""


def kept_side(preparation: Preparation) -> int:
    """Pixels that each side of a JPEG file has at least where it is decoded smaller."""
    return REDUCED_MARGIN * max(preparation.height, preparation.width)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file's header says of its picture.

    Attributes:
        height: pixels, once turned as the EXIF orientation says.
        width: pixels, likewise.
        grey: whether it has no colour.
        depth: "8 bits", "16 bits" (whole numbers of more than 8 bits), "float", or `UPPER_BITS`.
        reducible: whether it can be decoded smaller.
        animated: whether the file holds several pictures.
        transparent: whether it may show what lies behind it.
    """

    height: int
    width: int
    grey: bool
    depth: str
    reducible: bool
    animated: bool
    transparent: bool

    def decoded_pixels(self, preparation: Preparation) -> int:
        """How many pixels are in memory while the file is decoded."""
        times = min(self.width, self.height) // kept_side(preparation) if self.reducible else 1
        return self.width * self.height // max(step**2 for step in (1, 2, 4, 8) if step <= max(times, 1))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Pillow's own warnings off the terminal. For the main thread; threads that it starts are quiet, too."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        yield


@functools.cache
def formats() -> Mapping[str, str]:
    """The formats that are read, by extension in lower case, with the dot."""
    from PIL import Image

    extensions: dict[str, str] = Image.registered_extensions()
    return {extension: name for extension, name in extensions.items() if name in Image.OPEN and name not in _NOT_READ}


@functools.cache
def _by_content() -> tuple[str, ...]:
    return tuple(name for name in _BY_CONTENT if name in formats().values())


def is_image(path: Path) -> bool:
    """Whether a file is read as an image: by its extension, or where that is no image's, by its content."""
    extension = path.suffix.lower()
    if extension in formats() or extension in _RAW:
        return extension in formats()
    try:
        with _opened(path):
            return True
    except UnreadableImageError as error:
        from PIL import Image

        return isinstance(error.__cause__, Image.DecompressionBombError)  # an image, if one that will be refused


@contextlib.contextmanager
def _opened(file: Path | BinaryIO) -> Iterator["Image"]:
    """Opens an image file; what goes wrong within the block is told as an `UnreadableImageError`."""
    from PIL import Image

    kinds = [*_by_content(), formats().get(file.suffix.lower(), "PNG")] if isinstance(file, Path) else None
    try:
        with Image.open(file, formats=kinds) as picture:
            yield picture
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on broken input
        raise UnreadableImageError(file, _reason(file, error)) from error


def fit(picture: "Image", width: int, height: int) -> "Image":
    """Brings a picture to a size: scaled until it just covers it (bilinear), then cut to the centre.

    Args:
        picture: a picture of any size, 8 bits a channel.
        width: pixels.
        height: pixels.
    """
    from PIL import Image, ImageOps

    return ImageOps.fit(picture, (width, height), method=Image.Resampling.BILINEAR)


def resize(images: Pixels, height: int, width: int) -> Pixels:
    """Brings images to a size, as `fit` does.

    Args:
        images: uint8 [n, any height, any width, channels], 1 or 3 channels.
        height: pixels.
        width: pixels.

    Returns:
        uint8 [n, height, width, channels]; the images themselves where they have that size.
    """
    from PIL import Image

    if images.shape[1:3] == (height, width):
        return images
    resized = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for index in range(len(images)):
        image = images[index]
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        resized[index] = np.asarray(fit(picture, width, height)).reshape(resized.shape[1:])
    return resized


def probe(path: Path) -> Header:
    """Reads a file's header, without decoding the picture.

    Args:
        path: an image file.

    Raises:
        DataError: if the file is not an image, or one that would not be read rightly.
    """
    with _opened(path) as picture:
        depth = _depth(picture)  # first: a decoded PNG picture no longer tells
        width, height = picture.size
        if picture.format == "TIFF":  # newer versions of Pillow give the size of the turned picture
            width, height = (picture.tag_v2[tag] for tag in _TIFF_SIZE)
        if _is_rotated(path, picture):
            width, height = height, width
        reducible = picture.format in ("JPEG", "MPO")
        animated = picture.format != "MPO" and getattr(picture, "is_animated", False)  # phones add previews
        transparent = picture.has_transparency_data
        return Header(height, width, picture.mode in _GREY_MODES, depth, reducible, animated, transparent)


def _depth(picture: "Image") -> str:
    if picture.mode.startswith(_DEEP_MODES):
        if "transparency" in picture.info:
            raise ValueError("transparency in a picture of more than 8 bits is not supported")
        if picture.format == "TIFF" and picture.tag_v2.get(_TIFF_PHOTOMETRIC) == 0:
            raise ValueError("a TIFF picture of more than 8 bits in which 0 is white is not supported")
        return "float" if picture.mode == "F" else "16 bits"
    return UPPER_BITS if ";16" in str(picture.tile) else "8 bits"


def _is_rotated(path: Path, picture: "Image") -> bool:
    from PIL import Image

    getexif = picture.getexif
    if picture.format == "PNG":
        # The EXIF data may come after the pixels, so Pillow decodes these: twice the time for a folder of PNG files.
        _, _, after = path.read_bytes().partition(b"IDAT")
        if not any(chunk in after for chunk in (b"eXIf", b"tEXt", b"zTXt", b"iTXt")):
            getexif = functools.partial(Image.Image.getexif, picture)
    return getexif().get(_ORIENTATION) in _ROTATED


def measure(path: Path) -> scale.Extent:
    """Decodes an image file and returns which values its picture has, transparency left out.

    Raises:
        DataError: if the file is not an image, is cut short, or holds NaN or infinity.
    """
    with _opened(path) as picture:
        if not picture.mode.startswith(_DEEP_MODES):
            picture = picture.convert("RGB")
        return scale.measure(_finite(np.asarray(picture)), str(path))


def measure_deep(file: Path | BinaryIO) -> scale.Extent | None:
    """Returns which values a file of more than 8 bits has; None for others, and for one that cannot be read."""
    with contextlib.suppress(UnreadableImageError), _opened(file) as picture:  # `decode` says what is wrong
        if picture.mode.startswith(_DEEP_MODES):
            _depth(picture)  # refuses what would be read wrongly
            return scale.measure(_finite(np.asarray(picture)), "the image")
    return None


def _finite(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("NaN or infinity among its values")
    return values


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
    with _opened(file) as opened:
        _depth(opened)  # refuses what would be read wrongly
        opened.draft(None, (kept_side(preparation),) * 2)  # for a JPEG alone; keeps at least that size
        ImageOps.exif_transpose(opened, in_place=True)
        picture = _to_8_bits(opened, preparation)
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        picture = picture.convert("L" if preparation.channels == 1 else "RGB")
    return np.asarray(fit(picture, width, height)).reshape(height, width, preparation.channels)


def _to_8_bits(picture: "Image", preparation: Preparation) -> "Image":
    """Brings a picture of 16 bits or of floats to 8: Pillow's own conversion would clip its values."""
    from PIL import Image

    if not picture.mode.startswith(_DEEP_MODES):
        return picture
    values = _finite(np.asarray(picture))
    if preparation.high >= 255 and 0 < values.max() <= 1 and (values != np.rint(values)).any():
        raise ValueError(f"floats up to {values.max():g}, where {preparation.high:g} is white: all would be black")
    return Image.fromarray(scale.to_8_bits(values, preparation.low, preparation.high))


class UnreadableImageError(DataError):
    """A file that is not an image, or one that is broken.

    Attributes:
        reason: why, a few words.
    """

    def __init__(self, path: Path | BinaryIO, reason: str) -> None:
        super().__init__(
            f"Every image file must hold a whole image. Received: {shown(path)}, which cannot be read ({reason}). "
            "Replace the file or delete it."
        )
        self.reason = reason


def _reason(path: Path | BinaryIO, error: Exception) -> str:
    from PIL import Image

    if isinstance(error, Image.UnidentifiedImageError):
        return "empty file" if isinstance(path, Path) and not path.stat().st_size else "no image that Pillow reads"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__


def shown(path: object) -> str:
    """Returns a path as it can be printed, whatever the encoding of its name."""
    return printable(str(path))
