"""The drawing of the best architecture, defined by its space (`SpaceDefinition.draw`): boxes and lines."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path

from epnas_tf.nn import is_known
from epnas_tf.report.figures.drawing import (
    BLUE,
    DARK,
    GREEN,
    LETTER,
    SMALL,
    VERMILION,
    Picture,
    canvas,
    operation,
    picture,
)
from epnas_tf.report.figures.svg import GRID, INK, MUTED, PAPER
from epnas_tf.space import definition_of, picture as values
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.picture import BOX_HEIGHT, CENTER

NEUTRAL = "#e9edf0"
"""The ground of boxes that are no operation."""

PILL, PILL_HEIGHT = 118, 26
COLORS = {values.GREY: MUTED, values.BLUE: BLUE, values.VERMILION: VERMILION, values.GREEN: GREEN}


def architecture_picture(architecture: Architecture) -> Picture:
    """Draws a whole architecture."""
    drawn = definition_of(architecture).drawing_of(architecture)
    figure, axes = canvas(drawn.height)
    for shape in drawn.shapes:
        DRAW[type(shape)](axes, shape)
    return picture(figure, "architecture", drawn.alt, drawn.caption)


def _box(axes: Axes, box: values.Box) -> None:
    text, color = box.text, NEUTRAL
    if is_known(text):
        text, color = operation(text).label, operation(text).color
    _filled(axes, CENTER, box.y, box.width, BOX_HEIGHT, text, color, COLORS.get(box.edge))
    if box.number:
        x = CENTER - box.width / 2 + 9
        axes.text(x, box.y, box.number, ha="left", va="center", color=DARK, size=SMALL, alpha=0.75)


def _filled(
    axes: Axes, x: float, y: float, width: float, height: float, text: str, color: str, edge: str | None = None
) -> None:
    _rounded(axes, x, y, width, height, facecolor=color, edgecolor=edge or color, zorder=2)
    axes.text(x, y, text, ha="center", va="center", color=DARK, size=LETTER)


def _rounded(axes: Axes, x: float, y: float, width: float, height: float, **look: Any) -> None:
    """Draws a box with round corners around a centre."""
    corner = (x - width / 2 + 6, y - height / 2 + 6)
    axes.add_patch(FancyBboxPatch(corner, width - 12, height - 12, boxstyle="round,pad=6", linewidth=1.4, **look))


def _block(axes: Axes, block: values.Block) -> None:
    y = block.y
    _rounded(axes, CENTER, y, block.width, block.height, facecolor=PAPER, edgecolor=GRID)
    axes.text(CENTER, y - 17, block.title, ha="center", va="center", color=MUTED, size=SMALL)
    for direction, name in zip((-1, 1), block.operations, strict=True):
        x, shown = CENTER + direction * (block.width / 2 - 10 - PILL / 2), operation(name)
        axes.plot([x, CENTER], [y + 8, y + 8], color=INK, linewidth=1.2, zorder=1.5)
        _filled(axes, x, y + 8, PILL, PILL_HEIGHT, shown.label, shown.color)
    axes.add_patch(Circle((CENTER, y + 8), 7.5, facecolor=PAPER, edgecolor=INK, linewidth=1.2, zorder=3))
    axes.text(CENTER, y + 8, "+", ha="center", va="center", color=INK, size=LETTER, zorder=4)


def _arrow(axes: Axes, arrow: values.Arrow) -> None:
    look: dict[str, Any] = {"shrinkA": 0, "shrinkB": 0, "color": COLORS[arrow.color], "linewidth": 1.4}
    ends, head = [(CENTER, arrow.top), (CENTER, arrow.bottom)], "-|>,head_length=4,head_width=2.5"
    axes.add_patch(FancyArrowPatch(*ends, arrowstyle=head, **look))


def _note(axes: Axes, note: values.Note) -> None:
    axes.text(CENTER + 9, note.y, note.text, va="center", color=MUTED, size=SMALL)


def _arcs(axes: Axes, arcs: values.Arcs) -> None:
    """Draws connections as one curve and one set of marks, since they may be many."""
    start = CENTER + arcs.side * arcs.width / 2
    end, color = start - arcs.side * arcs.inward, COLORS[arcs.color]
    curves, marks = [], []
    for top, bottom, bulge in arcs.curves:
        out, tip = start + arcs.side * bulge * 4 / 3, end + arcs.side * 5
        corners = [(start, top), (out, top), (out, bottom), (tip, bottom)]
        curves.append(Path(corners, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]))
        head = [(end, bottom), (tip, bottom - 3), (tip, bottom + 3), (end, bottom)]
        marks += [Path(head, closed=True), Path.circle((start, top), 2)]
    if curves:
        lines, filled = (Path.make_compound_path(*paths) for paths in (curves, marks))
        axes.add_patch(PathPatch(lines, facecolor="none", edgecolor=color, linewidth=1.3))
        axes.add_patch(PathPatch(filled, facecolor=color, linewidth=0, zorder=5))


DRAW: dict[type, Callable[[Axes, Any], None]] = {
    values.Box: _box,
    values.Block: _block,
    values.Arrow: _arrow,
    values.Note: _note,
    values.Arcs: _arcs,
}
