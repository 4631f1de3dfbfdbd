"""Names of operations and the checks on lists of them."""

import subprocess
import sys

import pytest

from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.nn import (
    Operation,
    check_operations,
    convolution,
    is_operation_name,
    known,
    operation,
    register,
    registry,
)
from epnas_tf.space import MACRO_OPERATIONS, MICRO_OPERATIONS


def test_the_papers_operations_in_the_papers_order():
    assert MACRO_OPERATIONS == (
        "max_pool_3x3",
        "average_pool_3x3",
        "conv_3x3",
        "conv_5x5",
        "sep_conv_3x3",
        "sep_conv_5x5",
    )
    assert (*MACRO_OPERATIONS, "identity") == MICRO_OPERATIONS


def test_a_good_list_comes_back_as_a_tuple():
    assert check_operations(["conv_5x5", "conv_3x3"], registered=True) == ("conv_5x5", "conv_3x3")
    assert check_operations(["my_own"]) == ("my_own",)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["conv_3x4"], ["max_pool_3x3, average_pool_3x3", "did you mean 'conv_3x3'?", "Received: 'conv_3x4'"]),
        (["stem"], ["sep_conv_5x5, identity", "Received: 'stem'", "--plugins"]),
        (["conv_3x3", "conv_5x5", "conv_3x3"], ["once", "Received: 'conv_3x3' twice"]),
        ([], ["at least one", "Received: operations=[]"]),
        ((), ["at least one", "Received: operations=()"]),
        ("conv_3x3", ["must be a list", "Received: operations='conv_3x3'"]),
        ([3], ["Received: 3"]),
    ],
)
def test_refuses(names, parts):
    with pytest.raises(ConfigError) as info:
        check_operations(names, registered=True)
    for part in parts:
        assert part in str(info.value)


@pytest.mark.parametrize("name", ["a/b", "a b", "", "a|b", "é", 7, None])
def test_what_is_no_name(name):
    assert not is_operation_name(name)
    with pytest.raises(ConfigError, match="Received: "):
        check_operations([name])
    with pytest.raises(ConfigError, match="Received: "):
        Operation(name, lambda **_: None)


def test_an_operation_is_registered_once(monkeypatch):
    monkeypatch.setattr(registry, "_OPERATIONS", dict(registry._OPERATIONS))
    mine = register(convolution("conv_7x7", 7))
    assert operation("conv_7x7") is mine
    assert known()[-1] == "conv_7x7"
    assert (mine.label, mine.short, mine.internal) == ("conv 7x7", "con…", False)
    with pytest.raises(ConfigError, match=r"registered once\. Received: 'conv_7x7'"):
        register(convolution("conv_7x7", 7))


def test_an_unknown_operation_says_what_is_known_and_how_to_bring_more():
    with pytest.raises(ArchitectureError, match=r"max_pool_3x3, .*mean 'conv_3x3'.*'conv_3x4'.*--plugins"):
        operation("conv_3x4")


def test_records_import_no_keras():
    code = "import sys, epnas_tf.nn; print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
