"""Names of operations and the checks on lists of them."""

import pytest

from epnas_tf.errors import ConfigError
from epnas_tf.space.operations import MACRO_OPERATIONS, MICRO_OPERATIONS, check_operations, is_operation_name


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
    assert check_operations(["conv_5x5", "conv_3x3"], MACRO_OPERATIONS) == ("conv_5x5", "conv_3x3")
    assert check_operations(["my_own"]) == ("my_own",)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["conv_3x4"], ["max_pool_3x3, average_pool_3x3", "did you mean 'conv_3x3'?", "Received: 'conv_3x4'"]),
        (["identity"], ["sep_conv_5x5.", "Received: 'identity'"]),
        (["conv_3x3", "conv_5x5", "conv_3x3"], ["once", "Received: 'conv_3x3' twice"]),
        ([], ["at least one", "Received: operations=[]"]),
        ((), ["at least one", "Received: operations=()"]),
        ("conv_3x3", ["must be a list", "Received: operations='conv_3x3'"]),
        ([3], ["Received: 3"]),
    ],
)
def test_refuses(names, parts):
    with pytest.raises(ConfigError) as info:
        check_operations(names, MACRO_OPERATIONS)
    for part in parts:
        assert part in str(info.value)


@pytest.mark.parametrize("name", ["a/b", "a b", "", "a|b", "é", 7, None])
def test_what_is_no_name(name):
    assert not is_operation_name(name)
    with pytest.raises(ConfigError, match="Received: "):
        check_operations([name])
