"""Architectures are values: normalised, hashable, and impossible to get wrong."""

import copy
import dataclasses
import itertools
import pickle

import numpy as np
import pytest

from epnas_tf.errors import ArchitectureError
from epnas_tf.space import BlockSide, MacroArchitecture, MacroLayer, MicroArchitecture, MicroBlock


def block(left, right):
    return MicroBlock(BlockSide(*left), BlockSide(*right))


MACRO = MacroArchitecture(
    (
        MacroLayer("conv_3x3"),
        MacroLayer("sep_conv_5x5", (0,)),
        MacroLayer("max_pool_3x3", (1, 0)),
        MacroLayer("conv_5x5"),
    )
)
MICRO = MicroArchitecture(
    (
        block(("conv_3x3", -1), ("identity", -2)),
        block(("sep_conv_3x3", 1), ("max_pool_3x3", -1)),
        block(("identity", 1), ("identity", 1)),
    )
)


def test_macro_text():
    assert str(MACRO) == "1 conv_3x3 | 2 sep_conv_5x5 +0 | 3 max_pool_3x3 +0,1 | 4 conv_5x5"
    assert str(MacroArchitecture((MacroLayer("conv_3x3"),))) == "1 conv_3x3"


def test_micro_text():
    assert str(MICRO) == (
        "1 identity(c-2) + conv_3x3(c-1) | 2 max_pool_3x3(c-1) + sep_conv_3x3(b1) | 3 identity(b1) + identity(b1)"
    )


def test_macro_sources():
    assert [MACRO.sources(number) for number in (1, 2, 3, 4)] == [(0,), (0, 1), (0, 1, 2), (3,)]
    assert MACRO.num_levels == 4
    for number in (0, 5):
        with pytest.raises(ArchitectureError, match=f"layers 1 to 4. Received: {number}"):
            MACRO.sources(number)


def test_skips_are_stored_ascending_as_plain_integers():
    layer = MacroLayer("conv_3x3", [3, np.int64(0), 1])
    assert layer == MacroLayer("conv_3x3", (0, 1, 3))
    assert hash(layer) == hash(MacroLayer("conv_3x3", (0, 1, 3)))
    assert [type(skip) for skip in layer.skips] == [int] * 3


def test_mirrored_blocks_are_one_value():
    sides = [BlockSide(name, source) for name in ("a", "b", "c") for source in (-2, -1, 1, 2)]
    for one, other in itertools.product(sides, repeat=2):
        straight, mirrored = MicroBlock(one, other), MicroBlock(other, one)
        assert straight == mirrored
        assert hash(straight) == hash(mirrored)
        assert (straight.left.input, straight.left.operation) <= (straight.right.input, straight.right.operation)
        assert set(straight.sides) == {one, other}
    assert len({MicroBlock(one, other) for one, other in itertools.product(sides, repeat=2)}) == 12 * 13 // 2


def test_unused_blocks():
    assert MICRO.num_levels == 3
    assert MICRO.unused_blocks() == (2, 3)
    flat = MicroArchitecture([block(("a", -1), ("a", -2))] * 4)
    assert flat.unused_blocks() == (1, 2, 3, 4)
    chain = MicroArchitecture([block(("a", -1), ("a", number or -2)) for number in range(4)])
    assert chain.unused_blocks() == (4,)


@pytest.mark.parametrize("value", [MACRO, MICRO], ids=["macro", "micro"])
def test_values_are_frozen_and_copyable(value):
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, ())
    for same in (copy.deepcopy(value), pickle.loads(pickle.dumps(value)), dataclasses.replace(value)):
        assert same == value
        assert hash(same) == hash(value)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: MacroLayer(""), ["`operation`", "Received: operation=''"]),
        (lambda: MacroLayer(3), ["`operation`", "Received: operation=3"]),
        (lambda: MacroLayer("conv/3x3"), ["Received: operation='conv/3x3'"]),
        (lambda: MacroLayer("a", (0, 0)), ["once", "Received: skips=(0, 0)"]),
        (lambda: MacroLayer("a", (2, -1)), ["0 (the stem)", "Received: skips=(2, -1)"]),
        (lambda: MacroLayer("a", (True,)), ["integer", "Received: True"]),
        (lambda: MacroLayer("a", (np.True_,)), ["integer", "Received: "]),
        (lambda: MacroLayer("a", (0.0,)), ["integer", "Received: 0.0"]),
        (lambda: MacroLayer("a", "01"), ["sequence", "Received: skips='01'"]),
        (lambda: MacroLayer("a", 0), ["sequence", "Received: skips=0"]),
        (lambda: MacroArchitecture(()), ["at least one MacroLayer", "Received: ()"]),
        (lambda: MacroArchitecture(("conv_3x3",)), ["MacroLayer", "Received: 'conv_3x3'"]),
        (lambda: MacroArchitecture(MacroLayer("a")), ["sequence", "Received: MacroLayer("]),
        (
            lambda: MacroArchitecture((MacroLayer("a", (0,)),)),
            ["Layer 1 always takes the stem", "are []", "[0]"],
        ),
        (
            lambda: MacroArchitecture((MacroLayer("a"), MacroLayer("a", (0, 1)))),
            ["Layer 2 always takes the output of layer 1", "from 0 besides", "Received: skips=[0, 1]"],
        ),
        (lambda: BlockSide("a", 0), ["`input`", "Received: input=0"]),
        (lambda: BlockSide("a", -3), ["`input`", "Received: input=-3"]),
        (lambda: BlockSide("a", True), ["integer", "Received: True"]),
        (lambda: BlockSide("a", "c-1"), ["integer", "Received: 'c-1'"]),
        (lambda: BlockSide(None, -1), ["`operation`", "Received: operation=None"]),
        (lambda: MicroBlock(BlockSide("a", -1), "b"), ["BlockSide", "Received: 'b'"]),
        (lambda: MicroArchitecture(()), ["at least one MicroBlock", "Received: ()"]),
        (lambda: MicroArchitecture((None,)), ["MicroBlock", "Received: None"]),
        (lambda: MicroArchitecture((block(("a", 1), ("a", -1)),)), ["Block 1 has the inputs -2 and -1.", "input=1"]),
        (
            lambda: MicroArchitecture([block(("a", -2), ("a", -1)), block(("a", 2), ("a", -1))]),
            ["Block 2 has the inputs -2, -1 and the blocks 1 to 1.", "Received: input=2"],
        ),
    ],
)
def test_refuses(make, parts):
    with pytest.raises(ArchitectureError) as info:
        make()
    for part in parts:
        assert part in str(info.value)
