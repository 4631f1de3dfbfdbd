"""Networks with every operation and with batch norm statistics of their own, and their final trainings."""

import keras
import numpy as np
import tensorflow as tf

from epnas_tf.config import DataConfig, FinalNetworkConfig, RecipeConfig, TrainingConfig
from epnas_tf.data import load
from epnas_tf.network import Network, VariableStore, to_model
from epnas_tf.space import NetworkShape, StagedArchitecture
from epnas_tf.storage.data_file import describe_data, save_description
from epnas_tf.storage.training_directory import TrainingDirectory
from epnas_tf.training.trained import STORE, final_shape
from tests.network.architectures import macro, micro

# Six layers halve after the second and the fourth; several sources are halved, and one layer reads four of them.
EVERY_MACRO = macro(
    "conv_3x3",
    ("sep_conv_5x5", 0),
    ("max_pool_3x3", 0, 1),
    "conv_5x5",
    ("average_pool_3x3", 0, 2, 3),
    ("sep_conv_3x3", 4),
)
# Each operation of the micro space on what comes from the previous cells, so that each halves; two blocks are unused.
EVERY_MICRO = micro(
    ("conv_3x3", -2, "identity", -1),
    ("sep_conv_5x5", -1, "max_pool_3x3", -2),
    ("conv_5x5", -1, "identity", 1),
    ("sep_conv_3x3", -2, "average_pool_3x3", -1),
    ("identity", 2, "conv_3x3", 3),
)
# Stage 2 begins with a projection alone, stage 3 with a block whose shortcut is projected.
EVERY_STAGED = StagedArchitecture(
    ("inverted_5x5_e3_se", "none", "residual", "inverted_3x3_e6", "residual_half", "inverted_3x3_e3", "conv_3x3")
)
ARCHITECTURES = {"macro": EVERY_MACRO, "micro": EVERY_MICRO, "staged": EVERY_STAGED}
IMAGE_SHAPES = {"grey": (8, 8, 1), "odd_colour": (11, 9, 3)}

SMALL = macro("conv_3x3", ("sep_conv_3x3", 0), ("max_pool_3x3", 1))
# With 12 channels a 3×3 kernel has the 1,024 weights from which on TensorFlow rounds them to 8 bits.
CONFIG = TrainingConfig(FinalNetworkConfig(channels=12, normal_cells=1), RecipeConfig(epochs=1), DataConfig(), seed=3)


def make_network(architecture, image_shape, num_classes=10, channels=6, num_levels=None):
    """Returns a network whose variables all have values of their own."""
    levels = num_levels or architecture.num_levels
    shape = NetworkShape(image_shape, num_classes, channels, levels, normal_cells=1)
    network = Network(architecture, shape, VariableStore(seed=5))
    randomise(network)
    return network


def randomise(network):
    """Moves every offset, scale and statistic away from its initial value, and brings the scores to a size of one.

    Larger ones would make the softmax sure of one class, so that it would hide what differs.
    """
    rng = np.random.default_rng(1)
    for layer in network.layers.values():
        for variable in layer.weights:
            if variable.name in ("gamma", "moving_variance"):
                variable.assign(rng.uniform(0.5, 2.0, variable.shape))
            elif variable.name in ("beta", "moving_mean", "bias"):
                variable.assign(rng.normal(0, 0.5, variable.shape))
    scores = network(tf.constant(rng.normal(size=(16, *network.shape.image_shape)), tf.float32))
    for node in network.graph:
        if node.kind == "pooled_dense":
            kernel = network.layers[node.key].kernel
            kernel.assign(kernel / tf.math.reduce_std(scores))


def raw_images(image_shape, count=16):
    """Returns random raw pixels."""
    return np.random.default_rng(2).integers(0, 256, (count, *image_shape), np.uint8)


def digits():
    """Returns the digits."""
    return load(CONFIG.data, CONFIG.seed)


def train_digits(data, architecture=SMALL, config=CONFIG):
    """Returns a network trained on the digits for a few epochs."""
    network = Network(architecture, final_shape(architecture, describe_data(data), config.network), VariableStore(0))
    model = to_model(network)
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", jit_compile=False)
    keras.utils.set_random_seed(CONFIG.seed)  # Keras shuffles; without a seed TensorFlow refuses where it is to repeat
    model.fit((data.train.images - data.mean) / data.std, data.train.labels, epochs=4, batch_size=64, verbose=0)
    return network


def save_final(final_dir, network, description, config=CONFIG):
    """Writes the directory of a finished final training of a network."""
    keys = network.graph.keys
    store = VariableStore(config.seed)
    copy = Network(network.architecture, network.shape, store)
    for key in keys:
        copy.layers[key].set_weights(network.layers[key].get_weights())
    index, arrays = store.get_state()
    with TrainingDirectory(final_dir, config, (str(network.architecture),)) as directory:
        save_description(final_dir, description)
        directory.save_best(network.architecture)
        directory.append_record({"epoch": 1})
        directory.save_state({"store": index}, {STORE + name: array for name, array in arrays.items()})
