import dataclasses
import io
import re

import numpy as np
import pytest

from epnas_tf.bin.console import Terminal
from epnas_tf.bin.displays.search import LiveDisplay, LogDisplay, about, forecast_lines
from epnas_tf.children.outcome import ChildResult
from epnas_tf.config import PAPER_SEARCH, SearchConfig
from epnas_tf.run.forecast import Forecast, Memory, Proposal
from epnas_tf.scale.place import WorkerStatus
from epnas_tf.search.progressive import ProgressiveSearch
from tests.space.chain_space import ChainSpace
from tests.training import helpers


def shown_line(display):
    """The lines of both displays about the best so far."""
    return display.best, display.best_row


def test_best_so_far_says_what_it_is_ranked_by_and_why_there_is_no_whole_network_yet():
    config = SearchConfig(k=2, iterations=1)
    display = LiveDisplay(Terminal(file=io.StringIO(), width=200), config)
    display.search = search = ProgressiveSearch(ChainSpace(layers=2), config)
    display.num_validation = 54
    first = search.first_whole_child
    missing = f"whole networks come at level 2, from child {first} of {search.num_children} on"
    assert shown_line(display) == ("-", missing)
    assert display.missing() == missing
    score = 33 / 54
    while search.advance():
        (candidate,) = search.ask()
        search.tell(candidate, score)
        result = ChildResult(score, 1.0, 1.0, 1, 1, 0.0, 0.0, 0.0)
        display.take(candidate, result)
        if candidate.level == 1:
            row = f"level 1 of 2, 61 % (48 … 73 %)  {display.deepest[2]}\n{missing}"
            assert shown_line(display) == ("61 % at level 1", row)
    best = search.ranking()[0]
    estimate = f"{100 * best.estimate:.0f} % estimated, "
    row = f"{estimate}61 % (48 … 73 %) measured  {best.architecture}"
    assert shown_line(display) == (f"{estimate}61 % measured", row)
    assert display.missing() == ""


def test_ranking_by_scores_is_shown_as_measured_alone():
    display = LogDisplay(Terminal(file=io.StringIO(), width=200), PAPER_SEARCH)
    display.search = search = ProgressiveSearch(ChainSpace(layers=1), PAPER_SEARCH)
    display.num_validation = 2_000
    search.tell(0, 0.5)
    assert display.best == "50.00 % measured"


def test_more_than_an_hour_comes_with_flags_that_shorten_it():
    search = ProgressiveSearch(ChainSpace(layers=2), SearchConfig(k=2, iterations=1))
    memory = Memory(needed=9_600_000_000, available=8_000_000_000)
    forecast = Forecast(
        search.num_children, 7300.0, {1: 1.0, 2: 2.0}, memory, Proposal("--k=5 --image_size=32", 1150.0)
    )
    lines = forecast_lines(forecast, search, 7300.0)
    assert "about 2 h 02 min by a few timed steps; up to 10 GB of memory, 8.0 GB can be had" in lines[0]
    assert lines[1].startswith("warning: the memory may not be enough")
    assert lines[-2:] == ["in about 19 minutes, and with a poorer result:", "  --k=5 --image_size=32"]
    eight = forecast.side_by_side(8)
    assert (eight.seconds, eight.seconds_by_level, eight.at_a_time) == (912.5, {1: 0.125, 2: 0.25}, 8)
    assert forecast_lines(eight, search, 912.5)[-2].startswith("in about 2 minutes")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "an unknown time"),
        (3, "10 seconds"),
        (64, "60 seconds"),
        (91, "2 minutes"),
        (3_600, "1 h 00 min"),
        (30 * 3_600, "30 h 00 min"),
        (101 * 3_600, "4 days (101 hours)"),
    ],
)
def test_times_are_told_as_roughly_as_they_are_known(seconds, text):
    assert about(seconds) == text


@pytest.mark.parametrize(("config", "shown"), [(PAPER_SEARCH, True), (SearchConfig(), False)], ids=["paper", "default"])
def test_the_temperature_is_shown_where_sampling_looks_at_it(config, shown):
    display = LiveDisplay(Terminal(file=io.StringIO(), width=200), config)
    display.search = ProgressiveSearch(ChainSpace(layers=2), config)
    display.child_started(*display.search.ask())
    display.console.print(display.render())
    text = display.console.file.getvalue()
    assert "level 1 of 2   child 1 of" in text
    assert ("temperature 4.00" in text) == shown


def test_few_validation_images_are_warned_of():
    data = helpers.digits()
    display = LogDisplay(Terminal(file=io.StringIO(), width=200), SearchConfig())
    for count, warned in ((19, True), (20, False)):
        few = dataclasses.replace(data, validation=data.validation.take(np.arange(count)))
        display.console.file = io.StringIO()
        display.started(ProgressiveSearch(ChainSpace(layers=1), SearchConfig()), few, 0)
        assert ("19 validation images hardly tell networks apart, as each is 5 %" in shown(display)) is warned


def test_ctrl_c_on_a_terminal_moves_nothing_and_sentences_break_between_words():
    display = LiveDisplay(Terminal(file=io.StringIO(), width=40, force_terminal=True), SearchConfig(k=2, iterations=1))
    display.search = search = ProgressiveSearch(ChainSpace(layers=2), display.config)
    display.note(*search.ask())
    display.console.print(display.render())
    assert len(shown(display).splitlines()[-1].strip()) < 40 - len("^C")  # what the terminal shows at the cursor
    display.console.file = io.StringIO()
    display.say("many words that do not fit into so narrow a line")
    assert [line.strip() for line in shown(display).splitlines()] == [
        "many words that do not fit into so",
        "narrow a line",
    ]


def shown(display):
    """The text that a display has written, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", display.console.file.getvalue())


def test_a_missing_prediction_and_a_missing_correlation_say_why():
    display = LogDisplay(Terminal(file=io.StringIO(), width=200), SearchConfig(k=2, iterations=1))
    display.search = search = ProgressiveSearch(ChainSpace(layers=2), display.config)
    display.num_validation = 54
    line = display.line(search.ask()[0], None)
    assert "predicted - (nothing scored yet)  " in line
    assert "rank correlation - (needs 3 predictions a level)  " in line


def test_what_each_worker_does_is_shown():
    display = LiveDisplay(Terminal(file=io.StringIO(), width=100), SearchConfig(k=2, iterations=1))
    display.search = search = ProgressiveSearch(ChainSpace(layers=2), display.config)
    display.workers_changed(
        [
            WorkerStatus(1, "there, process 17", 4, 12, 0.934, 0),
            WorkerStatus(2, "here, process 18", None, 9, 0.5, 1),
            WorkerStatus(3, "", None, 0, 0.0, 2),
        ]
    )
    display.note(*search.ask())
    display.console.print(display.render())
    lines = [line.strip() for line in shown(display).splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith("workers"))
    assert lines[first].endswith("1  trains child 5; 12 children, busy 93 % (there, process 17)")
    assert lines[first + 1 : first + 3] == [
        "2  waits for the round; 9 children, busy 50 %, lost 1× (here, process 18)",
        "3  starting, lost 2×",
    ]
