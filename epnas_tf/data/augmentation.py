"""Augmentation of training images: a sequence of named steps, each of which changes a batch at random.

A step is a frozen record. Defining it registers it under its name, by which settings refer to it:

    --augmentation=crop(4),mirror,cutout(8)

Images are floats with the mean of each channel at zero, since ENAS pads and cuts out after normalising. TensorFlow is
imported when a step first runs, so that a wrong setting is rejected at once.
"""

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, option, require

if TYPE_CHECKING:
    import tensorflow as tf

NONE = "none"
"""The text for no augmentation."""

STEPS: dict[str, type["Step"]] = {}
"""All registered steps, by name."""

ERASED_AREA = (0.02, 0.4)
ERASED_ASPECT = 1 / 0.3
"""The erased fraction of an image, and the largest ratio of the rectangle's sides (Zhong et al., section 4.1)."""


@dataclasses.dataclass(frozen=True)
class Step(Settings):
    """A random change of each image of a batch, independently of the others.

    A subclass is a frozen dataclass. Its fields are the numbers between the parentheses of its text, each an `option`
    with a default and bounds; `name` is its name in settings. A new step is also named in the help of the setting.

    Example:
        >>> import dataclasses
        >>> from epnas_tf.data.augmentation import STEPS, Step
        >>> from epnas_tf.options import option
        >>> @dataclasses.dataclass(frozen=True)
        ... class Darken(Step, name="darken"):
        ...     most: float = option(0.5, "what is taken from a pixel at most", minimum=0)
        ...
        ...     def __call__(self, images, seed):
        ...         import tensorflow as tf
        ...
        ...         return images - tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) * self.most
        >>> str(Darken(0.25))
        'darken(0.25)'
        >>> STEPS.pop("darken").__name__
        'Darken'
    """

    name: ClassVar[str]

    def __init_subclass__(cls, name: str) -> None:
        super().__init_subclass__()
        if name in STEPS:
            raise ConfigError(f"A step of an augmentation must have a name of its own. Received: {name}")
        cls.name = name
        STEPS[name] = cls

    def check_fits(self, side: int) -> None:
        """Rejects sizes that do not fit images with a shorter side of `side` pixels."""

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Changes a batch.

        Args:
            images: float32 [batch, height, width, channels], the last three sizes known; 0 is a channel's mean.
            seed: int32 or int64 [2]; the same seed gives the same result.

        Returns:
            float32, the shape of `images`.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        values = ", ".join(f"{getattr(self, field.name):g}" for field in dataclasses.fields(self))
        return f"{self.name}({values})" if values else self.name


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The augmentation steps of training images, in order.

    Attributes:
        steps: the steps; without any, images are unchanged.

    Example:
        >>> from epnas_tf.data.augmentation import Augmentation
        >>> str(Augmentation.parse("crop(4), mirror"))
        'crop(4),mirror(0.5)'
    """

    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Augmentation":
        """Parses the text of an augmentation: steps separated by commas, or "none".

        Raises:
            ConfigError: if a step is unknown, or a number is out of its bounds.
        """
        require(str, "augmentation", text)
        if text.strip() == NONE:
            return UNCHANGED
        return cls(tuple(_step(part.strip()) for part in re.split(r",(?![^()]*\))", text)))

    def check_fits(self, side: int) -> None:
        """Rejects steps that do not fit images with a shorter side of `side` pixels.

        Raises:
            ConfigError: if a step does not fit.
        """
        for step in self.steps:
            step.check_fits(side)

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Applies all steps to a batch, each with a seed of its own; see `Step.__call__`."""
        import tensorflow as tf

        seeds = tf.unstack(tf.random.split(seed, len(self.steps))) if self.steps else []
        for step, own in zip(self.steps, seeds, strict=True):
            images = step(images, own)
        return images

    def __str__(self) -> str:
        return ",".join(map(str, self.steps)) or NONE


UNCHANGED = Augmentation()
"""No augmentation."""


def _step(text: str) -> Step:
    """Parses the text of a step, such as "crop(4)"; missing numbers have their defaults."""
    form = re.fullmatch(r"(\w+)(?:\((.*)\))?", text)
    if not form or form[1] not in STEPS:
        raise ConfigError(
            f"`augmentation` must be steps separated by commas, such as crop(4),mirror, of these: {', '.join(STEPS)}; "
            f"or {NONE}. Received: {text!r}"
        )
    step, given = STEPS[form[1]], form[2].split(",") if form[2] else []
    fields = dataclasses.fields(step)
    if len(given) > len(fields):
        names = ", ".join(field.name for field in fields) or "no numbers"
        raise ConfigError(f"`augmentation`: {step.name} takes {names}. Received: {text!r}")
    kinds: list[Any] = [type(field.default) for field in fields]
    try:
        return step(*(kind(number) for kind, number in zip(kinds, given, strict=False)))
    except ValueError as error:  # of int and float; ConfigError is one, too
        raise ConfigError(
            f"`augmentation` must hold numbers that its steps take. Received: {text!r}. {error}"
        ) from error


@dataclasses.dataclass(frozen=True)
class Crop(Step, name="crop"):
    """Zero padding, and a crop of the image's size at a position uniform over all (2 · padding + 1)²."""

    padding: int = option(-1, "pixels on each side; -1 for an eighth of the shorter side, 0 for no crop", minimum=-1)

    def check_fits(self, side: int) -> None:
        """Rejects padding with which a crop could miss the image."""
        if self.padding >= side:
            raise ConfigError(
                f"`crop_padding` must be less than the images' shorter side, {side} pixels, or a crop could miss them. "
                f"Received: crop_padding={self.padding}. Use -1 for an eighth of the side."
            )

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Shifts each image. No padded image is made: pixels are gathered by source row and column."""
        import tensorflow as tf

        _, height, width, _ = images.shape
        padding = min(height, width) // 8 if self.padding < 0 else self.padding
        if not padding:
            return images
        offsets = tf.random.stateless_uniform([tf.shape(images)[0], 2], seed, -padding, padding + 1, tf.int32)
        rows, columns = offsets[:, :1] + tf.range(height), offsets[:, 1:] + tf.range(width)
        moved = tf.gather(images, tf.clip_by_value(rows, 0, height - 1), axis=1, batch_dims=1)
        moved = tf.gather(moved, tf.clip_by_value(columns, 0, width - 1), axis=2, batch_dims=1)
        return blank(moved, _inside(rows, columns, height, width))


@dataclasses.dataclass(frozen=True)
class Mirror(Step, name="mirror"):
    """A horizontal flip."""

    chance: float = option(0.5, "the probability of each image to be mirrored", minimum=0, maximum=1)

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Mirrors some of the images."""
        import tensorflow as tf

        if not self.chance:
            return images
        mirrored = tf.random.stateless_uniform([tf.shape(images)[0]], seed) < self.chance
        # One condition an image, not broadcast to its pixels as by `tf.where`: a third of the time.
        return tf.raw_ops.Select(condition=mirrored, x=tf.reverse(images, [2]), y=images)


@dataclasses.dataclass(frozen=True)
class Cutout(Step, name="cutout"):
    """A blanked square, with its centre uniform over the image (DeVries & Taylor, arXiv:1708.04552)."""

    side: int = option(-1, "pixels a side; -1 for half of the shorter side, 0 for none", minimum=-1)

    def check_fits(self, side: int) -> None:
        """Rejects a square that is larger than the images."""
        if self.side > side:
            raise ConfigError(
                f"`cutout` must be within 0 and the images' shorter side, {side} pixels. Received: cutout={self.side}. "
                "Use half the side, or 0 for none."
            )

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Blanks `side` rows and columns from centre − side // 2 on, clipped at the image's border."""
        import tensorflow as tf

        _, height, width, _ = images.shape
        side = min(height, width) // 2 if self.side < 0 else self.side
        if not side:
            return images
        scale = tf.constant([height, width], tf.float32)
        centres = tf.cast(tf.random.stateless_uniform([tf.shape(images)[0], 2], seed) * scale, tf.int32)
        first = centres - side // 2
        row, column = tf.range(height) - first[:, :1], tf.range(width) - first[:, 1:]
        return blank(images, ~_inside(row, column, side, side))


@dataclasses.dataclass(frozen=True)
class Erase(Step, name="erase"):
    """Random erasing: a rectangle of noise in some images (Zhong et al., arXiv:1708.04896).

    Its area is uniform in [0.02, 0.4] of the image, and the logarithm of its height over width is uniform in
    [log 0.3, −log 0.3], or as near to that as fits into the image; all positions inside the image are equally likely.
    """

    chance: float = option(0.5, "the probability of each image to have a rectangle erased", minimum=0, maximum=1)
    noise: float = option(
        1.0, "standard deviation of the normal noise in it, in those of a channel; 0 for the channel's mean", minimum=0
    )

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Erases a rectangle in some of the images."""
        import tensorflow as tf

        if not self.chance:
            return images
        _, height, width, _ = images.shape
        seeds = tf.unstack(tf.random.split(seed, 2))
        drawn = tf.random.stateless_uniform([tf.shape(images)[0], 5], seeds[0])
        is_erased, area, aspect, top, left = tf.unstack(drawn, axis=1)
        area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area
        aspect = tf.exp((2.0 * aspect - 1.0) * math.log(ERASED_ASPECT))
        # Between these bounds neither side is longer than the image's.
        rows = tf.clip_by_value(tf.sqrt(area * aspect * float(height * width)), area * float(height), float(height))
        columns = area * float(height * width) / rows
        rows, columns = tf.maximum(tf.round(rows), 1.0), tf.maximum(tf.round(columns), 1.0)
        top, left = tf.floor(top * (height - rows + 1.0)), tf.floor(left * (width - columns + 1.0))
        rows = tf.where(is_erased < self.chance, rows, 0.0)
        row, column = tf.range(float(height)) - top[:, tf.newaxis], tf.range(float(width)) - left[:, tf.newaxis]
        shown = ~_inside(row, column, rows[:, tf.newaxis], columns[:, tf.newaxis])
        noise = tf.random.stateless_normal(tf.shape(images), seeds[1], stddev=self.noise) if self.noise else None
        return blank(images, shown, noise)


@dataclasses.dataclass(frozen=True)
class Brightness(Step, name="brightness"):
    """A random number, added to all pixels of an image."""

    most: float = option(0.2, "the largest number to add or take away, in standard deviations of a channel", minimum=0)

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Makes each image brighter or darker."""
        import tensorflow as tf

        return images + tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed, -self.most, self.most)


@dataclasses.dataclass(frozen=True)
class Contrast(Step, name="contrast"):
    """A random factor on the distance of pixels from the mean of their image and channel (Keras's `RandomContrast`)."""

    most: float = option(0.2, "the factor is uniform within 1 − most and 1 + most", minimum=0, maximum=1)

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Raises or lowers the contrast of each image."""
        import tensorflow as tf

        factor = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed, 1 - self.most, 1 + self.most)
        mean = tf.reduce_mean(images, axis=[1, 2], keepdims=True)
        return (images - mean) * factor + mean


@dataclasses.dataclass(frozen=True)
class Rotate(Step, name="rotate"):
    """A rotation about the image's centre, with bilinear interpolation; zero outside the image."""

    degrees: float = option(10.0, "the largest angle to either side", minimum=0, maximum=180)

    def __call__(self, images: "tf.Tensor", seed: "tf.Tensor") -> "tf.Tensor":
        """Rotates each image by a random angle."""
        import keras
        import tensorflow as tf

        _, height, width, _ = images.shape
        most = math.radians(self.degrees)
        angle = tf.random.stateless_uniform([tf.shape(images)[0]], seed, -most, most)
        cos, sin, zero = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle)
        x, y = (width - 1) / 2, (height - 1) / 2  # the centre stays where it is
        rows = [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y, zero, zero]
        return keras.ops.image.affine_transform(images, tf.stack(rows, axis=1), data_format="channels_last")


def _inside(row: "tf.Tensor", column: "tf.Tensor", height: Any, width: Any) -> "tf.Tensor":
    """Tells which pixels are inside a rectangle.

    Args:
        row: [batch, rows of the image], each row's distance from the rectangle's first one.
        column: [batch, columns of the image], likewise.
        height: rows of the rectangle, a number or [batch, 1].
        width: its columns, likewise.

    Returns:
        bool [batch, rows of the image, columns of the image].
    """
    rows_inside, columns_inside = (row >= 0) & (row < height), (column >= 0) & (column < width)
    return rows_inside[:, :, None] & columns_inside[:, None, :]


def blank(images: "tf.Tensor", shown: "tf.Tensor", filling: "tf.Tensor | None" = None) -> "tf.Tensor":
    """Sets hidden pixels to zero, or to those of a filling.

    Args:
        images: float32 [batch, height, width, channels].
        shown: bool [batch, height, width].
        filling: of the shape of `images`; None for zeros.
    """
    import tensorflow as tf

    _, height, width, channels = images.shape
    pixels = tf.reshape(images, [-1, channels])
    filling = tf.zeros_like(pixels) if filling is None else tf.reshape(filling, [-1, channels])
    pixels = tf.raw_ops.Select(condition=tf.reshape(shown, [-1]), x=pixels, y=filling)
    return tf.reshape(pixels, [-1, height, width, channels])
