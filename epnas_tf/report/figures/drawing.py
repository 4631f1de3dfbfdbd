"""The parts that all pictures share: size, fonts, colours, and conversion for the page and for a file."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from epnas_tf.nn import Operation, is_known, operation as registered
from epnas_tf.report.figures.svg import GRID, INK, MUTED, PAPER, to_svg
from epnas_tf.space.picture import WIDTH

LETTER = 12.0
SMALL = 10.5

# Okabe and Ito's colours, which people with any colour vision can tell apart.
BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"

BLUES = ("#eaf3f9", "#9cc8e3", "#4292c6", "#0b4a86")
ORANGES = ("#fdf0e2", "#fbc68f", "#ec8a3a", "#b54a06")
"""From little to much, one hue each."""

DARK = "#14191f"
"""Letters on a coloured ground, in the dark scheme too."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        name: the name of its file, without the extension.
        svg: the text of the file.
        alt: a description in words.
        caption: an explanation of how to read it.
    """

    name: str
    svg: str
    alt: str
    caption: str


def operation(name: str) -> Operation:
    """Returns an operation's record for display, or a default one if its plugin is not loaded."""
    return registered(name) if is_known(name) else Operation(name, registered)


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Configures Matplotlib for the pictures, independently of the user's settings, and restores those afterwards."""
    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": "epnas_tf",  # ids that do not differ from time to time
        "text.parse_math": False,  # a class may be called "$"
        "font.size": LETTER,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": GRID,
        "axes.facecolor": PAPER,
        "figure.facecolor": PAPER,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.labelpad": 5,
        "grid.color": GRID,
        "grid.linewidth": 1,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "ytick.major.size": 0,
        "xtick.major.size": 3,
        "legend.frameon": False,
        "legend.handlelength": 1.2,
        "legend.handletextpad": 0.4,
        "legend.columnspacing": 1.0,
        "legend.borderpad": 0,
        "legend.borderaxespad": 0,
        "lines.linewidth": 1.8,
    }
    with style.context(["default", settings]):
        yield


def plot(height: float) -> tuple[Figure, Axes]:
    """Makes a figure of the common width with one pair of axes and margins fitted to their labels."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
    return figure, figure.add_subplot()


def canvas(height: float) -> tuple[Figure, Axes]:
    """Makes a blank figure: x from 0 to the common width, y from 0 at the top, in pixels."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    return figure, axes


def picture(figure: Figure, name: str, alt: str, caption: str) -> Picture:
    """Converts a drawn figure to a picture for the page."""
    return Picture(name, to_svg(figure, name, alt), alt, caption)


def field(axes: Axes, x: float, y: float, width: float, height: float, color: str | None, text: str = "") -> None:
    """Draws one cell of a matrix with its text; a colour of None leaves it empty."""
    look: dict[str, Any] = {"facecolor": color or PAPER, "edgecolor": PAPER if color else GRID, "linewidth": 1}
    axes.add_patch(Rectangle((x + 1, y + 1), max(width - 2, 1), max(height - 2, 1), **look))
    if text:
        ink = ink_on(color or PAPER)
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", color=ink, size=SMALL)


def blend(ramp: tuple[str, ...], part: float) -> str:
    """Interpolates a colour at a position, in [0, 1], of a colour ramp."""
    return to_hex(LinearSegmentedColormap.from_list("", ramp)(min(max(part, 0.0), 1.0)))


def ink_on(color: str) -> str:
    """The colour of letters on a coloured ground, by its relative luminance."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return DARK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.2 else "#ffffff"


def level_colors(num_levels: int) -> list[str]:
    """Returns a colour for each level, from the first to the deepest; they also differ in lightness."""
    # Both ends are left out: they would vanish on a dark or on a light ground.
    ramp = matplotlib.colormaps["viridis"]
    return [to_hex(ramp(0.28 + 0.62 * i / max(num_levels - 1, 1))) for i in range(num_levels)]


def plot_by_level(height: float, levels: Sequence[int], num_levels: int) -> tuple[Figure, Axes]:
    """Makes a figure like `plot`, with a legend of the colours of some of `num_levels` levels above its axes."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
    legend, axes = figure.subplots(2, height_ratios=(1, height / 17 - 1))
    legend.set_axis_off()
    legend.set(xlim=(0, 340), ylim=(0, 1))  # about its pixels
    legend.text(0, 0.5, "level", va="center", color=MUTED, size=SMALL)
    width = min(300 / len(levels), 24)
    colors = level_colors(num_levels)
    for i, level in enumerate(levels):
        color = colors[level - 1]
        legend.add_patch(Rectangle((36 + i * width, 0), width, 1, facecolor=color, linewidth=0, clip_on=False))
        look = {"ha": "center", "va": "center", "color": ink_on(color), "size": SMALL if width > 18 else 8}
        legend.text(36 + (i + 0.5) * width, 0.5, str(level), **look)
    return figure, axes


def percent_axis(axis: Axis) -> None:
    """Labels an axis of fractions in percent; the space beyond 100 % is only a margin."""
    axis.set_major_locator(MaxNLocator(5, min_n_ticks=3))
    axis.set_major_formatter(lambda part, _: f"{100 * part:.4g} %" if part < 1 + 1e-9 else "")
