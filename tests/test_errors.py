import pytest

from epnas_tf.config import ChildConfig, SearchConfig
from epnas_tf.errors import EPNASError
from epnas_tf.options import require
from epnas_tf.space import MacroSpace


@pytest.mark.parametrize(
    "call",
    [
        lambda odd: SearchConfig(k=odd),
        lambda odd: require(ChildConfig, "child", odd),
        lambda odd: MacroSpace(odd),
        lambda odd: MacroSpace(2).index(1, odd),
    ],
)
@pytest.mark.parametrize("odd", [object(), lambda: None], ids=["object", "function"])
def test_no_refusal_shows_an_address(call, odd):
    with pytest.raises(EPNASError) as raised:
        call(odd)
    assert "0x" not in str(raised.value)
    assert "Received: " in str(raised.value)
