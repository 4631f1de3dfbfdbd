import dataclasses
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from epnas_tf.config import RecipeConfig
from epnas_tf.metrics import ClassMetrics
from epnas_tf.report.figures import training as training_figures
from epnas_tf.report.figures.drawing import drawing
from epnas_tf.report.figures.svg import SVG
from epnas_tf.report.training_files import read_training


@pytest.fixture(scope="module")
def training(macro):
    return read_training(macro / "final")


def texts(picture):
    return [element.text for element in ElementTree.fromstring(picture.svg).iter(f"{{{SVG}}}text")]


RECIPE = RecipeConfig(dropout_keep=1.0)
CURVES = (
    lambda epochs: training_figures.loss_picture(epochs, RECIPE),
    lambda epochs: training_figures.training_accuracy_picture(epochs, RECIPE),
    lambda epochs: training_figures.learning_rate_picture(epochs, RECIPE),
)


@pytest.mark.parametrize("draw", CURVES)
def test_curves(training, draw):
    with drawing():
        drawn = draw(training.epochs)
    assert "epoch" in texts(drawn)
    assert "12 epochs" in drawn.alt
    assert ("validation" in texts(drawn)) == (draw is not CURVES[2])


def test_no_validation_no_curve(training):
    epochs = [dataclasses.replace(e, validation_loss=None, validation_accuracy=None) for e in training.epochs]
    with drawing():
        drawn = training_figures.loss_picture(epochs, RECIPE)
    assert "validation" not in texts(drawn)
    assert "no validation images were held out" in drawn.caption


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Mean cross-entropy of each epoch, L2 is not counted"),
        ({}, "is measured on augmented images, so"),
        ({"dropout_keep": 0.9}, "on augmented images with dropout, so"),
        ({"dropout_keep": 0.9, "drop_path_keep": 0.6}, "with dropout and drop-path, so"),
        ({"label_smoothing": 0.1}, "Mean cross-entropy of the smoothed labels of each epoch"),
        ({"label_smoothing": 0.1, "cutmix": 1.0}, "of the smoothed and mixed labels of each epoch"),
        ({"mixup": 0.2, "dropout_keep": 0.9}, "on mixed and augmented images with dropout, so"),
        ({"ema_decay": 0.999}, "the better one. It is that of the averaged weights."),
        ({"auxiliary_weight": 0.4}, "L2 and the auxiliary head’s loss are not counted"),
    ],
)
def test_caption_says_what_the_training_was_measured_with(training, changes, said):
    with drawing():
        drawn = training_figures.loss_picture(training.epochs, dataclasses.replace(RECIPE, **changes))
    assert said in drawn.caption


@pytest.mark.parametrize(("epochs", "said"), [(0.0, False), (2.5, True)])
def test_caption_names_a_warm_up(training, epochs, said):
    recipe = dataclasses.replace(RECIPE, warmup_epochs=epochs)
    with drawing():
        assert ("warm-up" in training_figures.learning_rate_picture(training.epochs, recipe).caption) == said


def test_one_epoch_and_a_loss_without_end(training):
    with drawing():
        for draw in CURVES:
            assert "1 epoch" in draw(training.epochs[:1]).alt
        CURVES[0]([dataclasses.replace(training.epochs[0], validation_loss=float("inf"))])


def figures_of(training, number):
    confusion = np.diag(np.full(number, 50)) + np.eye(number, k=1, dtype=np.int64)
    classes = tuple(ClassMetrics(f"name {i} that is long", 1, 1, 1, 50) for i in range(number))
    metrics = dataclasses.replace(training.figures.metrics, classes=classes, confusion=tuple(map(tuple, confusion)))
    return dataclasses.replace(training.figures, metrics=metrics)


def test_confusion_has_numbers(training):
    with drawing():
        shown = texts(training_figures.confusion_picture(training.figures))
    counts = np.array(training.figures.metrics.confusion)
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
