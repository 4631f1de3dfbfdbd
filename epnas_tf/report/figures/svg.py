"""Conversion of a figure to SVG: small, reproducible, and safe to embed in a page beside others.

Matplotlib makes the layout; this module cleans its file. Text stays text, set in the reader's own font. In the page,
the four colours of `PAGE_COLORS` follow the light or dark scheme; in a file they stay as they are.
"""

import io
import re
import warnings
import xml.etree.ElementTree as ElementTree

from matplotlib.figure import Figure

INK = "#1d2733"
MUTED = "#64707d"
GRID = "#dfe4e8"
PAPER = "#fdfefe"
PAGE_COLORS = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--card"}
"""The colours that the page replaces by its own, and the names of the page's."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
UNWANTED = (f"{{{SVG}}}metadata", f"{{{SVG}}}style")
"""The elements that are left out; a style's rules would hold for the whole page."""

NUMBERS = ("d", "x", "y", "width", "height", "transform", "points")
"""The attributes whose numbers are rounded to hundredths of a pixel."""


def to_svg(figure: Figure, name: str, alt: str) -> str:
    """Converts a figure to the text of an SVG file.

    Args:
        figure: the figure, one unit per pixel at 72 dots per inch.
        name: the prefix of its ids, of letters, digits and "-".
        alt: a description in words.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # Only widths are taken from Matplotlib's font; the reader's own has the letters of more scripts.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in UNWANTED:
                parent.remove(child)
    _set_ids(root, name)
    for element in root.iter():
        _shorten(element)
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib.update(width=width, height=height, role="img")
    root.set("aria-label", alt)
    root.set("style", f"font-family: {FONT}; stroke-linejoin: round; stroke-linecap: butt")
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def in_page(svg: str) -> str:
    """Converts the text of an SVG file for embedding in the page, with the page's colours."""
    for color, variable in PAGE_COLORS.items():
        svg = svg.replace(f": {color}", f": var({variable})")
    return svg


def _set_ids(root: ElementTree.Element, name: str) -> None:
    """Keeps the ids that are referenced, and makes them unique to the figure."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == HREF and value.startswith("#"):
                used.add(value[1:])
                element.set(key, f"#{name}-{value[1:]}")
            elif value.startswith("url(#"):
                used.add(value[5:-1])
                element.set(key, f"url(#{name}-{value[5:-1]})")
    for element in root.iter():
        identifier = element.attrib.pop("id", None)
        if identifier in used:
            element.set("id", f"{name}-{identifier}")


def _shorten(element: ElementTree.Element) -> None:
    for key in NUMBERS:
        value = element.get(key)
        if value is not None:
            value = re.sub(r"-?\d+\.\d+", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value)
            element.set(key, " ".join(value.split()))
    style = element.get("style")
    if style is not None and "font-family" in style:
        element.set("style", re.sub(r"font-family: [^;]*(; )?", "", style).rstrip("; "))
    if element.get("transform", "").startswith(("rotate(-0 ", "rotate(0 ")):
        del element.attrib["transform"]
    if element.tag != f"{{{SVG}}}text":
        element.text = None
    element.tail = None
