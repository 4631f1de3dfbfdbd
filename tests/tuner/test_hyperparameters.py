import sys

import keras_tuner
import numpy as np
import pytest

from epnas_tf.space import (
    BlockSide,
    MacroArchitecture,
    MacroLayer,
    MacroSpace,
    MicroArchitecture,
    MicroBlock,
    MicroSpace,
)
from epnas_tf.tuner import hyperparameters
from tests.bin import runs
from tests.space.chain_space import ChainSpace

SPACES = [MacroSpace(12), MacroSpace(1), MicroSpace(5), MicroSpace(1), ChainSpace(8), ChainSpace(1, "0")]
by_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{space.name}{space.num_levels}")


def registered(space):
    hp = keras_tuner.HyperParameters()
    hyperparameters.read(space, hp)
    return hp


def with_values(hp, values):
    hp = hp.copy()
    hp.values = dict(values)
    hp.ensure_active_values()
    return hp


@by_space
class TestInverse:
    def test_at_every_depth(self, space):
        rng, hp = np.random.default_rng(0), registered(space)
        for level in range(1, space.num_levels + 1):
            for _ in range(3):
                architecture = space.sample(rng, level)
                values = hyperparameters.to_values(architecture, space)
                filled = with_values(hp, values)
                assert filled.values == values  # nothing of deeper levels is made up
                assert hyperparameters.read(space, filled) == architecture

    def test_over_the_wire(self, space):
        rng, hp = np.random.default_rng(1), registered(space)
        for level in range(1, space.num_levels + 1):
            architecture = space.sample(rng, level)
            sent = with_values(hp, hyperparameters.to_values(architecture, space)).to_proto()
            assert hyperparameters.read(space, keras_tuner.HyperParameters.from_proto(sent)) == architecture

    def test_reading_registers_once(self, space):
        hp = registered(space)
        names = [p.name for p in hp.space]
        hyperparameters.read(space, hp)
        assert [p.name for p in hp.space] == names
        assert len(set(names)) == len(names)

    def test_default_is_of_full_depth(self, space):
        architecture = hyperparameters.read(space, keras_tuner.HyperParameters())
        assert len(space.extensions(architecture)) == space.num_levels


class TestNames:
    def test_macro(self):
        architecture = MacroArchitecture((MacroLayer("conv_3x3"), MacroLayer("max_pool_3x3", (0,))))
        assert hyperparameters.to_values(architecture, MacroSpace(4)) == {
            "layers": 2,
            "layer_1_operation": "conv_3x3",
            "layer_2_operation": "max_pool_3x3",
            "layer_2_skip_0": True,
        }

    def test_micro(self):
        block = MicroBlock(BlockSide("identity", -2), BlockSide("conv_3x3", -1))
        assert hyperparameters.to_values(MicroArchitecture((block,)), MicroSpace(3)) == {
            "blocks": 1,
            "block_1_left_operation": "identity",
            "block_1_left_input": -2,
            "block_1_right_operation": "conv_3x3",
            "block_1_right_input": -1,
        }

    def test_other_spaces(self):
        values = hyperparameters.to_values("201", ChainSpace(5))
        assert values == {"levels": 3, "level_1": 2, "level_2": 0, "level_3": 1}


def test_keras_tuner_is_not_imported():
    """By nothing but the modules of the KerasTuner side."""
    modules = "epnas_tf.tuner.hyperparameters, epnas_tf.data.batches, epnas_tf.search.progressive, epnas_tf.run.runner"
    code = f"import sys, {modules}; sys.exit('keras_tuner' in sys.modules)"
    assert runs.call((sys.executable, "-c", code)).returncode == 0
