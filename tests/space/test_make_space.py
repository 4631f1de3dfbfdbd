"""From settings to a space; and the package stays light."""

import subprocess
import sys

import pytest

from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ConfigError
from epnas_tf.space import MACRO_OPERATIONS, MICRO_OPERATIONS, MacroSpace, MicroSpace, definition_of_space, make_space


def test_defaults_are_the_papers():
    macro = make_space(SpaceConfig())
    assert isinstance(macro, MacroSpace)
    assert (macro.num_levels, macro.operations) == (12, MACRO_OPERATIONS)
    micro = make_space(SpaceConfig(space="micro"))
    assert isinstance(micro, MicroSpace)
    assert (micro.num_levels, micro.operations) == (5, MICRO_OPERATIONS)


def test_known_and_default_operations_are_two_things():
    assert definition_of_space("macro").default_operations == MACRO_OPERATIONS
    assert make_space(SpaceConfig(operations=("identity",))).operations == ("identity",)


def test_settings_reach_the_space():
    macro = make_space(SpaceConfig(layers=3, operations=("conv_5x5", "conv_3x3")))
    assert (macro.num_levels, macro.operations) == (3, ("conv_5x5", "conv_3x3"))
    micro = make_space(SpaceConfig(space="micro", blocks=2, operations=("identity",)))
    assert (micro.num_levels, micro.operations) == (2, ("identity",))


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (SpaceConfig(operations=("conv_7x7",)), [", ".join(MICRO_OPERATIONS), "Received: 'conv_7x7'", "--plugins"]),
        (SpaceConfig(operations=("stem",)), [", ".join(MICRO_OPERATIONS), "Received: 'stem'"]),
        (SpaceConfig(space="makro"), ["macro, micro", "did you mean 'macro'?", "Received: space='makro'", "--plugins"]),
        (SpaceConfig(space="micro", operations=("identiy",)), ["did you mean 'identity'?", "Received: 'identiy'"]),
        (SpaceConfig(operations=("conv_3x3", "conv_3x3")), ["Received: 'conv_3x3' twice"]),
        (SpaceConfig(layers=51), ["1 to 50", "Received: layers=51"]),
    ],
)
def test_refuses(config, parts):
    with pytest.raises(ConfigError) as info:
        make_space(config)
    for part in parts:
        assert part in str(info.value)


def test_the_package_needs_nothing_heavier_than_numpy():
    code = (
        "import sys, epnas_tf.space; print(sorted({'tensorflow', 'keras', 'keras_tuner', 'absl'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
