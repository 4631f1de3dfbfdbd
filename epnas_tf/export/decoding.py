"""Decoding of image files inside a graph, bit for bit as `epnas_tf.data.sources.pictures.decode` does with Pillow.

It takes JPEG and PNG files and uses only kernels that every TensorFlow has, TensorFlow Serving included.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from epnas_tf.arrays import Float32Array
from epnas_tf.data.sources.pictures import LUMA, kept_side
from epnas_tf.data.values import Preparation
from epnas_tf.export import file_headers
from epnas_tf.export.file_headers import JPEG, PNG, FileHeader

FILES_SIGNATURE = "classify_files"

FILES_AT_A_TIME = 4
"""The maximum number of fully decoded files of a batch in memory."""

BITS = 22
"""Of Pillow's fixed-point coefficients, whose sum is 1 << BITS: products with 8-bit pixels add up within 32 bits."""


def decode_files(files: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    """Prepares a batch of encoded files for the network.

    Args:
        files: string [n], each the content of a JPEG or PNG file.
        preparation: see `epnas_tf.data.sources.pictures.decode`.

    Returns:
        uint8 [n, height, width, channels].

    Raises:
        tf.errors.InvalidArgumentError: if a file has another format, unusual colours, or is truncated; the message
            gives its position in the batch.
    """
    shape = [preparation.height, preparation.width, preparation.channels]
    # Pictures are turned and cut a few at a time: a GPU would only have to fetch each.
    with tf.device("/CPU:0"):
        return tf.map_fn(
            lambda item: decode_file(item[0], item[1], preparation),
            (files, tf.range(tf.size(files))),
            parallel_iterations=FILES_AT_A_TIME,
            fn_output_signature=tf.TensorSpec(shape, tf.uint8),
        )


def decode_file(file: tf.Tensor, position: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    """Prepares one file.

    Args:
        file: string [], its content.
        position: int32 [], its position in error messages.
        preparation: as in `decode_files`.

    Returns:
        uint8 [height, width, channels].
    """
    header = file_headers.read(file)
    with tf.control_dependencies(_checks(file, header, position)):
        file = tf.identity(file)
    pixels = tf.cond(
        header.kind == JPEG,
        lambda: _colours(_decode_jpeg(file, header, preparation), preparation.channels),
        lambda: _decode_png(file, header, preparation),
    )
    fitted = fit(_oriented(pixels, header.orientation), preparation.width, preparation.height)
    return tf.ensure_shape(fitted, [preparation.height, preparation.width, preparation.channels])


def classify_encoded(path: Path, images: npt.NDArray[np.uint8]) -> Float32Array:
    """Classifies images, encoded as PNG files, by the signature of a SavedModel that takes files.

    Args:
        path: the SavedModel of an export.
        images: uint8 [n, height, width, channels] of its input size, n ≥ 1.

    Returns:
        float32 [n, classes], probabilities.
    """
    loaded = tf.saved_model.load(str(path))
    files = tf.stack([tf.io.encode_png(image) for image in images])
    return loaded.signatures[FILES_SIGNATURE](files=files)["probabilities"].numpy()


def _checks(file: tf.Tensor, header: FileHeader, position: tf.Tensor) -> list[tf.Operation]:
    """Refuses files that cannot be decoded; TensorFlow's own errors name neither the file nor the reason."""
    known = (header.kind == JPEG) | (header.kind == PNG)
    usual = (header.kind == PNG) | ((header.depth == 8) & ((header.components == 1) | (header.components == 3)))
    usual &= ~((header.depth == 16) & (header.components == 1) & header.transparent)

    def refusal(text: str) -> list[tf.Tensor]:
        length = tf.strings.as_string(tf.strings.length(file))
        where = tf.strings.join([" Received: file ", tf.strings.as_string(position), " of the batch, counted from 0"])
        return [tf.strings.join([text, where, ", of ", length, " bytes."])]

    formats = refusal("Every file must be a JPEG or PNG file, encoded as it is on disk.")
    whole = refusal("Every file must be whole; this one is cut short or broken.")
    colours = refusal(
        "JPEG files must be grey or of three colours (save CMYK as RGB), 16-bit grey PNG files without transparency."
    )
    return [
        tf.debugging.Assert(known, formats),
        tf.debugging.Assert(~known | header.whole, whole),
        tf.debugging.Assert(~(known & header.whole) | usual, colours),
    ]


def _decode_jpeg(file: tf.Tensor, header: FileHeader, preparation: Preparation) -> tf.Tensor:
    """Decodes a JPEG file at the size that Pillow's `draft` chooses; uint8 [height, width, 3]."""
    times = tf.minimum(header.height, header.width) // kept_side(preparation)

    def decoded(ratio: int) -> tf.Tensor:
        return tf.io.decode_jpeg(file, channels=3, ratio=ratio, fancy_upscaling=True, dct_method="INTEGER_ACCURATE")

    choice = tf.reduce_sum(tf.cast(times >= tf.constant([2, 4, 8], tf.int64), tf.int32))
    # The ratio is part of the operation, so there is one operation for each.
    return tf.switch_case(choice, [lambda ratio=ratio: decoded(ratio) for ratio in (1, 2, 4, 8)])


def _decode_png(file: tf.Tensor, header: FileHeader, preparation: Preparation) -> tf.Tensor:
    """Decodes a PNG file of any kind; uint8 [height, width, channels]."""

    def grey_16_bits() -> tf.Tensor:
        values = tf.cast(tf.io.decode_png(file, channels=1, dtype=tf.uint16), tf.float64)
        shares = (values - preparation.low) / (preparation.high - preparation.low)
        grey = tf.cast(tf.round(255 * tf.clip_by_value(shares, 0, 1)), tf.uint8)
        return tf.repeat(grey, preparation.channels, axis=2)

    def others() -> tf.Tensor:
        pixels = tf.cond(
            header.transparent,
            lambda: on_white(tf.io.decode_png(file, channels=4)),
            lambda: tf.io.decode_png(file, channels=3),
        )
        return _colours(pixels, preparation.channels)

    return tf.cond((header.depth == 16) & (header.components == 1), grey_16_bits, others)


def on_white(pixels: tf.Tensor) -> tf.Tensor:
    """Composites uint8 [height, width, 4] on white by the arithmetic of Pillow's `alpha_composite`; 3 channels."""
    values = tf.cast(pixels, tf.int32)
    alpha = values[:, :, 3:]
    sums = 128 * (values[:, :, :3] * alpha + 255 * (255 - alpha) + 128)
    shift = tf.bitwise.right_shift
    return tf.cast(shift(shift(shift(sums, 8) + sums, 8), 7), tf.uint8)


def _colours(pixels: tf.Tensor, channels: int) -> tf.Tensor:
    """Converts uint8 [height, width, 3] to grey if the model takes grey images."""
    if channels == 3:
        return pixels
    weighted = tf.reduce_sum(tf.cast(pixels, tf.int32) * tf.constant(LUMA), axis=2, keepdims=True)
    return tf.cast(tf.bitwise.right_shift(weighted + 32768, 16), tf.uint8)


def _oriented(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Rotates and mirrors uint8 [height, width, channels] according to an EXIF orientation of 2 to 8."""

    def is_one_of(*values: int) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(values, orientation.dtype))

    def reverse_if(condition: tf.Tensor, axis: int) -> tf.Tensor:
        return tf.cond(condition, lambda: tf.reverse(pixels, [axis]), lambda: pixels)

    pixels = tf.cond(is_one_of(5, 6, 7, 8), lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    pixels = reverse_if(is_one_of(2, 3, 6, 7), 1)
    return reverse_if(is_one_of(3, 4, 7, 8), 0)


def fit(pixels: tf.Tensor, width: int, height: int) -> tf.Tensor:
    """Scales and crops like Pillow's `ImageOps.fit`: one axis after the other, rounded to 8 bits in between.

    Args:
        pixels: uint8 [any height, any width, channels].
        width: of the result.
        height: of the result.

    Returns:
        uint8 [height, width, channels].
    """
    shape = tf.shape(pixels)
    rows, columns = shape[0], shape[1]
    left, top, right, bottom = _box(tf.cast(columns, tf.float64), tf.cast(rows, tf.float64), width / height)

    def across(pixels: tf.Tensor) -> tf.Tensor:
        turned = tf.transpose(pixels, [1, 0, 2])
        return tf.transpose(_resampled(turned, _coefficients(columns, left, right, width)), [1, 0, 2])

    def down(pixels: tf.Tensor) -> tf.Tensor:
        return _resampled(pixels, _coefficients(rows, top, bottom, height))

    much_less_high = (rows > height) & (rows - height > 2 * (columns - width))
    if not down_first_where_that_is_faster():
        return down(across(pixels))
    return tf.cond(much_less_high, lambda: across(down(pixels)), lambda: down(across(pixels)))


def down_first_where_that_is_faster() -> bool:
    """Whether Pillow scales vertically first, which it does if that is less work; rounding makes it matter."""
    import PIL

    return int(PIL.__version__.split(".")[0]) >= 13


def _box(columns: tf.Tensor, rows: tf.Tensor, ratio: float) -> list[tf.Tensor]:
    """Returns left, top, right and bottom of the largest centred box with that ratio of width to height."""
    own = columns / rows
    width = tf.where(own > ratio, ratio * rows, columns)
    height = tf.where(own < ratio, columns / ratio, rows)
    left, top = (columns - width) * 0.5, (rows - height) * 0.5
    return [tf.cast(edge, tf.float32) for edge in (left, top, left + width, top + height)]  # Pillow's C takes floats


def _coefficients(size: tf.Tensor, low: tf.Tensor, high: tf.Tensor, out: int) -> tf.Tensor:
    """Computes each of `size` pixels' weight in each of `out` (Pillow's `precompute_coeffs`); int32 [out, size]."""
    scale = tf.cast(high - low, tf.float64) / out
    support = tf.maximum(scale, 1.0)
    centres = tf.cast(low, tf.float64) + (tf.range(out, dtype=tf.float64) + 0.5) * scale
    centres = centres[:, tf.newaxis]
    first = tf.cast(centres - support + 0.5, tf.int32)
    last = tf.cast(centres + support + 0.5, tf.int32)
    inputs = tf.range(size)
    distances = tf.abs((tf.cast(inputs, tf.float64) - centres + 0.5) * (1.0 / support))
    weights = tf.where((inputs >= first) & (inputs < last), tf.maximum(1.0 - distances, 0.0), 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    return tf.cast(0.5 + weights * (1 << BITS), tf.int32)


def _resampled(pixels: tf.Tensor, coefficients: tf.Tensor) -> tf.Tensor:
    """Resamples uint8 [size, n, channels] by int32 [out, size] to uint8 [out, n, channels]."""
    flat = tf.reshape(tf.cast(pixels, tf.int32), [tf.shape(pixels)[0], -1])
    sums = tf.matmul(coefficients, flat) + (1 << (BITS - 1))
    levels = tf.clip_by_value(tf.bitwise.right_shift(sums, BITS), 0, 255)
    return tf.reshape(tf.cast(levels, tf.uint8), tf.concat([[-1], tf.shape(pixels)[1:]], 0))
