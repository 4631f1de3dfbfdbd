"""The scale of pixel values: which values become 0 (black) and 255 (white). NumPy alone, no files.

The scale is a property of a whole data set, so it is decided once, over all parts. Decided separately for each part or
image, the same value could become different pixels. `of_parts` is for arrays; files of more than 8 bits are measured
one by one (`measure`), followed by one call of `choose`.
"""

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.arrays import Int64Array
from epnas_tf.data.pixels import Pixels, chunks
from epnas_tf.errors import DataError

# Bits of the known scales of whole numbers: images, cameras, microscopes and scanners.
_INTEGER_SCALES = tuple((0.0, 2.0**bits - 1) for bits in (8, 10, 12, 14, 16))
# In the order in which they are tried: values within 0 … 1 are not taken for the bright half of −1 … 1.
_FLOAT_SCALES = ((0.0, 1.0), (-0.5, 0.5), (-1.0, 1.0), *_INTEGER_SCALES)

# Resizing (bicubic, Lanczos) and augmentation leave values slightly beyond the scale. They are clipped and counted.
_OVERSHOOT = 0.25  # the most that a value may lie outside, relative to the scale's width
_SMALL_OVERSHOOT = 0.05  # the most that nearly all values may lie outside, likewise
_PART_OUTSIDE = 0.05  # fraction of the values that may lie outside
_PART_FAR_OUTSIDE = 0.001  # fraction of the values that may exceed the small overshoot

# Fractional values that end below this are not pixels of 0 … 255: rounding would leave only a few grey levels.
_LEAST_WHITE = 32.0
_FEW_LEVELS = 32  # a whole data set within so few neighbouring grey levels seems to have another scale
_OTHER_SCALE = 16.0  # a scale wider than a part's own by this factor: the parts probably differ in preparation
_CONSTANT = 1  # the most grey levels between the darkest and brightest pixel of a constant image's channel
_MANY = 0.1  # fraction of constant images in a part from which on there is a warning
_CHUNK = 1024  # images converted at a time, to bound the memory


@dataclasses.dataclass(frozen=True)
class Extent:
    """The range of some images' values. The sum (`+`) of two covers both, if both are floats or neither is.

    Attributes:
        low: the least value.
        high: the greatest value.
        count: the number of values.
        floats: whether they have a floating-point type.
        whole: whether all are whole numbers.
        outside: int64 [scales, 2], for each scale of floats the number of values outside, and outside by more than
            the small overshoot; 0 where `low` and `high` suffice.
    """

    low: float
    high: float
    count: int
    floats: bool
    whole: bool
    outside: Int64Array

    def __add__(self, other: "Extent") -> "Extent":
        return Extent(
            min(self.low, other.low),
            max(self.high, other.high),
            self.count + other.count,
            self.floats or other.floats,
            self.whole and other.whole,
            self.outside + other.outside,
        )


@dataclasses.dataclass(frozen=True)
class Scale:
    """The values of black and white.

    Attributes:
        low: the value that becomes 0.
        high: the value that becomes 255, above `low`. Values beyond the two are clipped.
        note: the decision, as one line; "" for bytes, which stay as they are.
    """

    low: float
    high: float
    note: str

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Scales images of any numeric type, [n, …], to uint8 of that shape; uint8 on 0 … 255 is returned as it is."""
        if values.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return values
        scaled = np.empty(values.shape, np.uint8)
        for start in range(0, len(values), _CHUNK):
            scaled[start : start + _CHUNK] = to_8_bits(values[start : start + _CHUNK], self.low, self.high)
        return scaled


def to_8_bits(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Converts values to 8 bits: `low` becomes 0, `high` 255; values are clipped and rounded.

    Args:
        values: any shape and numeric type, finite.
        low: value of black.
        high: value of white, above `low`.
    """
    parts = (values.astype(np.float64) - low) / (high - low)
    return np.rint(255 * parts.clip(0, 1)).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Images that come some at a time, as often as they are iterated over.

    Attributes:
        shape: [n, …] of all of them.
        dtype: their type.
        read: begins to read them anew.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], Iterator[npt.NDArray[Any]]]

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> "Blocks":
        """An array, in one block."""
        return cls(array.shape, array.dtype, lambda: iter([array]))

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return self.read()

    def with_axis(self) -> "Blocks":
        """The same with a last axis of length one."""
        return Blocks((*self.shape, 1), self.dtype, lambda: (block[..., np.newaxis] for block in self))


def measure(values: npt.NDArray[Any], name: str, start: int = 0) -> Extent:
    """Measures the range of images' values.

    Args:
        values: an array of images or a file's pixels, one axis or more, not empty.
        name: the name of the array or file, for the error.
        start: the number of the first image.

    Raises:
        DataError: if they are not numbers, or some are NaN or infinite.
    """
    if values.dtype.kind not in "buif":
        raise DataError(
            f"{name} must hold whole numbers, floats or bool. Received: {values.dtype}. Save pixels as uint8."
        )
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        first = [int(index) for index in np.unravel_index(finite.argmin(), values.shape)]
        first[0] += start
        raise DataError(
            f"{name} must be finite. Received: {np.count_nonzero(~finite):,} of {values.size:,} values are NaN or "
            f"infinite, the first at {first}. Mend or leave out those images."
        )
    chunks = (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
    return functools.reduce(operator.add, map(_extent, chunks))


def _extent(values: npt.NDArray[Any]) -> Extent:
    low, high = float(values.min()), float(values.max())
    floats = values.dtype.kind == "f"
    outside = np.zeros((len(_FLOAT_SCALES), 2), np.int64)
    if floats:
        outside[:] = [_outside(values, low, high, *limits) for limits in _FLOAT_SCALES]
    return Extent(low, high, values.size, floats, not floats or bool((values == np.rint(values)).all()), outside)


def _outside(values: npt.NDArray[Any], low: float, high: float, black: float, white: float) -> list[int]:
    """Counts the values outside a scale, if the count can matter: counting takes time."""
    if (black <= low and high <= white) or not _holds(low, high, black, white):
        return [0, 0]
    margins = np.array([0, _SMALL_OVERSHOOT * (white - black)])  # of float64, which float16 must not narrow
    return [int(np.count_nonzero((values < black - m) | (values > white + m))) for m in margins]


def _holds(low: float, high: float, black: float, white: float) -> bool:
    margin = _OVERSHOOT * (white - black)
    return black - margin <= low and high <= white + margin


def choose(extents: Iterable[Extent], name: str) -> Scale:
    """Decides the scale of a data set.

    Whole numbers get the smallest known scale, of 8, 10, 12, 14 or 16 bits, that holds the greatest one; 0 and 1 alone
    are black and white. Floats get the first of 0 … 1, −0.5 … 0.5, −1 … 1 and those scales that holds them, apart from
    a small overshoot.

    Args:
        extents: one extent for each array or file of all parts, one or more.
        name: the data set's name, for the error.

    Raises:
        DataError: if no known scale fits.
    """
    extent = functools.reduce(operator.add, extents)
    index = _fitting(extent)
    if index is None:
        raise _refused(extent, name)
    low, high = _FLOAT_SCALES[index]
    note = f"pixels {_number(extent.low)} … {_number(extent.high)}, "
    if (low, high) == (0, 255):
        # Rounding loses the fractions, so the note says so.
        note += "read as 0 … 255" + ("" if extent.whole else " and rounded")
    else:
        whole_scale = (extent.low, extent.high) == (low, high)
        note += "scaled to 0 … 255" + ("" if whole_scale else f" from {_number(low)} … {_number(high)}")
    if outside := extent.outside[index, 0]:
        note += f"; {outside:,} of {extent.count:,} values lie outside and are clipped"
    return Scale(low, high, note)


def choose_of_files(extents: Sequence[Extent], name: str) -> Scale:
    """Decides the scale of image files of more than 8 bits; whole numbers and floats may share one.

    Args:
        extents: one extent for each file, one or more.
        name: the data set's name, for the error.

    Raises:
        DataError: as `choose`, or if whole numbers and floats differ in scale.
    """
    kinds = [[extent for extent in extents if extent.floats == floats] for floats in (False, True)]
    scales = [choose(those, name) for those in kinds if those]
    ranges = sorted({(found.low, found.high) for found in scales})
    if len(ranges) > 1:
        raise DataError(
            f"{name}: image files of more than 8 bits must share one scale. Received: "
            f"files of whole numbers ({len(kinds[0]):,}) and of floats ({len(kinds[1]):,}), on "
            + " and ".join(f"{low:g} … {high:g}" for low, high in ranges)
            + ". Save all of them as 8 bits, or all in one type."
        )
    return scales[0]


def _fitting(extent: Extent) -> int | None:
    """The index of the scale that fits, among those of floats; None if none fits."""
    for index, (black, white) in enumerate(_FLOAT_SCALES):
        if not extent.floats:
            # Masks of 0 and 1 are black and white, as bool ones are; a data set of zeros alone is undecided.
            fits = extent.low >= 0 and (extent.high <= white if white >= 255 else (black, white) == (0, extent.high))
        else:
            fits = (
                _holds(extent.low, extent.high, black, white)
                and extent.outside[index, 0] <= max(1, _PART_OUTSIDE * extent.count)
                and extent.outside[index, 1] <= max(1, _PART_FAR_OUTSIDE * extent.count)
                # Signed only if dark pixels show it: −0.05 as the lowest value is an overshoot.
                and (black == 0 or extent.low <= black / 2)
                and (white <= 1 or extent.whole or extent.high >= _LEAST_WHITE)
            )
        if fits:
            return index
    return None


def _refused(extent: Extent, name: str) -> DataError:
    low, high = _number(extent.low), _number(extent.high)
    if not extent.floats:
        remedy = "Save them so that black is 0 and white 255 or 65535; clip what lies beyond."
    elif extent.low < 0:
        remedy = (
            "Undo the normalisation (multiply by the standard deviation, add the mean) and save pixels as uint8; clip "
            "values that an augmentation has left beyond black or white."
        )
    else:
        remedy = "Divide the images by the value that is white, so that they end at 1, or clip them there."
    kind = "floats" if extent.floats else "whole numbers"
    return DataError(
        f"{name}: pixels must be whole numbers from 0, of 8 to 16 bits (0 … 255 to 0 … 65535), or floats of 0 … 1, "
        f"-1 … 1, -0.5 … 0.5 or 0 … 255. Received: {kind} from {low} to {high}. {remedy}"
    )


def of_parts(parts: Mapping[str, Blocks], name: str) -> tuple[Scale, list[str]]:
    """Decides the common scale of arrays that belong together.

    Args:
        parts: the images of each part by its array's name, the training part first: any numeric type or bool,
            [n, …], not empty.
        name: the data set's name, for the error.

    Returns:
        The scale, and warnings, one line each.

    Raises:
        DataError: if values are not finite or fit no known scale, or the parts differ in scale.
    """
    kinds = {part.dtype.kind.replace("u", "i") for part in parts.values()}
    if len(kinds) > 1:
        shown = ", ".join(f"{key} {part.dtype}" for key, part in parts.items())
        raise DataError(
            "All parts must be whole numbers, or all floats, or all bool, or their scales could differ. "
            f"Received: {shown} in {name}. Convert all to uint8."
        )
    blocks = itertools.chain.from_iterable(parts.values())
    if all(part.dtype == np.uint8 for part in parts.values()) and any(block.max() > 1 for block in blocks):
        return Scale(0, 255, ""), []
    extents = {key: _measure_all(part, f"`{key}`") for key, part in parts.items()}
    scale = choose(extents.values(), name)
    return scale, _differing_parts(extents, scale, name)


def _measure_all(blocks: Blocks, name: str) -> Extent:
    extents, start = [], 0
    for block in blocks:
        extents.append(measure(block, name, start))
        start += len(block)
    return functools.reduce(operator.add, extents)


def _differing_parts(extents: Mapping[str, Extent], scale: Scale, name: str) -> list[str]:
    """Warnings of parts that seem to be prepared unlike the others; black parts are ignored."""
    notes = []
    shown = ", ".join(f"{key} {_number(e.low)} … {_number(e.high)}" for key, e in extents.items())
    for key, extent in extents.items():
        index = _fitting(extent)
        if index is None or not extent.high:
            continue
        low, high = _FLOAT_SCALES[index]
        wider = (scale.high - scale.low) / (high - low)
        if not extent.whole and wider >= 255:
            raise DataError(f"{name}: all parts must have one scale. Received: {shown}. Convert all to uint8 alike.")
        if wider >= _OTHER_SCALE or low > scale.low:
            notes.append(
                f"warning: `{key}` alone looks like pixels of {_number(low)} … {_number(high)}, but all parts are "
                f"scaled alike ({shown}); if they were prepared differently, convert all to uint8"
            )
    return notes


def as_trained_warning(found: tuple[float, float], trained: tuple[float, float]) -> str:
    """The warning that images are scaled as a model's training images were, not as their values suggest.

    Args:
        found: the values that seem to be black and white.
        trained: those of the training images.
    """
    looks, used = (f"{low:g} … {high:g}" for low, high in (found, trained))
    return f"warning: the pixels look like {looks}, but are scaled from {used} as the model's training images"


def as_trained(found: Scale, trained: tuple[float, float] | None, dtype: np.dtype[Any]) -> Scale:
    """The scale of arrays that a model is evaluated on: that of its training images of more than 8 bits.

    Args:
        found: the arrays' own scale, which is kept if they are bytes or floats, or `trained` does not apply to them.
        trained: the values that became 0 and 255 in training; None if unknown.
        dtype: the data type of the arrays.
    """
    own = (found.low, found.high)
    if not trained or dtype.kind not in "ui" or dtype == np.uint8 or trained[1] <= 255 or own == trained:
        return found
    return Scale(*trained, as_trained_warning(own, trained))


def own_scale_note(found: tuple[float, float]) -> str:
    """The note that images of more than 8 bits keep their own scale, since a model's training has none."""
    low, high = found
    return (
        "no image file of the training had more than 8 bits, and these have: "
        f"pixels {low:g} … {high:g} are scaled to 0 … 255"
    )


def constant_notes(parts: Mapping[str, Pixels], where: Callable[[str, int], str] | None = None) -> list[str]:
    """Notes on images that show nothing, for whatever reason.

    Args:
        parts: the images of each part by its name, as the network takes them, uint8 [n, height, width, channels].
        where: names an image by its part and index; by default "image 7 of x_train".

    Returns:
        Notes, one line each, on a data set within a few grey levels and on images of one colour; the latter is a
        warning if they are at least a tenth of a part.
    """
    seen = {key: _look_through(images) for key, images in parts.items()}
    low, high = min(low for low, _, _ in seen.values()), max(high for _, high, _ in seen.values())
    if low == high:
        return [f"warning: every pixel of every image is {low}: there is nothing to learn from these images"]
    notes: list[str] = []
    if high - low <= _FEW_LEVELS:
        notes.append(
            f"warning: all pixels lie between {low} and {high} of 0 … 255, so the images are nearly of one grey; if "
            f"{high} is white, scale the images before"
        )
    for key, images in parts.items():
        black, white, constant = seen[key]
        if 0 < white - black <= _FEW_LEVELS < high - low and len(images) > 1:
            notes.append(
                f"warning: all pixels of {key} lie between {black} and {white}, and those of all parts between {low} "
                f"and {high}; if {key} was prepared differently, prepare it alike"
            )
        if not len(constant):
            continue
        index = int(constant[0])
        example = where(key, index) if where else f"image {index} of {key}"
        notes.append(
            ("warning: " if len(constant) >= _MANY * len(images) else "")
            + f"{len(constant):,} of {len(images):,} images show one colour only, such as {example}"
        )
    return notes


def _look_through(images: Pixels) -> tuple[int, int, Int64Array]:
    """Reads all images once: the lowest and the highest value, and the indices of images of one colour."""
    _, height, width, _ = images.shape
    lows, highs, constant, start = [], [], [], 0
    for chunk in chunks(images):
        lows.append(int(chunk.min()))
        highs.append(int(chunk.max()))
        few = chunk[:, :: max(1, height // 4), :: max(1, width // 4)]  # rules out nearly all of them
        candidates = np.flatnonzero(_spans(few) <= _CONSTANT)
        if len(candidates):
            constant.append(start + candidates[_spans(chunk[candidates]) <= _CONSTANT])
        start += len(chunk)
    return min(lows), max(highs), np.concatenate(constant) if constant else np.array([], np.int64)


def _spans(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The difference of brightest and darkest pixel of each image, in the channel with the greatest: [n]."""
    rows = images.reshape(len(images), -1, images.shape[-1])
    return np.asarray(np.ptp(rows, axis=1).max(axis=1))


def _number(value: float) -> str:
    return f"{value:.4g}" if value != int(value) else str(int(value))
