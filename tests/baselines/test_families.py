import pytest

from epnas_tf.baselines.families import FAMILIES, Form, form, stages_of
from epnas_tf.cost.network_cost import cost, node_sizes
from epnas_tf.space import NetworkShape, StagedSpace, build_graph

SHAPE = NetworkShape((32, 32, 3), 10, channels=2, num_levels=1)


def graph_of(family, blocks, channels, shape=SHAPE):
    return FAMILIES[family].build(Form(blocks, channels), shape)


@pytest.mark.parametrize(("blocks", "with_identities"), [(3, 269_722), (5, 464_154), (9, 853_018)])
def test_resnets_have_the_published_parameters_and_those_of_two_projections(blocks, with_identities):
    # He et al. shorten without parameters (option A): 0.27, 0.46 and 0.85 million. Ours project (option B).
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    found = cost(graph_of("resnet", blocks, (16, 32, 64)), (32, 32, 3))
    assert found.parameters == with_identities + projections
    assert blocks != 3 or found.parameters == 272_474


@pytest.mark.parametrize(("family", "operation"), [("resnet", "residual"), ("mobilenet_v2", "inverted_3x3_e6")])
def test_with_channels_that_double_it_is_a_member_of_the_staged_space(family, operation):
    space = StagedSpace(9, stages=3)
    member = space.architecture([space.operations.index(operation)] * 9)
    shape = NetworkShape((32, 32, 3), 10, channels=12, num_levels=9)
    ours, theirs = graph_of(family, 3, (12, 24, 48)), build_graph(member, shape)
    assert list(ours) == list(theirs)
    assert ours.taps == theirs.taps


def test_plain_chain_has_nothing_but_convolutions_and_poolings():
    graph = graph_of("plain", 3, (24, 48, 96))
    assert [node.kind for node in graph if node.key[0] == "stage"] == [
        *["conv_3x3"] * 2,
        *["max_pool_3x3", *["conv_3x3"] * 3] * 2,
        "sum_relu",
    ]
    kernels = 3 * 24 + 2 * 24 * 24 + 24 * 48 + 2 * 48 * 48 + 48 * 96 + 2 * 96 * 96
    assert cost(graph, (32, 32, 3)).parameters == 9 * kernels + 2 * 3 * (24 + 48 + 96) + 97 * 10
    assert node_sizes(graph, (32, 32, 3))["stage", "relu"] == (8, 8, 96)


def test_form_rounds_channels_and_small_images_have_fewer_stages():
    assert form(3, 64, 3) == Form(3, (16, 32, 64))
    assert form(1, 51, 3) == Form(1, (13, 26, 51))
    assert form(1, 1, 3) == Form(1, (1, 1, 1))
    assert [stages_of((side, 64, 1)) for side in (2, 3, 4, 7, 8, 32, 224)] == [1, 1, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("family", FAMILIES)
def test_it_can_be_exported(family):
    from epnas_tf.export.plain import plain_model

    model = plain_model(graph_of(family, 1, (4, 8, 16), NetworkShape((8, 8, 1), 10, 4, 1)), (8, 8, 1))
    assert model.output_shape == (None, 10)
