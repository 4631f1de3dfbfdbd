"""The limits of GPUs."""

import pytest

from benchmarks import roofline
from epnas_tf.space import Graph
from epnas_tf.space.graph import IMAGE


def test_moved_values_node_by_node():
    graph = Graph()
    stem = graph.add(("stem",), "stem", IMAGE, channels=4)
    half = graph.add(("half",), "factorized_reduction", stem, channels=4, stride=2)
    graph.add(("head",), "pooled_dense", half, channels=10)
    image, stem_values, half_values, scores = 8 * 8 * 3, 8 * 8 * 4, 4 * 4 * 4, 10
    expected = 3 * (image + stem_values + half_values) + 2 * (stem_values + half_values + scores)
    assert roofline.moved_values(graph, (8, 8, 3)) == expected


def test_limits():
    gpu = roofline.Gpu("a GPU", bandwidth=1e9, peaks={"float32": 1e12, "bfloat16": 2e12})
    work = roofline.Work(nodes=10, operations=6e9, values=7e6)
    limits = [work.limits(gpu, number_format) for number_format in gpu.peaks]
    assert [limit["computing"] for limit in limits] == pytest.approx([0.02, 0.01])
    assert [limit["moving"] for limit in limits] == pytest.approx([0.04, 0.02])
    assert limits[0]["launching"] == pytest.approx(10 * roofline.KERNELS_A_NODE * roofline.LAUNCH_SECONDS)


def test_tables(capsys):
    roofline.main()
    output = capsys.readouterr().out
    assert "843" in output
    assert "micro, RTX 4090, bfloat16" in output
