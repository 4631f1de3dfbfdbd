"""Parts of a measurement within its time."""

import signal
import time

from benchmarks.budget import Budget


def test_a_part_that_lasts_too_long_is_ended_and_the_next_skipped(capsys):
    began, handler, calls = time.monotonic(), signal.getsignal(signal.SIGALRM), []
    budget = Budget(0.3)
    budget.run("first", lambda: calls.append(1))
    budget.run("second", lambda: time.sleep(60))
    budget.run("third", lambda: calls.append(3))
    assert 0.3 <= time.monotonic() - began < 30
    assert calls == [1]
    assert capsys.readouterr().out.splitlines() == [
        "not finished, the time is over: second",
        "skipped, the time is over: third",
    ]
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
