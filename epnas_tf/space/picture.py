"""An architecture's picture as values: boxes and lines, from top to bottom, which the report draws. No Matplotlib.

Everything stands in one column, connections bow out beside it: so no line runs through a box, however many there are,
and the picture fits a phone. Lengths are pixels, x from 0 to `WIDTH`, y from 0 at the top.
"""

import dataclasses
from collections.abc import Sequence

WIDTH = 400
CENTER = WIDTH / 2

BOX_WIDTH, BOX_HEIGHT, STEP = 168, 28, 42
"""Of a box, and from one to the next, unless a space has others."""

GREY, BLUE, VERMILION, GREEN = "grey", "blue", "vermilion", "green"
"""The colours of lines."""


@dataclasses.dataclass(frozen=True)
class Box:
    """A box with a text in it: an operation, in its colour and by its label, or something else.

    Attributes:
        y: its middle.
        text: what stands in it; for an operation, its name.
        number: what stands at its left end.
        edge: the colour of its edge; "" for that of the box.
        width: of the box.
    """

    y: float
    text: str
    number: str = ""
    edge: str = ""
    width: float = BOX_WIDTH


@dataclasses.dataclass(frozen=True)
class Block:
    """A frame with two operations in it, whose results are added.

    Attributes:
        y: its middle.
        title: what stands at its top.
        operations: their names.
        width: of the frame.
        height: of the frame.
    """

    y: float
    title: str
    operations: tuple[str, str]
    width: float
    height: float


@dataclasses.dataclass(frozen=True)
class Arrow:
    """A straight arrow in the middle, from y `top` to y `bottom`."""

    top: float
    bottom: float
    color: str = GREY


@dataclasses.dataclass(frozen=True)
class Note:
    """A small text beside the middle."""

    y: float
    text: str


@dataclasses.dataclass(frozen=True)
class Arcs:
    """Connections that leave a box at its side and come back in farther down.

    Attributes:
        curves: for each, the y of its top and its bottom, and how far it bows out.
        side: -1 for the left side, 1 for the right.
        color: of the lines.
        width: of the boxes.
        inward: how far behind the side they end.
    """

    curves: tuple[tuple[float, float, float], ...]
    side: int
    color: str = GREY
    width: float = BOX_WIDTH
    inward: float = 0


Shape = Box | Block | Arrow | Note | Arcs


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A picture of an architecture.

    Attributes:
        height: of the picture.
        shapes: what it is made of; what comes later lies above.
        title: what stands above it.
        alt: says in words what is to be seen.
        caption: says how to read it.
    """

    height: float
    shapes: tuple[Shape, ...]
    title: str
    alt: str
    caption: str


def column(texts: Sequence[str], title: str, alt: str) -> Drawing:
    """Returns a picture of boxes, one below the other, each read by the next: for a space that has no other.

    Args:
        texts: what stands in the boxes; an operation's name gives its label and its colour.
        title: what stands above the picture.
        alt: says in words what is to be seen.
    """
    ys = [24.0 + STEP * i for i in range(len(texts))]
    boxes = [Box(y, text, str(number)) for number, (y, text) in enumerate(zip(ys, texts, strict=True), 1)]
    arrows = [Arrow(y + BOX_HEIGHT / 2, y + STEP - BOX_HEIGHT / 2) for y in ys[:-1]]
    return Drawing(ys[-1] + 24, (*arrows, *boxes), title, alt, "From the first level at the top to the last.")
