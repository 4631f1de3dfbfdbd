"""Every operation that is registered passes `check_layer`; a broken layer does not."""

from functools import partial

import keras
import pytest
import tensorflow as tf

from epnas_tf.errors import ArchitectureError
from epnas_tf.nn import Convolution, Identity, Pooling, SumBias, known, make_layer, operation
from epnas_tf.space import MACRO_OPERATIONS, MICRO_OPERATIONS, STAGED_OPERATIONS
from tests.nn.conformance import check_layer

CHANNELS = 4
BATCH_NORM = 2 * CHANNELS  # scale and offset


def halved(size, stride):
    return (size + stride - 1) // stride


def image_case(kind, stride, image, parameters):
    """A case of a layer that turns an image of any channels into one of `CHANNELS`."""
    batch, height, width, _ = image
    output = (batch, halved(height, stride), halved(width, stride), CHANNELS)
    return pytest.param(kind, stride, image, output, parameters, id=f"{kind}-{stride}-{'x'.join(map(str, image[1:]))}")


IMAGES = ((1, (2, 8, 8, 1)), (1, (3, 7, 5, 3)), (2, (2, 8, 8, 3)), (2, (3, 7, 5, 1)))
LARGER = IMAGES[1], IMAGES[2]  # the same layers with another kernel or width


def convolution_cases(kind, parameters, strides=(1, 2), images=IMAGES):
    """Grey and colour, even and odd sizes; `parameters` of the number of input channels."""
    return [image_case(kind, stride, image, parameters(image[-1])) for stride, image in images if stride in strides]


def same_channels_cases(kind, parameters, strides):
    images = [(1, (3, 7, 5, CHANNELS)), (2, (2, 8, 8, CHANNELS)), (2, (3, 7, 5, CHANNELS))]
    return [image_case(kind, stride, image, parameters) for stride, image in images if stride in strides]


def basic_block_parameters(inner):
    return lambda i: 9 * i * inner + 2 * inner + 9 * inner * CHANNELS + BATCH_NORM


def inverted_cases(kind, kernel_size, expansion, squeeze=False):
    """As many channels as a squeeze-and-excitation takes to have two, since a single ReLU may be dead.

    The strides and images take turns: each kernel size, expansion and squeeze meets both.
    """

    def parameters(i):
        inner = expansion * i
        squeezed = 2 * inner * (i // 4) + i // 4 + inner
        kernels = i * inner + kernel_size**2 * inner + inner * CHANNELS
        return kernels + 4 * inner + BATCH_NORM + squeezed * squeeze

    halves = (kernel_size == 5) ^ (expansion == 6) ^ squeeze
    stride, image = (2, (3, 7, 5, 9)) if halves else (1, (2, 8, 8, 8))
    return [image_case(kind, stride, image, parameters(image[-1]))]


def joining_cases(kind, shape, parameters):
    return [
        pytest.param(kind, 1, [shape] * number, shape, parameters, id=f"{kind}-{number}_inputs") for number in (1, 3)
    ]


CASES = {
    "max_pool_3x3": same_channels_cases("max_pool_3x3", 0, (1, 2)),
    "average_pool_3x3": same_channels_cases("average_pool_3x3", 0, (1, 2)),
    "conv_3x3": convolution_cases("conv_3x3", lambda i: 9 * i * CHANNELS + BATCH_NORM),
    "conv_5x5": convolution_cases("conv_5x5", lambda i: 25 * i * CHANNELS + BATCH_NORM, images=LARGER),
    "sep_conv_3x3": convolution_cases("sep_conv_3x3", lambda i: 9 * i + i * CHANNELS + BATCH_NORM),
    "sep_conv_5x5": convolution_cases("sep_conv_5x5", lambda i: 25 * i + i * CHANNELS + BATCH_NORM, images=LARGER),
    "identity": same_channels_cases("identity", 0, (1,))
    + same_channels_cases("identity", CHANNELS * CHANNELS + BATCH_NORM, (2,)),
    "none": same_channels_cases("none", 0, (1,)) + convolution_cases("none", lambda i: i * CHANNELS + BATCH_NORM, (2,)),
    "residual_half": convolution_cases("residual_half", basic_block_parameters(CHANNELS // 2), images=LARGER),
    "residual": convolution_cases("residual", basic_block_parameters(CHANNELS)),
    "residual_double": convolution_cases("residual_double", basic_block_parameters(2 * CHANNELS), images=LARGER),
    "inverted_3x3_e3": inverted_cases("inverted_3x3_e3", 3, 3),
    "inverted_3x3_e6": inverted_cases("inverted_3x3_e6", 3, 6),
    "inverted_5x5_e3": inverted_cases("inverted_5x5_e3", 5, 3),
    "inverted_5x5_e6": inverted_cases("inverted_5x5_e6", 5, 6),
    "inverted_3x3_e3_se": inverted_cases("inverted_3x3_e3_se", 3, 3, True),
    "inverted_3x3_e6_se": inverted_cases("inverted_3x3_e6_se", 3, 6, True),
    "inverted_5x5_e3_se": inverted_cases("inverted_5x5_e3_se", 5, 3, True),
    "inverted_5x5_e6_se": inverted_cases("inverted_5x5_e6_se", 5, 6, True),
    "stem": convolution_cases("stem", lambda i: 9 * i * CHANNELS + BATCH_NORM, strides=(1,)),
    "source_projection": convolution_cases("source_projection", lambda i: i * CHANNELS),
    "factorized_reduction": convolution_cases(
        "factorized_reduction", lambda i: i * CHANNELS + BATCH_NORM, strides=(2,)
    ),
    "auxiliary_pool": [
        pytest.param(
            "auxiliary_pool", 1, (2, *image, CHANNELS), (2, *pooled, CHANNELS), 0, id=f"auxiliary_pool-{image}"
        )
        for image, pooled in [((8, 11), (2, 3)), ((7, 2), (1, 1))]
    ],
    "full_convolution": [
        pytest.param(
            "full_convolution", 1, (2, *image), (2, 1, 1, CHANNELS), size * CHANNELS + BATCH_NORM, id=f"full-{size}"
        )
        for image, size in [((2, 3, 5), 30), ((1, 1, 3), 3)]
    ],
    "sum": joining_cases("sum", (2, 8, 7, CHANNELS), 0),
    "sum_relu": joining_cases("sum_relu", (2, 8, 7, CHANNELS), 0),
    "sum_batch_norm": joining_cases("sum_batch_norm", (2, 8, 7, CHANNELS), BATCH_NORM),
    "pooled_dense": [
        pytest.param("pooled_dense", 1, (*image, inputs), (2, CHANNELS), inputs * CHANNELS, id=f"pooled_dense-{inputs}")
        for image, inputs in [((2, 8, 8), 1), ((2, 7, 5), 3)]
    ],
    "sum_bias": joining_cases("sum_bias", (2, CHANNELS), CHANNELS),
}
MIXED_OUTPUT_DTYPES = {"sum_bias": "float32"}  # class scores leave the network in float32


@pytest.mark.parametrize(
    ("kind", "stride", "input_shape", "output_shape", "parameters"),
    [case for cases in CASES.values() for case in cases],
)
def test_layer_conforms(kind, stride, input_shape, output_shape, parameters):
    make = partial(operation(kind).make_layer, channels=CHANNELS, stride=stride)
    check_layer(make, input_shape, output_shape, parameters, MIXED_OUTPUT_DTYPES.get(kind, "bfloat16"))
    if (cost := operation(kind).cost) is not None:  # an auxiliary head has none
        channels = (input_shape[0] if isinstance(input_shape, list) else input_shape)[-1]
        assert cost(channels, CHANNELS, stride, (8, 8)).parameters == parameters


def test_every_layer_has_a_case():
    assert set(CASES) == set(known(internal=True))


def test_every_operation_of_the_spaces_is_for_people_to_choose():
    assert known() == (*MICRO_OPERATIONS, *STAGED_OPERATIONS)
    assert set(MACRO_OPERATIONS) < set(known())
    assert "stem" not in known()


def test_make_layer_hands_on_all_it_is_given():
    layer = make_layer("conv_5x5", channels=6, stride=2, seed=7, name="here")
    config = layer.get_config()
    assert {name: config[name] for name in ("channels", "stride", "seed", "name", "kernel_size")} == {
        "channels": 6,
        "stride": 2,
        "seed": 7,
        "name": "here",
        "kernel_size": 5,
    }
    with pytest.raises(ArchitectureError, match="Received: "):
        make_layer("conv_4x4", channels=6, stride=1, seed=0, name="here")


@keras.saving.register_keras_serializable(package="epnas_tf_tests")
class WrongShape(Identity):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], input_shape[3] + 1)


@keras.saving.register_keras_serializable(package="epnas_tf_tests")
class ForgetfulConfig(Convolution):
    def get_config(self):
        return {name: value for name, value in super().get_config().items() if name != "activate"}


@keras.saving.register_keras_serializable(package="epnas_tf_tests")
class OneSeed(Convolution):
    def add_kernel(self, name, shape, seed_offset=0):
        return self.add_weight(name=name, shape=shape, initializer=keras.initializers.HeNormal(seed=3))


@keras.saving.register_keras_serializable(package="epnas_tf_tests")
class Untrained(Convolution):
    def call(self, inputs, training=False):
        return tf.stop_gradient(super().call(inputs, training=training))


@keras.saving.register_keras_serializable(package="epnas_tf_tests")
class AlwaysTraining(Convolution):
    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


@keras.saving.register_keras_serializable(package="epnas_tf_tests")
class Float32(Identity):
    def call(self, inputs):
        return tf.cast(inputs, tf.float32)


@keras.saving.register_keras_serializable(package="epnas_tf_tests")
class EagerOnly(Identity):
    def call(self, inputs):
        return inputs if tf.executing_eagerly() else 2.0 * inputs


class Unregistered(Identity):
    pass


IMAGE = (2, 8, 8, CHANNELS)
CONVOLUTION = 9 * CHANNELS * CHANNELS + BATCH_NORM


@pytest.mark.parametrize(
    ("broken", "parameters"),
    [
        (WrongShape, 0),
        (partial(ForgetfulConfig, kernel_size=3, activate=False), CONVOLUTION),
        (partial(OneSeed, kernel_size=3), CONVOLUTION),
        (partial(Untrained, kernel_size=3), CONVOLUTION),
        (partial(AlwaysTraining, kernel_size=3), CONVOLUTION),
        (partial(Convolution, kernel_size=3), CONVOLUTION + 1),
        (Float32, 0),
        (EagerOnly, 0),
    ],
)
def test_conformance_notices(broken, parameters):
    with pytest.raises(AssertionError):
        check_layer(partial(broken, channels=CHANNELS), IMAGE, IMAGE, parameters)


def test_conformance_notices_a_layer_that_cannot_be_loaded():
    with pytest.raises((TypeError, ValueError), match="Unregistered"):
        check_layer(partial(Unregistered, channels=CHANNELS), IMAGE, IMAGE, 0)


def test_conformance_notices_the_wrong_output_dtype():
    with pytest.raises(AssertionError):
        check_layer(partial(SumBias, channels=CHANNELS), [(2, CHANNELS)], (2, CHANNELS), CHANNELS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Convolution(0, 3), "`channels` must be at least 1. Received: channels=0"),
        (lambda: Convolution(4, 3, stride=3), "`stride` must be 1 or 2. Received: stride=3"),
        (lambda: Identity(4, stride=2), "use FactorizedReduction to halve. Received: stride=2"),
        (lambda: Pooling(4, kind="mean"), 'must be "max" or "average". Received: kind=\'mean\''),
        (
            lambda: operation("max_pool_3x3").make_layer(4).build((None, 8, 8, 3)),
            r"Pooling keeps .* channels, 4. Received: .* 3\)",
        ),
        (lambda: Identity(4).build((None, 8, 8, 3)), r"Identity keeps .* channels, 4. Received: .* 3\)"),
        (
            lambda: operation("factorized_reduction").make_layer(1).build(IMAGE),
            "2 channels or more. Received: channels=1",
        ),
        (
            lambda: operation("source_projection").make_layer(1, stride=2).build(IMAGE),
            "2 channels or more. Received: channels=1",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
