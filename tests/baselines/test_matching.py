import pytest

from epnas_tf.baselines.families import FAMILIES, Form, form
from epnas_tf.baselines.matching import match
from epnas_tf.cost.network_cost import cost
from epnas_tf.space import NetworkShape

CIFAR = {"image_shape": (32, 32, 3), "num_classes": 10}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("by", ["parameters", "multiply_adds"])
def test_every_size_is_met_within_five_percent(family, by):
    lowest = 5_000 if by == "parameters" else 2_000_000
    for step in range(8):
        target = lowest * 2.57**step
        found = match(family, target, by, image_shape=(28, 28, 1), num_classes=10)
        assert getattr(found.cost, by) == pytest.approx(target, rel=0.05), target
        assert cost(found.graph, (28, 28, 1)) == found.cost


@pytest.mark.parametrize(
    ("target", "title", "channels"),
    [
        (272_474, "ResNet-20", (16, 32, 64)),
        (265_000, "ResNet-20", (16, 32, 64)),
        (464_154, "ResNet-32", (16, 32, 64)),
        (853_018, "ResNet-56", (16, 32, 64)),
        (100_000, "ResNet-20", (10, 19, 38)),
    ],
)
def test_published_networks_come_before_others_of_their_size(target, title, channels):
    found = match("resnet", target, **CIFAR)
    assert (found.title, found.form.channels) == (title, channels)


def test_usual_depth_comes_before_the_nearest_size():
    assert match("plain", 272_000, **CIFAR).form == Form(3, (24, 48, 96))
    assert match("mobilenet_v2", 300_000, **CIFAR).title == "MobileNetV2 of 18 blocks"


def test_a_tiny_network_is_rather_shallow_than_of_single_channels():
    """Of the size of a search's network on the digits; 21 blocks of one channel have it, too."""
    found = match("mobilenet_v2", 38_496, "multiply_adds", image_shape=(8, 8, 1), num_classes=10)
    assert found.cost.multiply_adds == pytest.approx(38_496, rel=0.04)
    assert found.form.channels[-1] >= 4


def test_what_is_too_small_gets_the_nearest_of_all():
    found = match("plain", 1, **CIFAR)
    assert found.form == form(1, 1, 3)


def test_numbers_of_one_family_rise_with_the_channels():
    shape = NetworkShape((8, 8, 1), 10, 2, 1)
    for family in FAMILIES.values():
        sizes = [cost(family.build(form(2, widest, 3), shape), (8, 8, 1)).parameters for widest in range(1, 40)]
        assert sizes == sorted(sizes)
