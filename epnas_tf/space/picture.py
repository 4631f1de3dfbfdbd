"""An architecture's picture as values: boxes and lines, from top to bottom, which the report draws. No Matplotlib.

All boxes are in one column and connections bow out beside it, so no line crosses a box, and the picture fits a phone.
Lengths are in pixels, x from 0 to `WIDTH`, y from 0 at the top.
"""

import dataclasses
from collections.abc import Sequence

WIDTH = 400
CENTER = WIDTH / 2

BOX_WIDTH, BOX_HEIGHT, STEP = 168, 28, 42
"""The default size of a box, and the default distance between boxes."""

GREY, BLUE, VERMILION, GREEN = "grey", "blue", "vermilion", "green"
"""The colours of lines."""


@dataclasses.dataclass(frozen=True)
class Box:
    """A box with a text: an operation, shown in its colour and by its label, or something else.

    Attributes:
        y: the y of its middle.
        text: its text; for an operation, the operation's name.
        number: the text at its left end.
        edge: the colour of its edge; "" for that of the box.
        width: its width.
    """

    y: float
    text: str
    number: str = ""
    edge: str = ""
    width: float = BOX_WIDTH


@dataclasses.dataclass(frozen=True)
class Block:
    """A frame with two operations whose results are added.

    Attributes:
        y: the y of its middle.
        title: the text at its top.
        operations: the names of the operations.
        width: its width.
        height: its height.
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
    """Connections that leave a box at its side and end at a box farther down.

    Attributes:
        curves: for each, the y of its top, the y of its bottom, and the width of its bow.
        side: -1 for the left side, 1 for the right.
        color: the colour of the lines.
        width: the width of the boxes.
        inward: the distance from the box's side to the end of a line inside it.
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
        height: its height.
        shapes: its shapes; later ones are drawn above earlier ones.
        title: its title.
        alt: a description in words.
        caption: an explanation of how to read it.
    """

    height: float
    shapes: tuple[Shape, ...]
    title: str
    alt: str
    caption: str


def column(texts: Sequence[str], title: str, alt: str) -> Drawing:
    """A picture of boxes, each read by the next below: for a space without a picture of its own.

    Args:
        texts: the texts of the boxes; an operation's name is shown by its label, in its colour.
        title: the title of the picture.
        alt: a description in words.
    """
    ys = [24.0 + STEP * i for i in range(len(texts))]
    boxes = [Box(y, text, str(number)) for number, (y, text) in enumerate(zip(ys, texts, strict=True), 1)]
    arrows = [Arrow(y + BOX_HEIGHT / 2, y + STEP - BOX_HEIGHT / 2) for y in ys[:-1]]
    return Drawing(ys[-1] + 24, (*arrows, *boxes), title, alt, "From the first level at the top to the last.")
