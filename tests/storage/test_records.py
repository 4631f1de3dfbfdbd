import dataclasses
import json

import pytest

from epnas_tf.errors import RunDirectoryError
from epnas_tf.storage.records import RANKING_FILE, TRIALS_FILE, best_trials, finite, from_record


def trial(child, level, score, **changes):
    text = f"{child % 3} of level {level}"
    found = {"score": score, "text": text, "parameters": 100, "architecture": {"format": "any"}}
    return {"child": child, "iteration": 1, "level": level, "status": "completed", **found, **changes}


def write(folder, *trials):
    (folder / TRIALS_FILE).write_text("".join(json.dumps(each) + "\n" for each in trials))


def test_best_trials_are_the_newest_of_whole_architectures_by_their_estimate(tmp_path):
    failed = trial(6, 2, None, status="failed")
    write(tmp_path, trial(1, 1, 0.99), trial(2, 2, 0.9), trial(3, 2, 0.5), trial(4, 2, 0.6), trial(5, 2, 0.4), failed)
    assert [each["child"] for each in best_trials(tmp_path, 2)] == [4, 3, 5]
    (tmp_path / RANKING_FILE).write_text(json.dumps({"3": 0.7, "4": 0.55}))
    assert [(each["child"], each["estimate"]) for each in best_trials(tmp_path, 2)] == [(3, 0.7), (4, 0.55), (5, 0.4)]


WITHOUT_PARAMETERS = {name: value for name, value in trial(1, 2, 0.5).items() if name != "parameters"}
WITHOUT_ARCHITECTURE = {name: value for name, value in trial(1, 2, 0.5).items() if name != "architecture"}


@pytest.mark.parametrize(
    "line",
    [
        {"status": "completed"},
        trial(1, 2, "much"),
        trial(1, 2, None),
        trial(1, 2, float("nan")),
        WITHOUT_PARAMETERS,
        WITHOUT_ARCHITECTURE,
        [1],
    ],
)
def test_a_line_that_no_run_wrote(tmp_path, line):
    write(tmp_path, trial(2, 2, 0.9), line)
    with pytest.raises(RunDirectoryError, match=r"Line 2 of .*trials\.jsonl is not one that a run writes\. Received: "):
        best_trials(tmp_path, 2)


def test_a_line_that_is_no_json(tmp_path):
    write(tmp_path, trial(2, 2, 0.9))
    with open(tmp_path / TRIALS_FILE, "a") as file:
        file.write('{"child": \n')
    with pytest.raises(RunDirectoryError, match=r"Line 2 of .*trials\.jsonl is not .* Received: JSONDecodeError"):
        best_trials(tmp_path, 2)


@dataclasses.dataclass(frozen=True)
class Step:
    number: int
    loss: float
    score: float | None
    images: int | None
    name: str
    unit: str


def test_values_of_a_record_get_the_types_of_the_fields():
    record = {"number": "3", "loss": 1, "score": 2, "images": 4.0, "more": 1, "unit": "s"}
    step = from_record(Step, record, name="x")
    assert step == Step(3, 1.0, 2.0, 4, "x", "s")
    assert type(step.score) is float
    nothing = from_record(Step, {"number": 3, "loss": 1, "score": None, "images": None, "unit": ""}, name="x")
    assert (nothing.score, nothing.images) == (None, None)


@pytest.mark.parametrize("change", [{"number": None}, {"loss": None}, {"loss": float("nan")}, {"score": "much"}])
def test_a_value_of_a_record_that_has_another_type(change):
    with pytest.raises((TypeError, ValueError)):
        from_record(
            Step, {"number": 3, "loss": 1, "score": None, "images": None, "unit": "", **change}, finite, name="x"
        )
