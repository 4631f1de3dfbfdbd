import math

import pytest

from epnas_tf.report import text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ü 猫", "plain ü 猫"),
        ("tab\tnew\nline", "tab\ufffdnew\ufffdline"),
        ("\u202eturned", "\ufffdturned"),
        ("\udcff", "\ufffd"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        (7, "7"),
    ],
)
def test_clean(raw, shown):
    assert text.clean(raw) == shown
    text.clean(raw).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (431_480, "431 k"),
        (999_600, "1.00 M"),
        (12_345_678, "12.3 M"),
    ],
)
def test_compact(value, shown):
    assert text.compact(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((None, "-"), (math.nan, "-"), (0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (90, "1 min 30 s")),
        *((1199, "20 min"), (3599, "60 min"), (3600, "1 h 0 min"), (7260, "2 h 1 min"), (100_000, "1 d 4 h")),
    ],
)
def test_duration(seconds, shown):
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "+0.50"), (-0.5, "−0.50"), (-0.001, "0.00"), (None, "-"), (math.nan, "-")]
)
def test_signed(value, shown):
    assert text.signed(value) == shown


def test_others():
    assert text.percent(0.91234) == "91.2 %"
    assert text.percent(math.nan) == text.percent(None) == "-"
    assert text.decimal(1.23456) == "1.235"
    assert text.count(1234567) == "1,234,567"
    assert [text.plural(n, "child", "children") for n in (1, 1200)] == ["1 child", "1,200 children"]
    assert text.shortened("ankle boot", 6) == "ankle…"
