"""The state of a search: saved at any moment, interrupted anywhere, refused where it does not fit."""

import json

import numpy as np
import pytest

from epnas_tf.config import SearchConfig, SurrogateConfig
from epnas_tf.errors import StateError
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import MacroSpace
from tests.search.chain_searches import LSTM, interrupted, make, run, same_state, score, through_json
from tests.space.chain_space import ChainSpace


@pytest.fixture(scope="module")
def finished():
    """A finished search and its candidates."""
    search = make()
    return search, run(search)


class TestState:
    def test_saved_at_any_moment_it_ends_like_an_unbroken_search(self):
        """After each advance and each tell, up to two at a time; the other search is dirty from the last time."""
        space = ChainSpace(layers=3, choices="01")
        unbroken, other = make(space, k=2), make(space, k=2, seed=0)
        expected = run(make(space, k=2))
        moments = 0

        def check():
            nonlocal moments
            moments += 1
            values, arrays = unbroken.get_state()
            other.set_state(through_json(values), arrays)
            same_state(other.get_state(), (values, arrays))
            told = expected[: values["first_number"]]
            told = told + [expected[values["first_number"] + position] for position, _ in values["scores"]]
            assert run(other) == [c for c in expected if c not in told]
            same_state(other.get_state(), final)

        final_search = make(space, k=2)
        run(final_search)
        final = final_search.get_state()
        check()
        while not unbroken.finished:
            unbroken.advance()
            check()
            for candidate in reversed(unbroken.ask(2)):
                unbroken.tell(candidate, score(candidate))
                check()
        assert moments > 1.5 * len(expected)

    def test_a_fresh_search_takes_it(self, finished):
        search = make()
        for _ in range(5):
            search.advance()
            search.tell(*search.ask(), 0.5 if search.num_told else None)
        fresh = make(seed=0)
        fresh.set_state(*search.get_state())
        for each in (search, fresh):
            each.tell(5, 0.25)  # was out when the state was saved: may be told without asking again
        (candidate,) = fresh.ask()
        assert candidate.number == 6
        assert [candidate] == search.ask()

    def test_an_advance_that_was_interrupted_after_the_fit_does_not_fit_again(self, finished, monkeypatch):
        search = make()
        for _ in range(3):
            (candidate,) = search.ask()
            search.tell(candidate, score(candidate))

        monkeypatch.setattr(search, "_choose", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search.advance()
        fresh = make()
        fresh.set_state(*search.get_state())
        assert run(fresh) == finished[1][3:]

    @pytest.mark.parametrize("method", ["_learn", "predict"])
    def test_an_advance_that_was_interrupted_in_a_fit_is_done_again(self, finished, monkeypatch, method):
        search = make()
        for number in range(22):
            if number in (7, 11):  # the second fit, and the first one of the second pass
                with monkeypatch.context() as patch:
                    patch.setattr(search.surrogate, method, interrupted)
                    with pytest.raises(KeyboardInterrupt):
                        search.advance()
            assert search.advance()
            (candidate,) = search.ask()
            assert candidate == finished[1][number]
            search.tell(candidate, score(candidate))
        assert not search.advance()
        same_state(search.get_state(), finished[0].get_state())

    def test_is_small_and_plain(self, finished):
        values, arrays = finished[0].get_state()
        assert through_json(values) == values
        assert len(json.dumps(values)) < 3000
        assert all(array.dtype.kind in "fi" for array in arrays.values())

    def test_refuses_another_space(self, finished):
        with pytest.raises(StateError, match=r"must be of the space.*Received: space=.*chain"):
            make(ChainSpace(layers=4)).set_state(*finished[0].get_state())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": 99}, "must have format 3. Received: format=99"),
            ({"iteration": 2}, "must be of a search of 2 iterations"),
            ({"chosen": [["x"]]}, "broken"),
            ({"chosen": [[0, 0, 7]]}, "broken"),
            ({"scores": [[50, 0.5]]}, "contradicts itself"),
            ({"predicted": []}, "contradicts itself"),
            ({"chosen": [[0]] * 4}, "contradicts itself"),
        ],
    )
    def test_refuses_broken_values_and_changes_nothing(self, finished, change, message):
        search, _ = finished
        values, arrays = search.get_state()
        with pytest.raises(StateError, match=message):
            search.set_state({**values, **change}, arrays)
        same_state(search.get_state(), (values, arrays))

    def test_refuses_missing_values(self, finished):
        values, arrays = finished[0].get_state()
        for key in ("chosen", "scores"):
            with pytest.raises(StateError, match=f"KeyError.*{key}"):
                make().set_state({name: value for name, value in values.items() if name != key}, arrays)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"table/scores": None}, "scores"),
            ({"table/numbers": np.arange(3)}, "shorter"),
            ({"table/indices": np.full((22, 3), 9)}, "extensions 0 to 2"),
        ],
    )
    def test_refuses_a_broken_table_and_changes_nothing(self, change, message):
        search = make()
        run(search)
        values, arrays = search.get_state()
        broken = {name: array for name, array in {**arrays, **change}.items() if array is not None}
        with pytest.raises(StateError, match=f"saved table.*{message}"):
            search.set_state(values, broken)
        same_state(search.get_state(), (values, arrays))

    def test_refuses_other_sizes_of_the_surrogate(self, finished):
        with pytest.raises(StateError, match="surrogate"):
            make(surrogate_config=LSTM, sampling="probability").set_state(*finished[0].get_state())

    def test_the_papers_surrogate_goes_on_alike(self):
        settings = {"surrogate_config": LSTM, "sampling": "probability", "rank_by": "score"}
        whole, broken = make(**settings), make(**settings)
        candidates = run(whole)
        for number in range(13):
            assert broken.advance()
            broken.tell(number, score(candidates[number]))
        again = make(**settings)
        again.set_state(*broken.get_state())
        assert run(again) == candidates[13:]
        same_state(again.get_state(), whole.get_state())


def test_state_of_a_space_with_other_operations_of_the_same_number_is_refused():
    settings = (SearchConfig(k=2, iterations=1), SurrogateConfig(surrogate_steps=1), 0)
    there = ProgressiveSearch(MacroSpace(3, ("conv_3x3", "conv_5x5")), *settings)
    for operations in (("conv_5x5", "conv_3x3"), ("conv_3x3", "max_pool_3x3")):
        now = ProgressiveSearch(MacroSpace(3, operations), *settings)
        with pytest.raises(StateError, match="first_level"):
            now.set_state(*there.get_state())
