import pytest

from benchmarks.bookkeeping import PARTS, SEARCHES
from benchmarks.sides.bookkeeping import TRAINING, Searches


@pytest.mark.parametrize("search", SEARCHES)
def test_what_surrounds_the_trainings_of_a_search_is_taken_apart(search):
    laps = Searches(layers=2, channels=4, trials=3).laps(search, "wall")
    assert len(laps) == 3
    for lap in laps:
        assert lap.keys() <= {*PARTS, TRAINING}
        assert lap["ask and tell"] > 0
        assert ("our state" in lap) == (search != "random_search")
        assert ("KerasTuner's files" in lap) == (search != "epnas_search")
