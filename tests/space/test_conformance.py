"""Every space passes `check_space`; a broken one does not."""

import numpy as np
import pytest

from epnas_tf.space import MACRO_OPERATIONS, MICRO_OPERATIONS, STAGED_OPERATIONS, MacroSpace, MicroSpace, StagedSpace
from tests.space.chain_space import ChainSpace
from tests.space.conformance import check_space

SPACES = {
    "macro": MacroSpace(),
    "macro_one_layer": MacroSpace(1),
    "macro_one_operation": MacroSpace(5, ["conv_3x3"]),
    "macro_reversed": MacroSpace(4, MACRO_OPERATIONS[::-1]),
    "macro_deepest": MacroSpace(50),
    "micro": MicroSpace(),
    "micro_one_block": MicroSpace(1),
    "micro_one_operation": MicroSpace(3, ["identity"]),
    "micro_reversed": MicroSpace(3, MICRO_OPERATIONS[::-1]),
    "micro_large": MicroSpace(12, [f"operation_{i}" for i in range(11)]),
    "staged": StagedSpace(),
    "staged_one_block": StagedSpace(1),
    "staged_one_stage": StagedSpace(4, STAGED_OPERATIONS[::-1], stages=1),
    "staged_one_operation": StagedSpace(5, ["residual"], stages=2),
    "staged_unknown": StagedSpace(3, ["a", "none", "inverted_3x3_e6", "inverted_5x5_e6"]),
    "chain": ChainSpace(),
    "chain_short": ChainSpace(2, "ab"),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_space_conforms(space):
    check_space(space)


class _BlindChain(ChainSpace):
    def encode(self, level, indices):
        return np.zeros((len(indices), self.num_features), np.float32)


class _ShiftedChain(ChainSpace):
    def index(self, level, extension):
        return (super().index(level, extension) + 1) % len(self.choices)


@pytest.mark.parametrize("broken", [_BlindChain(), _ShiftedChain()])
def test_conformance_notices(broken):
    with pytest.raises(AssertionError):
        check_space(broken)


def test_a_user_space_needs_only_the_abstract_members():
    space = ChainSpace()
    assert space.cardinality() == 6561
    assert space.indices("02112010") == (0, 2, 1, 1, 2, 0, 1, 0)
    assert space.architecture((0, 2, 1)) == "021"
