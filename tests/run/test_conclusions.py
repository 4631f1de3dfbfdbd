import dataclasses

import pytest

from epnas_tf.metrics import mean_of_trainings
from epnas_tf.nn.costs import Cost
from epnas_tf.run.conclusions import compared, conclusion, ranking_conclusion
from epnas_tf.run.correlation import Correlation
from epnas_tf.run.opponents import Opponent
from epnas_tf.space.graph import Graph

FOUND = Opponent("found", "found network", Graph(), Cost(268_000, 2_000_000), "conv")
RESNET = Opponent("resnet", "ResNet-20", Graph(), Cost(272_474, 3_000_000), note="16, 32, 64 channels")
PLAIN = Opponent("plain", "plain chain of 9 convolutions", Graph(), Cost(68_001, 3_000_000))
LARGEST = Opponent("largest", "largest network of the space", Graph(), Cost(1_200_000, 3_000_000), "big")


def rows_of(accuracies, num_images=10_000):
    """Returns the rows of a comparison: the accuracies of each network in percent, None where it diverged."""
    opponents = {one.name: [one] * 3 for one in (RESNET, FOUND, PLAIN, LARGEST) if one.name in accuracies}
    records = [
        {"network": name, "accuracy": None if values[seed] is None else values[seed] / 100}
        for seed in range(max(map(len, accuracies.values())))
        for name, values in accuracies.items()
        if seed < len(values)
    ]
    return compared(opponents, records, num_images, {"found": 1.5})


def sentence(num_images=10_000, **accuracies):
    return conclusion(rows_of(accuracies, num_images), num_images)


def test_rows_have_means_and_differences_seed_by_seed():
    found, resnet = rows_of({"found": [90.0, 91.0, 92.0], "resnet": [89.0, 90.5, 90.0]})
    assert (found.name, found.difference, found.latency_ms, resnet.latency_ms) == ("found", None, 1.5, None)
    assert resnet.accuracies == pytest.approx((0.89, 0.905, 0.9))
    # Student's quantile for two degrees of freedom is 4.3027; the differences 1, 0.5, 2 have a spread of 0.7638.
    margin = 4.3027 * 0.7638 / 3**0.5
    assert resnet.difference.value == pytest.approx(0.035 / 3)
    assert 100 * resnet.difference.low == pytest.approx(3.5 / 3 - margin, abs=1e-3)
    assert 100 * resnet.difference.high == pytest.approx(3.5 / 3 + margin, abs=1e-3)


def test_a_random_networks_size_is_the_mean_of_all():
    drawn = [dataclasses.replace(PLAIN, name="random", cost=Cost(size, size)) for size in (100, 200, 301)]
    *_, row = compared({"found": [FOUND] * 3, "random": drawn}, [], 180, {})
    assert (row.parameters, row.accuracies, row.accuracy) == (200, (), None)


def test_a_better_hand_made_network_is_called_better():
    assert sentence(found=[89.0, 89.1, 89.2], resnet=[89.8, 89.9, 90.0]) == (
        "A ResNet-20 (0.27 million parameters) is better here than the found network by 0.80 points (0.78 … 0.82)."
    )


def test_a_better_found_network_is_called_better():
    assert sentence(found=[90.0, 90.1, 90.3], resnet=[89.0, 89.1, 89.2]) == (
        "The found network is better here than a ResNet-20 (0.27 million parameters) by 1.03 points (0.89 … 1.18)."
    )


def test_what_cannot_be_told_is_called_so():
    assert sentence(180, found=[90.0, 92.0], plain=[91.0, 90.0]) == (
        "No difference can be told from 2 seeds between the found network and a plain chain of 9 convolutions "
        "(68,001 parameters), +0.5 points (−18.6 … 19.6)."
    )


def test_all_three_in_one_sentence():
    text = sentence(
        found=[90.0, 90.1, 90.2], resnet=[91.0, 91.1, 91.2], plain=[89.0, 89.1, 89.2], largest=[90.0, 91.1, 89.2]
    )
    assert text == (
        "A ResNet-20 (0.27 million parameters) is better here than the found network by 1.00 points (0.98 … 1.02); "
        "the found network is better here than a plain chain of 9 convolutions (68,001 parameters) by 1.00 points "
        "(0.98 … 1.02); no difference can be told from 3 seeds between it and the largest network of the space "
        "(1.20 million parameters), +0.00 points (−2.48 … 2.48)."
    )


def test_several_better_ones_come_with_the_best_first():
    text = sentence(found=[90.0, 90.1, 90.2], resnet=[91.0, 91.1, 91.2], plain=[93.0, 93.1, 93.2])
    assert text.startswith("A plain chain of 9 convolutions (68,001 parameters) is better here")
    assert "; so is a ResNet-20 (0.27 million parameters) by 1.00 points" in text


def test_before_two_seeds_and_after_divergence_nothing_is_concluded():
    assert sentence(found=[90.0], resnet=[91.0]).startswith("Nothing can be concluded yet")
    text = sentence(found=[90.0, 90.1, 90.2], resnet=[91.0, 91.1, 91.2], plain=[None, None, 90.0])
    assert text.endswith(
        "; too few trainings of a plain chain of 9 convolutions (68,001 parameters) ended for a comparison."
    )


def test_agreement_by_chance_leaves_a_doubt_of_one_image():
    mean = mean_of_trainings([0.01, 0.01], 180)
    assert mean.value == pytest.approx(0.01)
    assert mean.high - mean.value == pytest.approx(12.7062 / 180 / 2**0.5, rel=1e-4)
    assert mean_of_trainings([0.5], 180).low is None
    assert mean_of_trainings([], 180) is None


@pytest.mark.parametrize(
    ("parameters", "multiply_adds", "expected"),
    [
        ((-0.21, -0.35, -0.09), (0.07, -0.1, 0.2), "their number of parameters by 0.21 (0.09 … 0.35) in τ. On such"),
        ((0.2, 0.1, 0.3), (0.3, 0.2, 0.4), "than their number of parameters by 0.20 (0.10 … 0.30) and their multiply-"),
        ((0.2, 0.1, 0.3), (0.1, -0.1, 0.3), "cannot be told from 40 networks: it ranks better than their number of"),
        ((0.2, None, None), (None, None, None), "cannot be told from 40 networks."),
    ],
)
def test_whether_the_estimate_ranks_better_than_size(parameters, multiply_adds, expected):
    less = {"parameters": Correlation(*parameters), "multiply_adds": Correlation(*multiply_adds)}
    assert expected in ranking_conclusion(less, 40)
