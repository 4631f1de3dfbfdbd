"""Sides in turns, and the tables of their figures."""

from benchmarks.turns import alternate, show, show_table


def test_sides_take_turns_in_opposite_orders():
    calls = []
    figures = alternate([lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 2.0], 3)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert figures == [[1.0] * 3, [2.0] * 3]


def test_ratio_is_pair_by_pair(capsys):
    show("a title", [[1.0, 2.0, 4.0], [10.0, 10.0, 10.0]], ("ours", "theirs"), "5 or more")
    output = capsys.readouterr().out
    assert "a title" in output
    assert "theirs / ours" in output
    assert output.splitlines()[4].split()[-3:] == ["5", "2.5", "10"]
    assert "TensorFlow" in output
    assert "3 pairs; aim: 5 or more" in output


def test_inverse_ratio(capsys):
    show("a title", [[1.0], [4.0]], ("ours", "theirs"), inverse=True)
    assert capsys.readouterr().out.splitlines()[4].split() == ["ours", "/", "theirs", "0.25", "0.25", "0.25"]


def test_table_has_its_rows(capsys):
    show_table("a title", ["", "size"], [["level 3", "7 MB"]], "a note")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["level", "3", "7", "MB"]
    assert lines[-1].endswith("a note")
