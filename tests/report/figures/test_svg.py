import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest

from epnas_tf.report.figures.drawing import canvas, drawing, field, level_colors, operation, picture, plot
from epnas_tf.report.figures.svg import HREF, SVG, in_page


def draw(name="name", label="label"):
    with drawing():
        figure, axes = plot(200)
        axes.scatter([1, 2], [3.123456789, 4])
        axes.set_xlabel(label)
        return picture(figure, name, 'a <picture> of & "two" dots', "how to read it")


def tree(drawn):
    return ElementTree.fromstring(drawn.svg)


def test_stands_alone_and_says_what_it_is():
    root = tree(draw())
    assert root.tag == f"{{{SVG}}}svg"
    assert (root.get("width"), root.get("height")) == ("400", "200")
    assert root.get("aria-label") == 'a <picture> of & "two" dots'
    assert not root.findall(f".//{{{SVG}}}metadata")
    assert not root.findall(f".//{{{SVG}}}style")  # a rule in it would hold for the whole page


def test_ids_are_its_own_and_all_used():
    root = tree(draw("mine"))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(identifier.startswith("mine-") for identifier in ids)
    assert len(set(ids)) == len(ids)
    used = {element.get(HREF, "")[1:] for element in root.iter()}
    used |= {value[5:-1] for element in root.iter() for value in element.attrib.values() if value.startswith("url(#")}
    assert set(ids) == used - {""}


def test_same_each_time_whatever_the_user_has_set():
    first = draw().svg
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red", "svg.hashsalt": "x"}):
        assert draw().svg == first
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("label", ["$x^2", "a < b & c > d", "\\alpha", "猫の写真"])
def test_texts_are_texts(label):
    assert label in [element.text for element in tree(draw(label=label)).iter(f"{{{SVG}}}text")]


def test_page_has_its_own_colors():
    drawn = draw()
    assert "var(--" not in drawn.svg
    assert "fill: var(--card)" in in_page(drawn.svg)
    assert "fill: var(--muted)" in in_page(drawn.svg)


@pytest.mark.parametrize(("color", "ink"), [("#ffffff", "#14191f"), (None, "#14191f"), ("#0b4a86", "#ffffff")])
def test_text_in_a_field_can_be_read(color, ink):
    with drawing():
        figure, axes = canvas(50)
        field(axes, 0, 0, 20, 20, color, "7")
        root = tree(picture(figure, "name", "alt", ""))
    (text,) = root.iter(f"{{{SVG}}}text")
    assert f"fill: {ink}" in text.get("style")


def test_levels_are_told_apart():
    assert len(set(level_colors(12))) == 12
    assert len(level_colors(1)) == 1


def test_operation_of_a_space_of_ones_own():
    shown = operation("my_dilated_convolution_7x7")
    assert shown.label == "my dilated convol…"
    assert shown.short == "my_…"
