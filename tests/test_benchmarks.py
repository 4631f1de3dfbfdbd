import time

import pytest
from absl import flags

from benchmarks import roofline
from benchmarks.counting import (
    Figures,
    Point,
    candidates_of_levels,
    children_of_levels,
    mean_cost,
    num_children,
    search_seconds,
    spread_levels,
)
from benchmarks.networks import Case
from benchmarks.stopwatch import Stopwatch
from benchmarks.turns import alternate, show, show_table
from benchmarks.worker import Worker
from epnas_tf.config import SearchConfig
from epnas_tf.network import Graph
from epnas_tf.network.graph import IMAGE
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space import MacroSpace, MicroSpace


class Counter:
    def __init__(self, start):
        self.number = start

    def add(self, number):
        self.number += number
        return self.number

    def fail(self):
        raise ValueError("broken")


@pytest.fixture(autouse=True)
def _parsed_flags():
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["benchmark"])


class TestAlternate:
    def test_sides_take_turns_in_opposite_orders(self):
        calls = []
        figures = alternate([lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 2.0], 3)
        assert calls == ["a", "b", "b", "a", "a", "b"]
        assert figures == [[1.0] * 3, [2.0] * 3]


class TestShow:
    def test_ratio_is_pair_by_pair(self, capsys):
        show("a title", [[1.0, 2.0, 4.0], [10.0, 10.0, 10.0]], ("ours", "theirs"), "5 or more")
        output = capsys.readouterr().out
        assert "a title" in output
        assert "theirs / ours" in output
        assert output.splitlines()[4].split()[-3:] == ["5", "2.5", "10"]
        assert "TensorFlow" in output
        assert "3 pairs; aim: 5 or more" in output

    def test_inverse_ratio(self, capsys):
        show("a title", [[1.0], [4.0]], ("ours", "theirs"), inverse=True)
        assert capsys.readouterr().out.splitlines()[4].split() == ["ours", "/", "theirs", "0.25", "0.25", "0.25"]

    def test_table_has_its_rows(self, capsys):
        show_table("a title", ["", "size"], [["level 3", "7 MB"]], "a note")
        lines = capsys.readouterr().out.splitlines()
        assert lines[2].split() == ["level", "3", "7", "MB"]
        assert lines[-1].endswith("a note")


class TestWorker:
    def test_object_stays_between_calls(self):
        with Worker("tests.test_benchmarks:Counter", 3) as worker:
            assert worker.call("add", 4) == 7
            assert 0 <= worker.seconds("add", 1) < 5
            assert worker.call("add", 0) == 8

    def test_error_of_the_side_is_raised_here(self):
        with (
            Worker("tests.test_benchmarks:Counter", 0) as worker,
            pytest.raises(RuntimeError, match="ValueError: broken"),
        ):
            worker.call("fail")

    def test_side_that_cannot_be_made_is_an_error_here(self):
        with Worker("tests.test_benchmarks:Counter") as worker, pytest.raises(RuntimeError, match="exit code 1"):
            worker.call("add", 1)


class TestStopwatch:
    def test_inner_part_counts_for_itself_only(self):
        stopwatch = Stopwatch()
        with stopwatch.part("outer"):
            with stopwatch.part("inner"):
                time.sleep(0.05)
            stopwatch.lap()
        assert stopwatch.laps[0]["inner"] >= 0.05
        assert stopwatch.laps[0]["outer"] < 0.05

    def test_watched_methods_count_and_are_put_back(self):
        original, stopwatch = Counter.add, Stopwatch()
        with stopwatch.watching({"part": [(Counter, "add")]}):
            assert Counter(1).add(2) == 3
        stopwatch.lap()
        assert set(stopwatch.laps[0]) == {"part"}
        assert Counter.add is original

    def test_laps_begin_at_zero(self):
        stopwatch = Stopwatch()
        with stopwatch.part("part"):
            time.sleep(0.05)
            stopwatch.lap()
            stopwatch.lap()
        assert stopwatch.laps[1]["part"] < 0.05


class TestCounting:
    @pytest.mark.parametrize(("space", "children"), [(MacroSpace(12), 843), (MicroSpace(5), 615), (MacroSpace(1), 18)])
    def test_children_are_those_of_the_search(self, space, children):
        assert num_children(space, 25, 3) == ProgressiveSearch(space, SearchConfig(k=25, iterations=3)).num_children
        assert num_children(space, 25, 3) == children

    def test_k_larger_than_what_there_is(self):
        assert children_of_levels(MacroSpace(3), 100) == [6, 72, 100]
        assert candidates_of_levels(MacroSpace(3), 100) == [6 * 12, 72 * 24]

    def test_candidates_of_level_12(self):
        assert candidates_of_levels(MacroSpace(12), 25)[-1] == 307_200

    def test_levels_stand_for_all_children(self):
        assert spread_levels(MicroSpace(5), 25, 41) == [1] * 21 + [2] * 5 + [3] * 5 + [4] * 5 + [5] * 5
        assert spread_levels(MacroSpace(12), 25, 1) == [7]

    def test_more_channels_cost_more(self):
        small, large = (mean_cost(Case("macro", 4, channels, image_shape=(8, 8, 1)), 5, 8) for channels in (4, 8))
        assert small.parameters < large.parameters
        assert small.multiply_adds < large.multiply_adds

    def test_seconds_of_a_search(self):
        point = Point("a search", Case("macro", 2, 4), images=900, k=2, iterations=3)
        figures = Figures(train=0.1, evaluate=0.05, beside=1.0, choice=10.0, state=0)
        # 8 children an iteration; 3 epochs of 9 steps, and a validation of 100 images.
        assert search_seconds(point, figures, 100) == pytest.approx(3 * 8 * (27 * 0.1 + 0.05 + 1.0) + 3 * 10.0)


class TestRoofline:
    def test_moved_values_node_by_node(self):
        graph = Graph()
        stem = graph.add(("stem",), "stem", IMAGE, channels=4)
        half = graph.add(("half",), "factorized_reduction", stem, channels=4, stride=2)
        graph.add(("head",), "pooled_dense", half, channels=10)
        image, stem_values, half_values, scores = 8 * 8 * 3, 8 * 8 * 4, 4 * 4 * 4, 10
        expected = 3 * (image + stem_values + half_values) + 2 * (stem_values + half_values + scores)
        assert roofline.moved_values(graph, (8, 8, 3)) == expected

    def test_limits(self):
        gpu = roofline.Gpu("a GPU", bandwidth=1e9, peaks={"float32": 1e12, "bfloat16": 2e12})
        work = roofline.Work(nodes=10, operations=6e9, values=7e6)
        limits = [work.limits(gpu, number_format) for number_format in gpu.peaks]
        assert [limit["computing"] for limit in limits] == pytest.approx([0.02, 0.01])
        assert [limit["moving"] for limit in limits] == pytest.approx([0.04, 0.02])
        assert limits[0]["launching"] == pytest.approx(10 * roofline.KERNELS_A_NODE * roofline.LAUNCH_SECONDS)

    def test_tables(self, capsys):
        roofline.main()
        output = capsys.readouterr().out
        assert "843" in output
        assert "micro, RTX 4090, bfloat16" in output
