"""The headers of JPEG and PNG files, read inside a graph: format, size, colours, orientation."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

JPEG, PNG, OTHER = range(3)

_ORIENTATION = 0x0112  # EXIF tag
_SHORT, _LONG = 3, 4  # EXIF types
_MISSING = -1

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"  # what JPEG's APP1 segments begin with
_PNG_XMP = b"XML:com.adobe.xmp\0\0"  # an iTXt chunk that is not compressed
_XMP_ORIENTATION = b"tiff:Orientation"


class FileHeader(NamedTuple):
    """The header of one file; each field is a scalar tensor.

    Attributes:
        kind: int32, JPEG, PNG or OTHER; for OTHER the rest is meaningless.
        whole: bool, whether the file has a header and an end.
        height: int64, in pixels as stored.
        width: int64, likewise.
        depth: int64, bits per value.
        components: int64, of a JPEG; of a PNG 1 for grey without alpha, 3 for all others.
        transparent: bool, whether a PNG may have transparent pixels.
        orientation: int64, from EXIF or XMP, -1 without either.
    """

    kind: tf.Tensor
    whole: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    depth: tf.Tensor
    components: tf.Tensor
    transparent: tf.Tensor
    orientation: tf.Tensor


class _Walk(NamedTuple):
    """Positions of parts in a file, int64 scalars, 0 if not found. `mark`: JPEG's frame, PNG's transparency."""

    position: tf.Tensor
    exif: tf.Tensor
    xmp: tf.Tensor
    xmp_end: tf.Tensor
    mark: tf.Tensor
    end: tf.Tensor


def read(file: tf.Tensor) -> FileHeader:
    """Reads a file's header.

    Args:
        file: string [], the content.
    """
    is_jpeg = tf.strings.substr(file, 0, 3) == b"\xff\xd8\xff"
    is_png = tf.strings.substr(file, 0, 8) == b"\x89PNG\r\n\x1a\n"
    kind = tf.where(is_jpeg, JPEG, tf.where(is_png, PNG, OTHER))
    # One byte more, so that there is one at all.
    data = tf.io.decode_raw(tf.strings.join([file, b"\0"]), tf.uint8)
    whole, height, width, depth, components, transparent, exif, xmp, xmp_end = tf.switch_case(
        kind, [lambda: _read_jpeg(data), lambda: _read_png(data), _nothing]
    )
    orientation = _orientation(data, exif, xmp, xmp_end)
    return FileHeader(kind, whole, height, width, depth, components, transparent, orientation)


def _read_jpeg(data: tf.Tensor) -> tuple[tf.Tensor, ...]:
    def step(*walk: tf.Tensor) -> _Walk:
        here = _Walk(*walk)
        at = here.position
        marker, size = _number(data, at, 2), _number(data, at + 2, 2)
        code = marker - 0xFF00
        segment = (code >= 0xC0) & (code < 0xFF) & ((code < 0xD0) | (code > 0xD9))
        # Huffman tables, JPEG extensions and arithmetic coding share the range of the frames' markers.
        frame = segment & (code <= 0xCF) & (code != 0xC4) & (code != 0xC8) & (code != 0xCC)
        xmp = (code == 0xE1) & _begins(data, at + 4, _XMP)
        return _Walk(
            at + tf.where(segment, 2 + size, tf.where((code >= 0) & (code < 0xFF), _int(2), _int(1))),
            tf.where((here.exif == 0) & (code == 0xE1) & _begins(data, at + 4, _EXIF), at + 4 + len(_EXIF), here.exif),
            tf.where(xmp, at + 4, here.xmp),
            tf.where(xmp, at + 2 + size, here.xmp_end),
            tf.where(frame, at + 4, here.mark),
            tf.where(code == 0xDA, at, here.end),
        )

    found = _walk(data, 2, step)
    # The end marker can stand in what is coded as its own self alone; a thumbnail's is in the header.
    coded = data[found.end :]
    ended = tf.reduce_any((coded[:-1] == 0xFF) & (coded[1:] == 0xD9))
    depth, height, width, components = (
        _number(data, found.mark + start, count) for start, count in ((0, 1), (1, 2), (3, 2), (5, 1))
    )
    whole = (found.mark > 0) & (found.end > 0) & ended & (height > 0) & (width > 0)
    return whole, height, width, depth, components, tf.constant(False), found.exif, found.xmp, found.xmp_end


def _read_png(data: tf.Tensor) -> tuple[tf.Tensor, ...]:
    def step(*walk: tf.Tensor) -> _Walk:
        here = _Walk(*walk)
        content = here.position + 8
        following = content + _number(data, here.position, 4) + 4  # behind a checksum
        xmp = _begins(data, here.position + 4, b"iTXt" + _PNG_XMP)
        return _Walk(
            following,
            tf.where(_begins(data, here.position + 4, b"eXIf"), content, here.exif),
            tf.where(xmp, content, here.xmp),
            tf.where(xmp, following, here.xmp_end),
            tf.where(_begins(data, here.position + 4, b"tRNS"), content, here.mark),
            tf.where(_begins(data, here.position + 4, b"IEND"), here.position, here.end),
        )

    found = _walk(data, 8, step)
    header = _begins(data, _int(12), b"IHDR")
    depth, height, width = _number(data, _int(24), 1), _number(data, _int(20), 4), _number(data, _int(16), 4)
    colour_type = _number(data, _int(25), 1)
    components = tf.where(colour_type == 0, _int(1), _int(3))
    transparent = (colour_type >= 4) | (found.mark > 0)
    whole = header & (found.end > 0)
    return whole, height, width, depth, components, transparent, found.exif, found.xmp, found.xmp_end


def _nothing() -> tuple[tf.Tensor, ...]:
    nothing = _int(0)
    return tf.constant(False), *[nothing] * 4, tf.constant(False), *[nothing] * 3


def _walk(data: tf.Tensor, start: int, step: Callable[..., _Walk]) -> _Walk:
    """Walks from one part of a file to the next, until `end` or the end of the file."""
    nothing = _int(0)
    first = _Walk(_int(start), *[nothing] * 5)
    length = tf.size(data, tf.int64)
    return _Walk(*tf.while_loop(lambda at, *rest: (rest[-1] == 0) & (at < length), step, first))


def _orientation(data: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor, xmp_end: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from EXIF, else from XMP; they begin at these positions, 0 for none."""
    by_exif = tf.cond(exif > 0, lambda: _exif_orientation(data, exif), lambda: _int(_MISSING))
    missing = (by_exif == _MISSING) & (xmp > 0)
    return tf.cond(missing, lambda: _xmp_orientation(data[xmp:xmp_end]), lambda: by_exif)


def _exif_orientation(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from the first directory of EXIF, which is a TIFF structure."""
    little = data[start] == ord("I")

    def number(position: tf.Tensor, count: int) -> tf.Tensor:
        return tf.where(little, _number(data, position, count, reverse=True), _number(data, position, count))

    directory = start + number(start + 4, 4)
    entries = directory + 2 + 12 * tf.range(number(directory, 2))
    types = number(entries + 2, 2)
    values = tf.where(types == _SHORT, number(entries + 8, 2), number(entries + 8, 4))
    right = (number(entries, 2) == _ORIENTATION) & (number(entries + 4, 4) == 1)
    right &= (types == _SHORT) | (types == _LONG)
    return tf.reduce_max(tf.concat([[_int(_MISSING)], tf.where(right, values, _MISSING)], 0))


def _xmp_orientation(text: tf.Tensor) -> tf.Tensor:
    """Reads the first digit after `tiff:Orientation="` or `tiff:Orientation>`."""
    length = len(_XMP_ORIENTATION)
    places = tf.range(tf.maximum(tf.size(text, tf.int64) - length - 2, 0))
    places = tf.boolean_mask(places, _begins(text, places, _XMP_ORIENTATION))
    quoted, tagged = _begins(text, places + length, b'="'), _begins(text, places + length, b">")
    digits = _number(text, places + length + tf.where(quoted, _int(2), _int(1)), 1) - ord("0")
    good = (quoted | tagged) & (digits >= 0) & (digits <= 9)
    return tf.concat([tf.boolean_mask(digits, good), [_int(_MISSING)]], 0)[0]


def _begins(data: tf.Tensor, position: tf.Tensor, text: bytes) -> tf.Tensor:
    """Whether a text is at a position, or at each of several."""
    return tf.reduce_all(_bytes(data, position, len(text)) == tf.constant(list(text), tf.int64), axis=-1)


def _number(data: tf.Tensor, position: tf.Tensor, count: int, reverse: bool = False) -> tf.Tensor:
    """Reads a number of so many bytes at a position, or at each of several, in big- or little-endian order."""
    factors = [256**power for power in range(count)]
    values = _bytes(data, position, count) * tf.constant(factors if reverse else factors[::-1], tf.int64)
    return tf.reduce_sum(values, axis=-1)


def _bytes(data: tf.Tensor, position: tf.Tensor, count: int) -> tf.Tensor:
    """Reads int64 [..., count]; past the end of the data it repeats the last byte, so that broken files have values."""
    places = position[..., tf.newaxis] + tf.range(count, dtype=tf.int64)
    return tf.cast(tf.gather(data, tf.clip_by_value(places, 0, tf.size(data, tf.int64) - 1)), tf.int64)


def _int(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)
