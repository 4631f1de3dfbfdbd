"""Fixtures of the benchmarks' tests."""

import pytest
from absl import flags


@pytest.fixture(autouse=True)
def _parsed_flags():
    """Benchmarks read flags, which a command has parsed."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["benchmark"])
