import dataclasses
import xml.etree.ElementTree as ElementTree

from epnas_tf.report.figures.architecture import architecture_picture
from epnas_tf.report.figures.drawing import BLUE, GREEN, VERMILION, drawing
from epnas_tf.report.figures.svg import MUTED, SVG
from epnas_tf.space import (
    BlockSide,
    MacroArchitecture,
    MacroLayer,
    MicroArchitecture,
    MicroBlock,
    definition_of_space,
)
from epnas_tf.space.definition import _BY_ARCHITECTURE
from tests.report.runs import CELL


def draw(architecture):
    with drawing():
        return architecture_picture(architecture)


def texts(picture):
    return [element.text for element in ElementTree.fromstring(picture.svg).iter(f"{{{SVG}}}text")]


def curves(picture, color):
    """Counts the open curves of a colour."""
    paths = ElementTree.fromstring(picture.svg).iter(f"{{{SVG}}}path")
    drawn = [path for path in paths if f"stroke: {color};" in path.get("style", "")]
    return sum(path.get("d").count("C") for path in drawn if "fill: none" in path.get("style"))


def test_chain():
    layers = [MacroLayer("conv_3x3"), MacroLayer("sep_conv_5x5", (0,)), MacroLayer("max_pool_3x3", (0, 1))]
    drawn = draw(MacroArchitecture(tuple(layers)))
    shown = texts(drawn)
    assert [text for text in shown if not text.isdigit()] == [
        *("half the size", "half the size"),
        *("stem: conv 3×3", "conv 3×3", "sep conv 5×5", "max pool 3×3", "average, softmax"),
    ]
    assert [text for text in shown if text.isdigit()] == ["1", "2", "3"]
    assert (curves(drawn, VERMILION), curves(drawn, BLUE)) == (1, 2)  # into layer 2, into layer 3
    assert drawn.alt.startswith("A chain of 3 layers with 3 skip connections: 1 conv_3x3 | ")


def test_chain_without_skips():
    drawn = draw(MacroArchitecture((MacroLayer("conv_3x3"), MacroLayer("conv_3x3"))))
    assert "There are no skip connections." in drawn.caption
    assert "half the size" not in texts(drawn)


def test_deep_chain_grows_downwards_only():
    layers = tuple(MacroLayer("conv_3x3", tuple(range(l - 1))) for l in range(1, 31))
    root = ElementTree.fromstring(draw(MacroArchitecture(layers)).svg)
    assert root.get("width") == "400"
    assert float(root.get("height")) > 1000


def test_cell():
    drawn = draw(CELL)  # block 2 uses block 1; blocks 2 and 3 are the output
    shown = texts(drawn)
    assert "cell before the previous" in shown
    assert "previous cell" in shown
    assert "output: 2 blocks, concatenated" in shown
    assert [text for text in shown if text.startswith("block ")] == ["block 1", "block 2", "block 3"]
    assert {"conv 3×3", "identity", "sep conv 5×5", "average pool 3×3", "conv 5×5", "max pool 3×3"} <= set(shown)
    assert curves(drawn, VERMILION) == 1  # of the cell before the previous
    assert curves(drawn, BLUE) == 4  # of the previous cell
    assert curves(drawn, MUTED) == 1  # of block 1
    assert curves(drawn, GREEN) == 1  # block 2 to the output; block 3 stands right above it


def test_cell_of_one_block():
    block = MicroBlock(BlockSide("identity", -1), BlockSide("conv_3x3", -1))
    drawn = draw(MicroArchitecture((block,)))
    assert "output" in texts(drawn)
    assert curves(drawn, GREEN) == 0


class Pair(tuple):
    """An architecture of a space that has no picture of its own."""


def test_architecture_of_a_space_without_a_picture_is_a_column_of_boxes(monkeypatch):
    definition = dataclasses.replace(
        definition_of_space("macro"), name="pairs", architecture=Pair, to_json=lambda pair: list(pair), draw=None
    )
    monkeypatch.setitem(_BY_ARCHITECTURE, Pair, definition)
    drawn = draw(Pair(("conv_3x3", "mine")))
    assert texts(drawn) == ["conv 3×3", "1", "mine", "2"]
    assert drawn.alt == "('conv_3x3', 'mine')"
