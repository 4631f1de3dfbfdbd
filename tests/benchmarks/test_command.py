"""Benchmarks as commands."""

from tests.bin.runs import benchmark


def test_arguments_beside_the_flags_are_refused():
    result = benchmark("roofline", "fast")
    assert result.returncode == 1
    assert result.stderr.strip() == "roofline: error: Only flags are understood, see --help. Received: fast."


def test_what_a_user_can_cause_is_one_line():
    result = benchmark("found", "--seeds=2", "--image_size=-3")
    assert result.returncode == 1
    assert "found: error: `image_size` must be at least -1. Received: image_size=-3" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_shows_the_flags_that_benchmarks_share():
    shown = benchmark("step", "--help").stdout
    assert "--steps" in shown
    assert "--space" in shown
