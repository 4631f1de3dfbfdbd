"""Random crop, mirror and cutout of whole batches at a time.

ENAS pads images by zeros after they are normalised, so what lies outside an image is the mean of its channel; cutout
blanks by the same value. Here the padding is never built: pixels are gathered by their source row and column, and those
that come from outside are set to zero. Nothing in here is slow enough to hold up a training step.
"""

import tensorflow as tf


def normalise(images: tf.Tensor, mean: tf.Tensor, std: tf.Tensor) -> tf.Tensor:
    """Brings pixels to mean 0 and standard deviation 1.

    Args:
        images: [batch, height, width, channels], any numeric type; the last three sizes are known.
        mean: float32 [channels], in the images' unit.
        std: float32 [channels], in the images' unit, above 0.

    Returns:
        float32, the shape of `images`.
    """
    _, height, width, channels = images.shape
    # Rows of width × channels make the innermost loop long: with three channels alone it is nine times slower.
    rows = tf.reshape(tf.cast(images, tf.float32), [-1, height, width * channels])
    rows = (rows - tf.tile(mean, [width])) / tf.tile(std, [width])
    return tf.reshape(rows, [-1, height, width, channels])


def crop_and_mirror(images: tf.Tensor, offsets: tf.Tensor, mirrored: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Shifts each image by its own offset, as padding and cropping does, and then mirrors some.

    Args:
        images: [batch, height, width, channels], any type.
        offsets: int32 [batch, 2], the row and column of the image that come to the upper left corner; negative ones
            lie outside.
        mirrored: bool [batch], which of the crops to mirror left to right.

    Returns:
        The moved images, of the shape and type of `images`, and where they show the image: bool [batch, height, width].
        Elsewhere their pixels mean nothing.
    """
    _, height, width, _ = images.shape
    forward = tf.range(width)
    columns = offsets[:, 1:] + tf.where(mirrored[:, tf.newaxis], width - 1 - forward, forward)
    rows = offsets[:, :1] + tf.range(height)
    row_inside = (rows >= 0) & (rows < height)
    column_inside = (columns >= 0) & (columns < width)
    moved = tf.gather(images, tf.clip_by_value(rows, 0, height - 1), axis=1, batch_dims=1)
    moved = tf.gather(moved, tf.clip_by_value(columns, 0, width - 1), axis=2, batch_dims=1)
    return moved, row_inside[:, :, tf.newaxis] & column_inside[:, tf.newaxis, :]


def outside_square(centres: tf.Tensor, side: int, height: int, width: int) -> tf.Tensor:
    """Tells which pixels a cutout leaves (DeVries & Taylor, arXiv:1708.04552).

    Args:
        centres: int32 [batch, 2], row and column of each square's centre. The square covers rows from
            centre − side // 2 to that + side − 1, and columns likewise; what lies outside the image is cut off.
        side: pixels a side of the square.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        bool [batch, height, width], False inside the square.
    """
    first = centres - side // 2
    row, column = tf.range(height) - first[:, :1], tf.range(width) - first[:, 1:]
    row_covered, column_covered = (row >= 0) & (row < side), (column >= 0) & (column < side)
    return ~(row_covered[:, :, tf.newaxis] & column_covered[:, tf.newaxis, :])


def blank(images: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """Sets to zero what is not shown.

    Args:
        images: float32 [batch, height, width, channels].
        shown: bool [batch, height, width].
    """
    _, height, width, channels = images.shape
    rows = tf.reshape(images, [-1, height, width * channels])
    return tf.reshape(tf.where(tf.repeat(shown, channels, axis=2), rows, 0.0), [-1, height, width, channels])


def augment(
    images: tf.Tensor, mean: tf.Tensor, std: tf.Tensor, seed: tf.Tensor, *, padding: int, mirror: bool, cutout: int
) -> tf.Tensor:
    """Normalises a batch and augments each image of it at random, independently of the others.

    Args:
        images: uint8 [batch, height, width, channels]; all sizes but the batch are known.
        mean: float32 [channels], in pixel units.
        std: float32 [channels], in pixel units, above 0.
        seed: int32 or int64 [2]; the same seed gives the same result.
        padding: pixels of padding on each side; the crop is uniform over the (2 · padding + 1)² positions. 0: no crop.
        mirror: whether to mirror each image with probability one half.
        cutout: side in pixels of the square to blank, its centre uniform over the image; 0 for none.

    Returns:
        float32, the shape of `images`; zero, the mean of the channel, outside the image and in the square.
    """
    batch = tf.shape(images)[0]
    _, height, width, _ = images.shape
    crop_seed, mirror_seed, cutout_seed = tf.unstack(tf.random.split(seed, 3))
    shown = None
    if padding or mirror:
        offsets = tf.random.stateless_uniform([batch, 2], crop_seed, -padding, padding + 1, tf.int32)
        chance = tf.random.stateless_uniform([batch], mirror_seed)
        images, shown = crop_and_mirror(images, offsets, (chance < 0.5) & mirror)
    if cutout:
        scale = tf.constant([height, width], tf.float32)
        centres = tf.cast(tf.random.stateless_uniform([batch, 2], cutout_seed) * scale, tf.int32)
        left = outside_square(centres, cutout, height, width)
        shown = left if shown is None else shown & left
    images = normalise(images, mean, std)
    return images if shown is None else blank(images, shown)
