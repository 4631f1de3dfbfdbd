import json
import math

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as reference

from epnas_tf.errors import DataError
from epnas_tf.metrics import (
    ClassMetrics,
    Mean,
    Metrics,
    accuracy_interval,
    mean_text,
    measure,
    pareto_front,
    percent_of_images,
    points_text,
    rank_correlation,
    with_interval,
)

NAMES = ("ant", "bee", "cat")
LABELS = np.array([0, 0, 1, 1, 1, 0])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.5, 0.2], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.6, 0.2, 0.2], [0.5, 0.25, 0.25]], np.float32
)


@pytest.fixture
def random_predictions():
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 8, 500)
    scores = generator.normal(size=(500, 8)) + 1.5 * np.eye(8)[labels]
    return labels, (np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).astype(np.float32)


def test_figures_are_those_computed_by_hand():
    # Predicted 0, 1, 1, 1, 0, 0 for the true 0, 0, 1, 1, 1, 0; no image is a cat and none is taken for one.
    measured = measure(LABELS, PROBABILITIES, NAMES)
    assert measured.accuracy == pytest.approx(4 / 6)
    assert measured.top_5 is None
    assert measured.num_images == 6
    true = [0.8, 0.3, 0.8, 0.5, 0.2, 0.5]
    assert measured.loss == pytest.approx(-sum(map(math.log, true)) / 6, rel=1e-6)
    assert measured.confusion == ((2, 1, 0), (1, 2, 0), (0, 0, 0))
    assert [figures.name for figures in measured.classes] == ["ant", "bee", "cat"]
    for figures in measured.classes[:2]:
        assert (figures.precision, figures.recall, figures.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
        assert figures.num_images == 3


def test_class_without_images_or_predictions_has_figures_of_zero_and_no_warning():
    measured = measure(LABELS, PROBABILITIES, NAMES)  # a warning would be an error here
    assert measured.classes[2] == ClassMetrics("cat", 0.0, 0.0, 0.0, 0)
    never_predicted = measure(np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]]), NAMES[:2])
    assert never_predicted.classes[1] == ClassMetrics("bee", 0.0, 0.0, 0.0, 1)
    assert never_predicted.classes[0].precision == 0.5


def test_figures_agree_with_scikit_learn(random_predictions):
    labels, probabilities = random_predictions
    measured = measure(labels, probabilities, [f"class {i}" for i in range(8)])
    predicted = probabilities.argmax(1)
    assert measured.accuracy == pytest.approx(reference.accuracy_score(labels, predicted))
    assert measured.top_5 == pytest.approx(reference.top_k_accuracy_score(labels, probabilities, k=5))
    assert measured.accuracy < measured.top_5 < 1  # or the line above would show nothing
    rows = probabilities.astype(np.float64)
    rows /= rows.sum(1, keepdims=True)  # scikit-learn warns where a row's sum is off in the seventh digit
    assert measured.loss == pytest.approx(reference.log_loss(labels, rows), rel=1e-5)
    assert np.array_equal(measured.confusion, reference.confusion_matrix(labels, predicted))
    report = reference.classification_report(labels, predicted, output_dict=True)
    for number, figures in enumerate(measured.classes):
        expected = report[str(number)]
        assert figures.precision == pytest.approx(expected["precision"])
        assert figures.recall == pytest.approx(expected["recall"])
        assert figures.f1 == pytest.approx(expected["f1-score"])
        assert figures.num_images == expected["support"]


def test_probability_of_zero_costs_what_the_smallest_probability_costs():
    measured = measure(np.array([1]), np.array([[1.0, 0.0]], np.float32), ["a", "b"])
    assert measured.loss == pytest.approx(-math.log(1e-12))


def test_of_equal_probabilities_the_lower_class_counts_as_the_higher():
    uniform = np.full((6, 6), 1 / 6, np.float32)
    measured = measure(np.arange(6), uniform, list("abcdef"))
    assert measured.accuracy == pytest.approx(1 / 6)
    assert measured.top_5 == pytest.approx(5 / 6)
    assert measured.classes[0].recall == 1
    assert measured.confusion[5][0] == 1


def test_figures_survive_json_and_pass_over_other_keys(random_predictions):
    measured = measure(*random_predictions, [str(i) for i in range(8)])
    document = json.loads(json.dumps({**measured.to_dict(), "split": "test", "seconds": 3.5}))
    assert Metrics.from_dict(document) == measured
    assert document.keys() == {"accuracy", "top_5", "loss", "num_images", "classes", "confusion", "split", "seconds"}
    assert document["classes"][0].keys() == {"name", "precision", "recall", "f1", "num_images"}


@pytest.mark.parametrize("change", [{"classes": 3}, {"confusion": None}, {"loss": "low"}, {"accuracy": None}])
def test_what_is_no_figures_is_refused(change):
    document = measure(LABELS, PROBABILITIES, NAMES).to_dict()
    with pytest.raises(DataError, match=r"Metrics\.to_dict.*Received"):
        Metrics.from_dict({**document, **change})
    del document["loss"]
    with pytest.raises(DataError, match="'loss'"):
        Metrics.from_dict(document)


@pytest.mark.parametrize(
    ("labels", "probabilities", "names", "message"),
    [
        (LABELS[:0], PROBABILITIES[:0], NAMES, "n at least 1"),
        (LABELS.astype(float), PROBABILITIES, NAMES, "whole numbers.*float64"),
        (LABELS, PROBABILITIES, NAMES[:1], "1 class names"),
        (LABELS, PROBABILITIES, NAMES[:2], r"floats \[6, 2\].*Received: float32 \[6, 3\]"),
        (LABELS, PROBABILITIES[:5], NAMES, r"floats \[6, 3\].*Received: float32 \[5, 3\]"),
        (LABELS + 1, PROBABILITIES, NAMES, None),
        (LABELS + 2, PROBABILITIES, NAMES, "within 0 and 2.*from 2 to 3"),
        (LABELS - 1, PROBABILITIES, NAMES, "from -1 to 0"),
        (LABELS, np.full((6, 3), np.nan), NAMES, "finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(labels, probabilities, names, message):
    if message is None:
        assert measure(labels, probabilities, names).num_images == 6
        return
    with pytest.raises(DataError, match=message):
        measure(labels, probabilities, names)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(1, 2), (3, 4)],
        [(1, 2), (1, 3), (1, 4)],
        [(1, 2), (3, 2), (4, 2)],
        [(1, 2), (3, 4), (float("nan"), 5)],
        [(1, 2), (3, 4), (None, 5)],
    ],
)
def test_rank_correlation_is_none_where_it_is_undefined_or_says_nothing(pairs):
    assert rank_correlation(pairs) is None


def test_rank_correlation():
    assert rank_correlation([(1, 10), (2, 30), (3, 20)]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("costs", "scores", "front"),
    [
        ([], [], []),
        ([3], [0.1], [0]),
        ([1, 2, 3], [0.1, 0.2, 0.3], [0, 1, 2]),
        ([3, 2, 1], [0.1, 0.2, 0.3], [2]),
        ([1, 1, 2, 2], [0.2, 0.3, 0.3, 0.4], [1, 3]),
        ([2, 2], [0.5, 0.5], [0]),
    ],
)
def test_pareto_front(costs, scores, front):
    assert pareto_front(costs, scores) == front


@pytest.mark.parametrize(("right", "images"), [(33, 54), (54, 54), (0, 54), (161, 162), (9465, 10_000)])
def test_interval_of_an_accuracy_is_wilsons(right, images):
    interval = scipy.stats.binomtest(right, images).proportion_ci(method="wilson")
    assert accuracy_interval(right / images, images) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_accuracies_have_the_digits_that_one_image_can_change():
    assert with_interval(33 / 54, 54) == "61 % (48 … 73 %)"
    assert with_interval(161 / 162, 162) == "99.4 % (96.6 … 99.9 %)"
    assert with_interval(0.9465, 10_000) == "94.65 % (94.19 … 95.07 %)"
    assert percent_of_images(None, 54) == "-"
    assert [percent_of_images(value, 54) for value in (-0.1, 1.2)] == ["0 %", "100 %"]  # predictions


@pytest.mark.parametrize("images", [54, 100, 162, 1000, 5000])
def test_two_counts_of_images_are_never_shown_alike(images):
    shown = {percent_of_images(right / images, images) for right in range(images + 1)}
    assert len(shown) == images + 1


@pytest.mark.parametrize(
    ("mean", "images", "as_accuracy", "as_points"),
    [
        (Mean(0.9012, 0.8944, 0.9081), 10_000, "90.12 % (89.44 … 90.81)", "+90.12 (89.44 … 90.81)"),
        (Mean(-1e-9, -0.014, 0.014), 180, "0.0 % (0.0 … 1.4)", "+0.0 (−1.4 … 1.4)"),
        (Mean(0.99, 0.97, 1.2), 180, "99.0 % (97.0 … 100.0)", "+99.0 (97.0 … 100.0)"),
        (Mean(-0.02, None, None), 180, "0.0 %", "−2.0"),
        (None, 180, "-", "-"),
    ],
)
def test_texts_of_means(mean, images, as_accuracy, as_points):
    assert (mean_text(mean, images), points_text(mean, images)) == (as_accuracy, as_points)
