import dataclasses
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from epnas_tf.metrics import ClassMetrics
from epnas_tf.report import training_figures
from epnas_tf.report.drawing import drawing
from epnas_tf.report.svg import SVG
from epnas_tf.report.training_files import read_training


@pytest.fixture(scope="module")
def training(macro):
    return read_training(macro / "final")


def texts(picture):
    return [element.text for element in ElementTree.fromstring(picture.svg).iter(f"{{{SVG}}}text")]


CURVES = (
    training_figures.loss_picture,
    training_figures.training_accuracy_picture,
    training_figures.learning_rate_picture,
)


@pytest.mark.parametrize("draw", CURVES)
def test_curves(training, draw):
    with drawing():
        drawn = draw(training.epochs)
        assert draw([]) is None
    assert "epoch" in texts(drawn)
    assert "12 epochs" in drawn.alt
    assert ("validation" in texts(drawn)) == (draw is not CURVES[2])


def test_no_validation_no_curve(training):
    epochs = [dataclasses.replace(e, validation_loss=None, validation_accuracy=None) for e in training.epochs]
    with drawing():
        drawn = training_figures.loss_picture(epochs)
    assert "validation" not in texts(drawn)
    assert "no validation images were held out" in drawn.caption


def test_one_epoch_and_a_loss_without_end(training):
    with drawing():
        for draw in CURVES:
            assert "1 epoch" in draw(training.epochs[:1]).alt
        training_figures.loss_picture([dataclasses.replace(training.epochs[0], validation_loss=float("inf"))])


def figures_of(training, number):
    confusion = np.diag(np.full(number, 50)) + np.eye(number, k=1, dtype=np.int64)
    classes = tuple(ClassMetrics(f"name {i} that is long", 1, 1, 1, 50) for i in range(number))
    return dataclasses.replace(training.figures, classes=classes, confusion=confusion)


def test_confusion_has_numbers(training):
    with drawing():
        shown = texts(training_figures.confusion_picture(training.figures))
    counts = training.figures.confusion
    assert sorted(text for text in shown if text.isdigit()) == sorted(
        [str(i) for i in range(10)] * 2 + [str(value) for value in counts[counts > 0]]
    )


@pytest.mark.parametrize(
    ("number", "named", "numbered"), [(2, True, True), (16, True, True), (40, True, False), (100, False, False)]
)
def test_confusion_of_many_classes(training, number, named, numbered):
    with drawing():
        drawn = training_figures.confusion_picture(figures_of(training, number))
    shown = texts(drawn)
    assert ("name 0 that i…" in shown) == named
    assert ("50" in shown) == numbered
    assert ("<image" in drawn.svg) == (not numbered)
    assert len(drawn.svg) < 200_000
