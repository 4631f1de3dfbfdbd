"""What is shown while many image files are read."""

import threading

import pytest

from epnas_tf.bin.displays import reading


@pytest.fixture
def clock(monkeypatch):
    """Sets the seconds that each look at the clock gives, the last one on."""

    def set_clock(*seconds):
        left = list(seconds)
        monkeypatch.setattr(reading.time, "monotonic", lambda: left.pop(0) if len(left) > 1 else left[0])

    return set_clock


def test_a_long_reading_is_told_in_one_line(capsys, clock):
    clock(0, 1, 2.5, 2.5, 40)
    assert list(reading.show_reading("abcde", 5, "reading image files")) == list("abcde")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "reading image files: 2 of 5, some 4 s left\n")


def test_a_short_reading_is_not_told(capsys, clock):
    clock(0, 1, 1, 1, 2.5)  # it is done when 2 seconds are over
    assert list(reading.show_reading("abcd", 4, "reading image files")) == list("abcd")
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_but_not_beside_a_live_display(capsys, clock, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(reading, "LONG", -1)
    assert list(reading.show_reading("abc", 3, "reading image files")) == list("abc")
    assert "reading image files \x1b" in capsys.readouterr().err
    beside = threading.Thread(target=lambda: list(reading.show_reading("abc", 3, "reading image files")))
    beside.start()
    beside.join()
    assert "reading image files: 1 of 3, some 0 s left" in capsys.readouterr().err
