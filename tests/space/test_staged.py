"""The staged space against published networks: ResNet-20, MobileNetV2's blocks, NAS-Bench-Macro."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from epnas_tf.config import SpaceConfig
from epnas_tf.cost.network_cost import cost, node_sizes
from epnas_tf.errors import ArchitectureError, ConfigError, DataError
from epnas_tf.network import Network, VariableStore
from epnas_tf.nn import operation
from epnas_tf.space import (
    MICRO_OPERATIONS,
    STAGED_OPERATIONS,
    NetworkShape,
    StagedArchitecture,
    StagedSpace,
    architecture_from_dict,
    architecture_to_dict,
    build_graph,
    definition_of_space,
    make_space,
)

RESNET_20 = StagedArchitecture(("residual",) * 9, stages=3)
RESNET_SHAPE = NetworkShape((28, 28, 1), 10, channels=16, num_levels=9)


def shape(image_shape=(16, 16, 3), channels=4, num_levels=12):
    return NetworkShape(image_shape, 10, channels, num_levels)


def kinds(architecture, **options):
    return [node.kind for node in build_graph(architecture, shape(**options))]


def test_defaults_are_the_settings():
    space = make_space(SpaceConfig(space="staged"))
    assert isinstance(space, StagedSpace)
    assert (space.num_levels, space.stages, space.operations) == (12, 3, STAGED_OPERATIONS)
    assert space.cardinality() == 12**12
    assert make_space(SpaceConfig(space="staged", layers=4, stages=2)).stages == 2


def test_levels_take_turns_among_the_stages():
    architecture = StagedArchitecture(("residual", "none", "conv_3x3", "none", "residual_half"), stages=3)
    assert [architecture.place(level) for level in range(1, 6)] == [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)]
    assert [architecture.of_stage(s) for s in (1, 2, 3)] == [
        ("residual", "none"),
        ("none", "residual_half"),
        ("conv_3x3",),
    ]
    assert str(architecture) == "1.1 residual | 2.1 none | 3.1 conv_3x3 | 1.2 none | 2.2 residual_half"


def test_symbols_are_the_operation_and_what_it_shares_with_others():
    space = StagedSpace(2)
    assert space.traits == (
        "basic block",
        "inverted residual",
        "kernel 3",
        "expansion 3",
        "expansion 6",
        "kernel 5",
        "squeeze",
    )
    [symbols] = space.encode(2, np.array([STAGED_OPERATIONS.index("inverted_5x5_e6_se")]))
    assert symbols[:12].tolist() == [0] * 11 + [1]
    assert [trait for trait, bit in zip(space.traits, symbols[12:], strict=True) if bit] == [
        "inverted residual",
        "expansion 6",
        "kernel 5",
        "squeeze",
    ]
    assert StagedSpace(2, ("none", "residual")).num_features == 2


def keras_resnet_20():
    """He et al. (2016) for small images, with projections where size and channels change; and its layers in order."""
    layers = []

    def added(layer, x):
        layers.append(layer)
        return layer(x)

    def convolution(x, channels, size, stride=1):
        x = added(keras.layers.Conv2D(channels, size, stride, "same", use_bias=False), x)
        return added(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5), x)

    images = keras.Input((28, 28, 1))
    x = keras.layers.ReLU()(convolution(images, 16, 3))
    for channels in (16, 32, 64):
        for number in range(3):
            stride = 2 if channels > 16 and number == 0 else 1
            branch = keras.layers.ReLU()(convolution(x, channels, 3, stride))
            branch = convolution(branch, channels, 3)
            shortcut = convolution(x, channels, 1, stride) if stride == 2 else x
            x = keras.layers.ReLU()(keras.layers.Add()([shortcut, branch]))
    scores = added(keras.layers.Dense(10), keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, scores), layers


def values_in_order(network):
    """The network's values as Keras's model has them: kernel by kernel, each with its batch norm."""
    for node in network.graph:
        layer = network.layers[node.key]
        for kernel, norm in (("first_kernel", "first_batch_norm"), ("second_kernel", "second_batch_norm")):
            if hasattr(layer, kernel):
                yield [getattr(layer, kernel)], getattr(layer, norm)
        if node.kind in ("stem", "none"):
            yield [layer.kernel], layer.batch_norm
        if node.kind == "pooled_dense":
            yield [layer.kernel, network.layers["head", "sum"].bias], None


def test_resnet_20_is_a_member():
    network = Network(RESNET_20, RESNET_SHAPE, VariableStore(0))
    found = cost(network.graph, (28, 28, 1))
    model, layers = keras_resnet_20()
    assert found.parameters == network.num_parameters == 272_186
    assert model.count_params() == 273_754  # with batch norm's moving statistics
    pixels = (784, 196, 49)
    inside = [pixels[0] * 9 * 16 * (1 + 6 * 16)]  # the stem and stage 1
    inside += [pixels[s] * (9 * c * c // 2 + 5 * 9 * c * c + c * c // 2) for s, c in ((1, 32), (2, 64))]
    assert found.multiply_adds == sum(inside) + 640 == 31_021_952

    rng = np.random.default_rng(0)
    for own, norm in values_in_order(network):
        layers.pop(0).set_weights([value.numpy() for value in own])
        if norm is not None:
            norm.set_weights([rng.uniform(0.5, 1.5, value.shape) for value in norm.weights])
            layers.pop(0).set_weights(norm.get_weights())
    assert not layers
    images = tf.constant(rng.normal(size=(8, 28, 28, 1)), tf.float32)
    for training in (False, True):
        expected = model(images, training=training).numpy()
        assert expected.std() > 0.01
        np.testing.assert_allclose(
            network(images, training=training), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )


def test_blocks_of_mobilenet_v2_are_members():
    """Blocks 1 to 3 of Keras's own: 16 to 24 channels of stride 2, 24 to 24, 24 to 32 of stride 2."""
    model = keras.applications.MobileNetV2((32, 32, 3), weights=None, include_top=False)

    def parameters(block):
        layers = [layer for layer in model.layers if layer.name.startswith(f"block_{block}_")]
        return sum(int(np.prod(w.shape)) for layer in layers for w in layer.trainable_weights)

    graph = build_graph(
        StagedArchitecture(("none", "inverted_3x3_e6", "none", "inverted_3x3_e6"), 2), shape(channels=16)
    )
    assert [node.kind for node in graph] == [
        "stem",
        "sum_relu",
        "inverted_3x3_e6",
        "inverted_3x3_e6",
        "sum",
        "pooled_dense",
        "sum_bias",
    ]
    of = operation("inverted_3x3_e6").cost
    assert of(16, 24, 2, (16, 16)).parameters == parameters(1)
    assert of(24, 24, 1, (8, 8)).parameters == parameters(2)
    assert of(24, 32, 2, (8, 8)).parameters == parameters(3)


@pytest.mark.parametrize(
    ("code", "parameters"), [("02012100", 890_666), ("11111221", 2_181_386), ("22220212", 2_285_674)]
)
def test_networks_of_nas_bench_macro_are_members(code, parameters):
    """Su et al. (2021): a stem of 32 channels, then 2, 3 and 3 layers of 64, 128 and 256, each stage halving.

    Their network ends in a 1×1 convolution to 1,280 channels and batch norm, which ours does not have.
    """
    choices = {"0": "none", "1": "inverted_3x3_e3", "2": "inverted_5x5_e6"}
    stages = [("none",) * 3, *[[choices[c] for c in part] for part in (f"{code[:2]}0", code[2:5], code[5:])]]
    blocks = tuple(name for number in range(3) for name in (stage[number] for stage in stages))
    graph = build_graph(StagedArchitecture(blocks, stages=4), NetworkShape((32, 32, 3), 10, 32, 12))
    classifier, theirs = 256 * 10 + 10, 256 * 1280 + 2 * 1280 + 1280 * 10 + 10
    assert cost(graph, (32, 32, 3)).parameters - classifier + theirs == parameters


def test_none_is_nothing_or_a_projection():
    assert kinds(StagedArchitecture(("none",), 1)) == ["stem", "sum_relu", "pooled_dense", "sum_bias"]
    projected = ["stem", "sum_relu", "none", "none", "pooled_dense", "sum_bias"]
    assert kinds(StagedArchitecture(("none",), 3)) == projected  # the stages to come have their transitions
    assert kinds(StagedArchitecture(("none",) * 7, 3)) == projected


def test_shortcuts_are_projected_where_the_shape_changes():
    assert kinds(StagedArchitecture(("residual", "residual_half"), 2))[2:-2] == [
        "residual",
        "sum_relu",
        "residual_half",
        "none",
        "sum_relu",
    ]
    # MobileNetV2 has none there, and the paper's operations have none at all.
    assert kinds(StagedArchitecture(("inverted_3x3_e3", "inverted_3x3_e3", "conv_3x3"), 2))[2:-2] == [
        "inverted_3x3_e3",
        "sum",
        "conv_3x3",
        "inverted_3x3_e3",
    ]


def test_only_operations_with_a_shortcut_may_be_dropped_deeper_ones_more():
    architecture = StagedArchitecture(("residual", "inverted_3x3_e3", "none", "inverted_3x3_e3"), 2)
    depths = {node.key[1:4:2]: node.path_depth for node in build_graph(architecture, shape()) if node.path_depth}
    assert depths == {(1, 1): 1 / 4, (2, 2): 1.0}


def test_height_and_width_halve_and_channels_double():
    graph = build_graph(RESNET_20, RESNET_SHAPE)
    sizes = node_sizes(graph, (28, 28, 1))
    ends = [("stage", stage, "block", 3, "residual", "sum") for stage in (1, 2, 3)]
    assert [sizes[end] for end in ends] == [(28, 28, 16), (14, 14, 32), (7, 7, 64)]
    assert graph.taps == (("stage", 3, "block", 1, "residual", "sum"),)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: StagedArchitecture(()), ArchitectureError, r"at least one str. Received: \(\)"),
        (lambda: StagedArchitecture("residual"), ArchitectureError, "Received: 'residual'"),
        (lambda: StagedArchitecture(("a b",)), ArchitectureError, "Received: operation='a b'"),
        (lambda: StagedArchitecture(("none",), 0), ArchitectureError, "at least 1. Received: stages=0"),
        (lambda: StagedSpace(stages=0), ConfigError, "Received: stages=0"),
        (lambda: StagedSpace(2).validate(StagedArchitecture(("none",), 2)), ArchitectureError, "of 3 stages"),
        (lambda: StagedSpace(2).index(1, "conv_3x3"), ArchitectureError, "Received: 'conv_3x3'"),
        (lambda: build_graph(RESNET_20, shape(num_levels=8)), ArchitectureError, "has 8 blocks. Received: 9 blocks"),
        (lambda: build_graph(RESNET_20, shape((7, 9, 1))), DataError, "2 halvings.*at least 8×8 pixels. Received: 7×9"),
        (
            lambda: make_space(SpaceConfig(space="staged", operations=("none", "max_pool_3x3"))),
            ConfigError,
            "doubles the channels.*Received: 'max_pool_3x3'",
        ),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_other_operations_may_be_chosen():
    names = tuple(name for name in MICRO_OPERATIONS if "pool" not in name)
    space = make_space(SpaceConfig(space="staged", operations=names))
    assert cost(build_graph(space.architecture([0] * 6), shape()), (16, 16, 3)).parameters > 0
    assert make_space(SpaceConfig(space="staged", operations=("max_pool_3x3",), stages=1)).num_features == 1


def test_json_holds_the_stages():
    architecture = StagedArchitecture(("residual", "none", "conv_3x3"), 2)
    found = architecture_to_dict(architecture)
    assert found["blocks"] == [
        {"stage": 1, "stages": 2, "operation": "residual"},
        {"stage": 2, "stages": 2, "operation": "none"},
        {"stage": 1, "stages": 2, "operation": "conv_3x3"},
    ]
    assert architecture_from_dict(found) == architecture


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": 1}, r"blocks\[1\]: The blocks take turns.*'stage': 2, 'stages': 2.*Received: stage=1, stages=2"),
        ({"stages": 3}, r"blocks\[1\].*Received: stage=2, stages=3"),
        ({"stages": "2"}, r"blocks\[1\].*Received: stage=2, stages='2'"),
        ({"operation": 3}, r"blocks\[1\].*Received: 3"),
        ({"more": 3}, r"blocks\[1\]: Expected the keys stage, stages, operation. Received: .*more"),
    ],
)
def test_json_refusals(changes, message):
    value = architecture_to_dict(StagedArchitecture(("residual", "none"), 2))
    value["blocks"][1] |= changes
    with pytest.raises(ArchitectureError, match=message):
        architecture_from_dict(value)


def test_drawing_goes_stage_by_stage():
    drawing = definition_of_space("staged").drawing_of(StagedArchitecture(("residual", "none", "conv_3x3"), 2))
    boxes = [(shape.number, shape.text) for shape in drawing.shapes if hasattr(shape, "number")]
    assert boxes == [
        ("", "stem: conv 3×3"),
        ("1.1", "residual"),
        ("1.2", "conv_3x3"),
        ("2.1", "none"),
        ("", "average, softmax"),
    ]
    assert "2 stages with 2 blocks" in drawing.alt


def test_a_block_reads_the_one_before_it_in_the_network():
    found = definition_of_space("staged").reads(StagedArchitecture(("residual",) * 5, 3))
    assert found == [["stem"], ["stage 1"], ["stage 2"], ["block 1"], ["block 2"]]


def test_places_are_those_of_the_operations():
    definition = definition_of_space("staged")
    found = {place for node in build_graph(RESNET_20, RESNET_SHAPE) if (place := definition.place_of(node.key))}
    assert found == {(("stage", s, "block", b), "residual") for s in (1, 2, 3) for b in (1, 2, 3)}


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RESNET_20.stages = 2
