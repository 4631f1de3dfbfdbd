import io

import pytest
from rich.console import Console

from epnas_tf.bin.display import LiveDisplay
from epnas_tf.config import PAPER_SEARCH, SearchConfig
from epnas_tf.search.progressive import ProgressiveSearch
from tests.space.chain_space import ChainSpace


@pytest.mark.parametrize(("config", "shown"), [(PAPER_SEARCH, True), (SearchConfig(), False)], ids=["paper", "default"])
def test_the_temperature_is_shown_where_sampling_looks_at_it(config, shown):
    display = LiveDisplay(Console(file=io.StringIO(), width=200), config)
    display.search = ProgressiveSearch(ChainSpace(layers=2), config)
    display.child_started(display.search.ask())
    display.console.print(display.render())
    text = display.console.file.getvalue()
    assert "level 1 of 2   child 1 of" in text
    assert ("temperature 4.00" in text) == shown
