"""Losses on a device and on the CPU, and the command that measures a GPU in some minutes."""

import math

import numpy as np
import pytest

from benchmarks.cases import Case
from benchmarks.competitors.losses import Devices, Losses, rounded
from tests.bin.runs import benchmark

CASE = Case("macro", 2, 4, image_shape=(8, 8, 1))


def test_losses_follow_from_the_values():
    one, other = (Losses(CASE, 128, steps=20, cpu=True) for _ in range(2))
    first, second = CASE.architectures(2)
    starts = one.initial(first)
    exact, from_rounded = one.losses(first, starts)
    assert exact[0] == pytest.approx(math.log(10), abs=0.5)  # of few steps: still near chance
    assert exact != from_rounded
    assert exact == pytest.approx(from_rounded, rel=0.05)
    other.losses(second, other.initial(second))  # leaves nothing for the next one
    assert other.losses(first, starts) == [exact, from_rounded]


def test_numbers_are_rounded_to_ten_bits():
    """To the multiple of a 1,024th of their power of two that is nearest."""
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    unit = 2.0 ** (np.floor(np.log2(np.abs(values))) - 10)
    np.testing.assert_array_equal(rounded(values), np.round(values / unit) * unit)


def test_without_time_the_device_is_named_and_all_is_skipped():
    lines = benchmark("gpu", "--minutes=0", "--workers=1,2").stdout.splitlines()
    assert lines[0].startswith(Devices().gpu() or "no GPU: measured on the CPU; TensorFlow ")
    assert lines[1].startswith("losses and steps: macro 12 layers, C = 24, 32×32×3, batch 128, 40 steps; ")
    assert [line.removeprefix("skipped, the time is over: ") for line in lines[2:]] == [
        "losses against the CPU's",
        "a step, Keras",
        "a step, ours, Grappler's passes off",
        "a step, ours, Grappler's passes on",
        "children an hour, one process, rounds of 1",
        "children an hour, 1 worker, rounds of 8",
        "children an hour, 2 workers, rounds of 8",
    ]
