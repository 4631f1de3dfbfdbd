"""Benchmarks as commands."""

import re

from benchmarks.__main__ import COMMANDS
from tests.bin.runs import benchmark


def test_arguments_beside_the_flags_are_refused():
    result = benchmark("startup", "fast")
    assert result.returncode == 1
    assert result.stderr.strip() == "startup: error: Only flags are understood, see --help. Received: fast."


def test_what_a_user_can_cause_is_one_line():
    result = benchmark("found", "--seeds=2", "--image_size=-3")
    assert result.returncode == 1
    assert "found: error: `image_size` must be at least -1. Received: image_size=-3" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_there_is_is_listed_with_a_line_each():
    listed = benchmark().stdout
    assert re.findall(r"^  (\w+) +[A-Z]", listed, re.MULTILINE) == sorted(COMMANDS)


def test_a_name_that_is_not_there_is_refused():
    result = benchmark("roofline")
    assert result.returncode == 1
    assert "NAME must be one of agreement, bookkeeping, " in result.stderr
    assert result.stderr.strip().endswith("Received: roofline")


def test_help_shows_the_flags_that_benchmarks_share():
    shown = benchmark("step", "--help").stdout
    assert "--steps" in shown
    assert "--space" in shown
