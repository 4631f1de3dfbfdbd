import json

import pytest

from epnas_tf.errors import RunDirectoryError
from epnas_tf.report.figures.drawing import drawing
from epnas_tf.report.figures.rank import rank_picture, read_rank

AGREEMENT = {
    "search": {
        "kendall": {"value": 0.5, "low": 0.25, "high": 0.75},
        "spearman": {"value": None, "low": None, "high": None},
    }
}


def write(path, records, agreement=AGREEMENT):
    path.mkdir(exist_ok=True)
    (path / "own.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    document = {"architectures": len(records), "own_epochs": 20, "agreement": agreement}
    (path / "rank.json").write_text(json.dumps(document))
    return path


RECORDS = [{"shared": {"search": 0.8 + n / 100}, "own": None if n == 3 else 0.9 + n / 100} for n in range(5)]


def test_reads_and_draws_what_did_not_diverge(tmp_path):
    rank = read_rank(write(tmp_path / "rank", RECORDS))
    assert rank.agreement == [("score in the search", "+0.50 (+0.25 … +0.75)", "-")]
    with drawing():
        picture = rank_picture(rank)
    assert "of 4 architectures" in picture.alt
    assert "20 epochs" in picture.svg


def test_nothing_there(tmp_path):
    assert read_rank(tmp_path / "rank") is None
    with drawing():
        assert rank_picture(read_rank(write(tmp_path / "rank", RECORDS[:1]))) is None


@pytest.mark.parametrize("agreement", [None, {"search": {}}, {"search": {"kendall": {"value": "x"}, "spearman": 0}}])
def test_a_broken_result_is_refused(tmp_path, agreement):
    with pytest.raises(RunDirectoryError, match=r"rank.json is not one that a comparison writes"):
        read_rank(write(tmp_path / "rank", RECORDS, agreement))


def test_a_broken_line_is_refused(tmp_path):
    with pytest.raises(RunDirectoryError, match="Line 1"):
        read_rank(write(tmp_path / "rank", [{"shared": {}}]))
