"""What every source of images returns, and the checks that all of them share."""

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from epnas_tf.config import DataConfig
from epnas_tf.data.checks.names import check_class_names, listed, printable
from epnas_tf.data.pixels import Pixels
from epnas_tf.data.sources import pictures
from epnas_tf.data.values import Images, Preparation
from epnas_tf.errors import DataError
from epnas_tf.memory import available_bytes


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """The images of a data set as they come, not yet split.

    Attributes:
        name: the data set's name, or the last part of its path.
        train: all images to train and validate on.
        test: the test images, or None where the data set brings none of its own.
        class_names: the name of each class, in the order of the labels. Every class has a training image.
        validation: the images that score the children, or None where the data set brings none of its own.
        value_range: see `epnas_tf.data.values.ImageData`.
        deep: likewise.
        notes: what was decided about the person's data, a line each; a line to worry about begins with "warning: ".
        skipped: the broken image files that were left out, each with the reason.
    """

    name: str
    train: Images
    test: Images | None
    class_names: tuple[str, ...]
    validation: Images | None = None
    value_range: tuple[float, float] = (Preparation.low, Preparation.high)
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    deep: bool = False

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return self.train.shape

    def resized(self, size: "Size") -> "Source":
        """Returns the same images, each of a (height, width)."""

        def brought(part: Images) -> Images:
            return Images(pictures.resize(part.images, *size), part.labels)

        validation, test = (part and brought(part) for part in (self.validation, self.test))
        return dataclasses.replace(self, train=brought(self.train), validation=validation, test=test)


Size = tuple[int, int]
"""Height and width, in pixels."""


LARGEST_KEPT = 64
"""Pixels of the longer side up to which images of one size keep it unless another is asked for."""

DEFAULT_SIDE = 32
"""Pixels a side that other images are brought to: CIFAR-10's, which the search spaces were made for."""


_LITTLE_SEEN = 0.5
"""Part of a picture up to which a note says how little of it the part at its centre is."""


def asked_size(config: DataConfig, trained: Preparation | None) -> int | Size:
    """Returns the size that is asked for: a model's own unless `image_size` is given, or else that setting."""
    return (trained.height, trained.width) if trained and config.image_size == -1 else config.image_size


def choose_size(sizes: Collection[Size], asked: int | Size) -> tuple[Size, str]:
    """Decides the size to bring images to.

    Args:
        sizes: of the images, each once, at least one.
        asked: the setting `image_size`, or a size.

    Returns:
        The size, and a note on what becomes of the images: "" where all have that size.
    """
    longest, first = max(max(size) for size in sizes), next(iter(sizes))
    image_size = asked if isinstance(asked, int) else max(asked)
    if image_size <= 0 and len(sizes) == 1 and (image_size == 0 or longest <= LARGEST_KEPT):
        return first, ""
    side = image_size if image_size > 0 else DEFAULT_SIDE
    size = (side, side) if isinstance(asked, int) else asked
    if set(sizes) == {size}:
        return size, ""

    def part_seen(of: Size) -> float:
        ratio = of[0] * size[1] / (of[1] * size[0])
        return min(ratio, 1 / ratio)

    thinnest = min(sizes, key=part_seen)
    seen = part_seen(thinnest)
    cut = f" (the {'square' if size[0] == size[1] else 'part of that shape'} at their centre" + (
        f", so {100 * seen:.0f} % of a picture of {thinnest[0]}×{thinnest[1]})" if seen <= _LITTLE_SEEN else ")"
    )
    shown = f"{first[0]}×{first[1]}" if len(sizes) == 1 else f"{len(sizes)} sizes, up to {longest} pixels a side,"
    note = f"images of {shown} are brought to {size[0]}×{size[1]}" + (cut if seen < 1 else "")
    if image_size < 0:
        reason = (
            "so that a search takes hours and not days" if longest > LARGEST_KEPT else "as a network takes one size"
        )
        note += f", {reason}; --image_size=64 sees more and takes some four times as long"
    elif image_size == 0:
        note += ", as a network takes one size; --image_size sets another"
    return size, note


_COPIES = 3
"""How many times a data set lies in memory at most: as it is read, in its parts, and as TensorFlow's tensors."""


def check_memory(name: str, num_bytes: int, remedy: str = "Use fewer images, or smaller ones by --image_size.") -> None:
    """Refuses images that do not fit into memory, before they are read.

    Args:
        name: the data set's name.
        num_bytes: of all its images.
        remedy: what to do.

    Raises:
        DataError: if there is less than they take.
    """
    needed, there = _COPIES * num_bytes, available_bytes()
    if needed > there:
        raise DataError(
            f"{name}: the images must fit into memory, some {needed / 1e9:.1f} GB while they are prepared. Received: "
            f"{there / 1e9:.1f} GB that can be had. {remedy}"
        )


def where(path: str) -> str:
    """Says in brackets where a relative path leads from the folder that the command runs in; "" for an absolute one."""
    expanded = os.path.expanduser(path)
    return "" if os.path.isabs(expanded) else f" (at {os.path.abspath(expanded)})"


Arrays = tuple[Pixels, npt.NDArray[np.integer]]
"""Images, uint8 [n, height, width, channels], and labels, any integer type [n], at least 0."""


def make_source(
    name: str,
    parts: Mapping[str, Arrays],
    class_names: Sequence[str] | None,
    value_range: tuple[float, float] = (Preparation.low, Preparation.high),
    notes: Sequence[str] = (),
    deep: bool = False,
) -> Source:
    """Makes a source from arrays. The labels in use are renumbered 0 … classes − 1, in their order.

    Args:
        name: the data set's name; every error text begins with it.
        parts: the images and labels of the parts that there are: "train" always, "validation", "test".
        class_names: the name of each label, unused ones included; None to name each class by its label.
        value_range: see `Source`.
        notes: see `Source`; blank ones are left out.
        deep: see `Source`.

    Returns:
        The source; classes without any image are left out.

    Raises:
        DataError: if a test or validation image has a class or a size that no training image
            has, or a label has no name, or one that `check_class_names` refuses.
    """
    name = printable(name)
    present = np.unique(parts["train"][1])
    if class_names is not None and present[-1] >= len(class_names):
        raise DataError(
            f"{name}: every label needs a name, so at least {present[-1] + 1} class names are needed. "
            f"Received: {len(class_names)} class names, and the label {present[-1]}. Name every class, or none."
        )
    for part in sorted(parts.keys() - {"train"}, reverse=True):
        _check_part(name, part, parts[part], parts["train"], present)
    names = [str(label if class_names is None else class_names[label]) for label in present]
    check_class_names(names, name)
    folded: dict[str, str] = {}
    for each in names:
        other = folded.setdefault(each.casefold(), each)
        if other != each and len(each) > 1:  # "a" and "A" are letters
            notes = [*notes, f"warning: the classes {other} and {each} differ by upper and lower case only"]
    empty = [str(class_names[i]) for i in range(len(class_names)) if i not in present] if class_names else []
    if empty:
        notes = [*notes, f"classes without a training image are left out: {listed(empty)}"]
    images = {
        part: Images(pixels, np.searchsorted(present, labels).astype(np.int32))
        for part, (pixels, labels) in parts.items()
    }
    return Source(
        name,
        images["train"],
        images.get("test"),
        tuple(names),
        images.get("validation"),
        value_range,
        tuple(filter(None, notes)),
        deep=deep,
    )


def _check_part(name: str, part_name: str, part: Arrays, train: Arrays, present: npt.NDArray[np.integer]) -> None:
    """Refuses a test or validation part with classes or sizes that the training part has not."""
    unknown = np.setdiff1d(part[1], present)
    if unknown.size:
        raise DataError(
            f"{name}: every class of the {part_name} part must be in the training part. Received: {part_name} labels "
            f"{unknown[:5].tolist()}, which no training image has. Add training images of them, or leave them out."
        )
    check_size(name, part_name, part[0].shape[1:], train[0].shape[1:])


def check_size(name: str, part_name: str, size: tuple[int, ...], train: tuple[int, ...]) -> None:
    """Refuses a part with another height, width or number of channels than the training images have."""
    if size != train:
        raise DataError(
            f"{name}: training and {part_name} images must have one size. Received: {list(train)} and {list(size)} "
            "(height, width, channels). Bring them to the same size."
        )
