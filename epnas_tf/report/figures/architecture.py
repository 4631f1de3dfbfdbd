"""The best architecture drawn, as a chain with arcs (paper, Fig. 4) or a cell (paper, Fig. 5), from top to bottom.

Everything stands in one column, connections bow out beside it: so no line runs through a box, however many there are,
and the picture fits a phone.
"""

import functools

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path

from epnas_tf.report.figures.drawing import (
    BLUE,
    DARK,
    GREEN,
    LETTER,
    SMALL,
    VERMILION,
    WIDTH,
    Picture,
    canvas,
    operation,
    picture,
)
from epnas_tf.report.figures.svg import GRID, INK, MUTED, PAPER
from epnas_tf.report.text import plural
from epnas_tf.space.architecture import MacroArchitecture, MicroArchitecture
from epnas_tf.space.macro_graph import halvings

CENTER = WIDTH / 2
NEUTRAL = "#e9edf0"
"""The ground of boxes that are no operation."""

CHAIN_BOX, CHAIN_HEIGHT, CHAIN_STEP, HALVING_STEP = 168, 28, 42, 54
CELL_BOX, CELL_HEIGHT, CELL_GAP = 278, 58, 15
PILL, PILL_HEIGHT = 118, 26
SOURCE_COLORS = {-2: VERMILION, -1: BLUE}


@functools.singledispatch
def architecture_picture(architecture: object) -> Picture | None:
    """Draws a whole architecture; None for one of a kind that has no drawing."""
    return None


@architecture_picture.register
def chain_picture(architecture: MacroArchitecture) -> Picture:
    """Draws a macro architecture: the chain of its layers, each skip connection an arc."""
    depth = architecture.num_levels
    halved = [l for l in halvings(depth) if l < depth]
    ys = [24.0]
    for l in range(1, depth + 2):
        ys.append(ys[-1] + (HALVING_STEP if l - 1 in halved else CHAIN_STEP))
    figure, axes = canvas(ys[-1] + 24)
    longest = max([l - s for l in range(1, depth + 1) for s in architecture.sources(l)])
    for l in range(1, depth + 2):
        _straight(axes, ys[l - 1] + CHAIN_HEIGHT / 2, ys[l] - CHAIN_HEIGHT / 2)
        if l - 1 in halved:
            middle = (ys[l - 1] + ys[l]) / 2
            axes.text(CENTER + 9, middle - 1, "half the size", va="center", color=MUTED, size=SMALL)
    sides = _Arcs(CENTER + CHAIN_BOX / 2, 1, VERMILION), _Arcs(CENTER - CHAIN_BOX / 2, -1, BLUE)
    for l, layer in enumerate(architecture.layers, 1):
        for s in layer.skips:
            bulge = 22 + (CENTER - CHAIN_BOX / 2 - 34) * (l - s - 2) / max(longest - 2, 1)
            sides[l % 2].add(ys[s] + 4, ys[l] - 4, bulge)
    for arcs in sides:
        arcs.draw(axes)
    _box(axes, CENTER, ys[0], CHAIN_BOX, CHAIN_HEIGHT, "stem: conv 3×3", NEUTRAL)
    for l, layer in enumerate(architecture.layers, 1):
        shown = operation(layer.operation)
        _box(axes, CENTER, ys[l], CHAIN_BOX, CHAIN_HEIGHT, shown.label, shown.color)
        axes.text(CENTER - CHAIN_BOX / 2 + 9, ys[l], str(l), ha="left", va="center", color=DARK, size=SMALL, alpha=0.75)
    _box(axes, CENTER, ys[-1], CHAIN_BOX, CHAIN_HEIGHT, "average, softmax", NEUTRAL)
    skips = sum(len(layer.skips) for layer in architecture.layers)
    caption = (
        "From the image at the top to the classes at the bottom. Each layer reads the one right above it; an arc is a "
        "skip connection, which it reads as well. Arcs into layers of odd numbers are on the left, into even ones on "
        "the right, only to keep them apart."
    )
    if not skips:
        caption = "From the image at the top to the classes at the bottom. There are no skip connections."
    alt = f"A chain of {plural(depth, 'layer')} with {plural(skips, 'skip connection')}: {architecture}"
    return picture(figure, "architecture", alt, caption)


@architecture_picture.register
def cell_picture(architecture: MicroArchitecture) -> Picture:
    """Draws a cell: its two inputs, its blocks and its output."""
    inputs = {-2: 22.0, -1: 60.0}
    blocks = {
        b: 104 + (b - 1) * (CELL_HEIGHT + CELL_GAP) + CELL_HEIGHT / 2 for b in range(1, len(architecture.blocks) + 1)
    }
    end = 104 + len(blocks) * (CELL_HEIGHT + CELL_GAP) + 18
    figure, axes = canvas(end + 24)
    rows = [*inputs, *blocks]
    unused = architecture.unused_blocks()
    for b, block in enumerate(architecture.blocks, 1):
        for outward, side in zip((-1, 1), block.sides, strict=True):
            start = inputs[side.input] if side.input in inputs else blocks[side.input] + 20
            arcs = _Arcs(CENTER + outward * CELL_BOX / 2, outward, SOURCE_COLORS.get(side.input, MUTED), inward=10)
            arcs.add(start, blocks[b] + 8, _reach(rows.index(b) - rows.index(side.input), len(rows)))
            arcs.draw(axes)
    output = _Arcs(CENTER + CELL_BOX / 2, 1, GREEN)
    for b in unused[:-1]:
        output.add(blocks[b] + 20, end, _reach(len(rows) - rows.index(b), len(rows)))
    output.draw(axes)
    _straight(axes, blocks[unused[-1]] + CELL_HEIGHT / 2, end - CHAIN_HEIGHT / 2, GREEN)
    _box(axes, CENTER, inputs[-2], CELL_BOX, CHAIN_HEIGHT, "cell before the previous", NEUTRAL, VERMILION)
    _box(axes, CENTER, inputs[-1], CELL_BOX, CHAIN_HEIGHT, "previous cell", NEUTRAL, BLUE)
    for b, block in enumerate(architecture.blocks, 1):
        _block(axes, b, blocks[b], [side.operation for side in block.sides])
    text = "output" if len(unused) == 1 else f"output: {len(unused)} blocks, concatenated"
    _box(axes, CENTER, end, CELL_BOX, CHAIN_HEIGHT, text, NEUTRAL, GREEN)
    caption = (
        "The cell that is stacked, from its two inputs at the top to its output. A block adds the results of two "
        "operations; the line at each shows what it is applied to: the cell before the previous (orange), the previous "
        "cell (blue) or an earlier block (grey). Blocks that no other uses are the cell's output (green)."
    )
    alt = f"A cell of {plural(len(blocks), 'block')}: {architecture}"
    return picture(figure, "architecture", alt, caption)


def _reach(span: int, rows: int) -> float:
    """Returns how far a connection over `span` rows bows out: the longer, the farther, so that they nest."""
    return 14 + (CENTER - CELL_BOX / 2 - 26) * (span - 1) / max(rows - 1, 1)


def _box(
    axes: Axes, x: float, y: float, width: float, height: float, text: str, color: str, edge: str | None = None
) -> None:
    shape = FancyBboxPatch(
        (x - width / 2 + 6, y - height / 2 + 6),
        width - 12,
        height - 12,
        boxstyle="round,pad=6",
        facecolor=color,
        edgecolor=edge or color,
        linewidth=1.4,
        zorder=2,
    )
    axes.add_patch(shape)
    axes.text(x, y, text, ha="center", va="center", color=DARK, size=LETTER)


def _block(axes: Axes, number: int, y: float, operations: list[str]) -> None:
    shape = FancyBboxPatch(
        (CENTER - CELL_BOX / 2 + 6, y - CELL_HEIGHT / 2 + 6),
        CELL_BOX - 12,
        CELL_HEIGHT - 12,
        boxstyle="round,pad=6",
        facecolor=PAPER,
        edgecolor=GRID,
        linewidth=1.4,
    )
    axes.add_patch(shape)
    axes.text(CENTER, y - 17, f"block {number}", ha="center", va="center", color=MUTED, size=SMALL)
    for direction, name in zip((-1, 1), operations, strict=True):
        x, shown = CENTER + direction * (CELL_BOX / 2 - 10 - PILL / 2), operation(name)
        axes.plot([x, CENTER], [y + 8, y + 8], color=INK, linewidth=1.2, zorder=1.5)
        _box(axes, x, y + 8, PILL, PILL_HEIGHT, shown.label, shown.color)
    axes.add_patch(Circle((CENTER, y + 8), 7.5, facecolor=PAPER, edgecolor=INK, linewidth=1.2, zorder=3))
    axes.text(CENTER, y + 8, "+", ha="center", va="center", color=INK, size=LETTER, zorder=4)


def _straight(axes: Axes, top: float, bottom: float, color: str = MUTED) -> None:
    axes.add_patch(
        FancyArrowPatch(
            (CENTER, top),
            (CENTER, bottom),
            arrowstyle="-|>,head_length=4,head_width=2.5",
            shrinkA=0,
            shrinkB=0,
            color=color,
            linewidth=1.4,
        )
    )


class _Arcs:
    """Connections that leave a box at its side and come back in farther down; drawn together, since there are many.

    Args:
        x: the side of the boxes.
        outward: -1 to bow out to the left, 1 to the right.
        color: of the lines.
        inward: how far behind the side they end.
    """

    def __init__(self, x: float, outward: int, color: str, inward: float = 0) -> None:
        self.x, self.outward, self.color = x, outward, color
        self.end = x - outward * inward
        self._curves: list[Path] = []
        self._marks: list[Path] = []

    def add(self, top: float, bottom: float, bulge: float) -> None:
        """Adds a connection from `top` to `bottom` that bows out as far as `bulge`."""
        out, tip = self.x + self.outward * bulge * 4 / 3, self.end + self.outward * 5
        corners = [(self.x, top), (out, top), (out, bottom), (tip, bottom)]
        self._curves.append(Path(corners, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]))
        head = [(self.end, bottom), (tip, bottom - 3), (tip, bottom + 3), (self.end, bottom)]
        self._marks += [Path(head, closed=True), Path.circle((self.x, top), 2)]

    def draw(self, axes: Axes) -> None:
        """Draws what was added."""
        if self._curves:
            curves, marks = (Path.make_compound_path(*paths) for paths in (self._curves, self._marks))
            axes.add_patch(PathPatch(curves, facecolor="none", edgecolor=self.color, linewidth=1.3))
            axes.add_patch(PathPatch(marks, facecolor=self.color, linewidth=0, zorder=5))
