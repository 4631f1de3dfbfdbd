import numpy as np

from benchmarks.competitors.scorers import FactoredScorer, LevelChoice, WholeScorer
from epnas_tf.space import MacroSpace


def test_both_ways_score_alike():
    ours, theirs = FactoredScorer(3, 4), WholeScorer(3, 4, batch_size=8)
    # The two add float32 products in another order: about 1e-7 on a sigmoid.
    np.testing.assert_allclose(ours.first(20), theirs.first(20), atol=1e-6)


def test_a_level_is_chosen_with_some_memory():
    seconds, extra, before = LevelChoice(MacroSpace(4), 5).choose()
    assert seconds > 0
    assert 0 <= extra < before
