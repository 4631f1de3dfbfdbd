"""Searches that draw the same architectures, against the own trainings of one of them."""

import json

import pytest

from tests.bin.runs import benchmark

OWN = [0.9, 0.5, None, 0.7, 0.6, 0.8]


def write(file, records):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


def search(path, scores):
    """Writes the trials of a search of two passes, three architectures each."""
    trials = [
        {"child": child, "iteration": 1 + child // 3, "text": f"{child} conv_3x3"}
        | ({} if score is None else {"score": score})  # a child that diverged has none
        for child, score in enumerate(scores)
    ]
    write(path / "trials.jsonl", trials)
    return path


@pytest.fixture
def own(tmp_path):
    write(
        tmp_path / "rank" / "own.jsonl",
        [{"child": child, "text": f"{child} conv_3x3", "own": score} for child, score in enumerate(OWN)],
    )
    return f"--own={tmp_path / 'rank'}"


def test_correlations_are_those_of_what_did_not_diverge(own, tmp_path):
    same = search(tmp_path / "same", [0.5, 0.1, 0.7, 0.3, 0.2, 0.4])
    # Four architectures count; of the last pass's three pairs one is in order, (3, 5).
    other = search(tmp_path / "other", [None, 0.1, 0.7, 0.3, 0.4, 0.35])
    result = benchmark("agreement", own, f"--runs={same},{other}")
    assert result.returncode == 0, result.stderr
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if " of 3 " in line}
    assert " ".join(lines["same"].split()) == "1.00 1.00, of 3 30.0 %, 30.0 %"
    assert " ".join(lines["other"].split()) == "0.33 -0.33, of 3 10.0 %, 35.0 %"


def test_mistakes_are_said_without_a_traceback(own, tmp_path):
    another = search(tmp_path / "another", [0.5, 0.4])
    diverged = search(tmp_path / "diverged", [None, None, 0.5, None, None, 0.5])
    for arguments, message in (
        ((own, f"--runs={another}"), "another must have drawn the architectures of --own"),
        ((own,), "flag --runs=None: Flag --runs must have a value"),
        ((own, f"--runs={tmp_path / 'none'}"), "none must be the directory of a search"),
        ((own, f"--runs={diverged}"), "at least 3 of the architectures of"),
        ((f"--own={tmp_path}", f"--runs={another}"), "`--own` must be a directory that epnas-rank wrote into"),
    ):
        result = benchmark("agreement", *arguments)
        assert result.returncode == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr
