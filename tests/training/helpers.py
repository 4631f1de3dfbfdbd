"""Tiny trainings on the digits."""

import dataclasses
import functools
import json

import numpy as np
import tensorflow as tf

from epnas_tf.config import DataConfig, FinalNetworkConfig, RecipeConfig, TrainingConfig
from epnas_tf.data import TrainingPipeline, load
from epnas_tf.data.augmentation import Augmentation, Crop, Cutout, Mirror
from epnas_tf.data.loading import with_all_training_images
from epnas_tf.network import Network, VariableStore
from epnas_tf.seeds import EPOCH, derived_seed
from epnas_tf.space import NetworkShape
from epnas_tf.space.serialization import architecture_to_json
from epnas_tf.storage.state_files import StateFiles
from epnas_tf.training.network_training import NetworkTraining
from epnas_tf.training.optimizer import FinalOptimizer
from epnas_tf.training.schedule import learning_rate
from epnas_tf.training.trainer import train_final
from tests.network.architectures import macro, micro

SEED = 3
CHANNELS = 4
CHAIN = macro("conv_3x3", "sep_conv_3x3")
"""Two layers without a skip connection: no halving, and no path to drop."""
SKIPS = macro("conv_3x3", ("max_pool_3x3", 0), ("sep_conv_3x3", 0, 1))
CELL = micro(("conv_3x3", -2, "identity", -1), ("max_pool_3x3", 1, "sep_conv_3x3", -1))

PLAIN = RecipeConfig(
    epochs=2, batch_size=64, dropout_keep=1.0, drop_path_keep=1.0, auxiliary_weight=0.0, label_smoothing=0.0
)
"""A recipe that leaves the network as it is."""
DATA = DataConfig(train_images=200, crop_padding=1)
CONFIG = TrainingConfig(FinalNetworkConfig(CHANNELS, normal_cells=1), PLAIN, DATA, SEED)


def config(data=None, seed=SEED, **recipe):
    """Returns settings that differ from `CONFIG` in what is given."""
    return dataclasses.replace(
        CONFIG,
        recipe=dataclasses.replace(PLAIN, **recipe),
        data=dataclasses.replace(DATA, **(data or {})),
        seed=seed,
    )


@functools.cache
def digits():
    """Returns 200 images of digits, 20 of them to validate on, and 180 to test."""
    return load(DATA, SEED)


@functools.cache
def all_digits():
    """Returns the same digits, those to validate on among those to train on."""
    return with_all_training_images(digits())


def shape_of(architecture, data=None):
    """Returns the shape of the networks here."""
    data = data or digits()
    levels = len(getattr(architecture, "layers", ()) or architecture.blocks)
    return NetworkShape(data.image_shape, data.num_classes, CHANNELS, levels, normal_cells=1)


def with_cutout(data, side):
    return dataclasses.replace(data, augmentation=Augmentation((Crop(1), Mirror(0), Cutout(side))))


def make_training(architecture=CHAIN, data=None, cutout=0, seed=SEED, **recipe):
    """Returns a training, on all 200 images unless others are given."""
    data = with_cutout(data or all_digits(), cutout)
    recipe = dataclasses.replace(PLAIN, **recipe)
    return NetworkTraining(architecture, shape_of(architecture, data), data, recipe, seed)


@functools.cache
def pipeline(batch_size, cutout):
    return TrainingPipeline(with_cutout(all_digits(), cutout), batch_size, epochs=1)


def batches(recipe, epoch, cutout=0, seed=SEED):
    """Returns the batches of an epoch, from 0."""
    return pipeline(recipe.batch_size, cutout).batches(derived_seed(seed, EPOCH, epoch))


def plain_loop(architecture, recipe):
    """Trains the plain network step by step; returns its store, and summed losses and right answers of each epoch."""
    store = VariableStore(SEED)
    network = Network(architecture, shape_of(architecture), store)
    variables = [variable.value for variable in network.trainable_variables]
    optimizer = FinalOptimizer(recipe, network.trainable_variables)

    @tf.function(autograph=False)
    def step(images, labels, rate):
        with tf.GradientTape() as tape:
            scores = network(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
        optimizer.apply(tape.gradient(loss, variables), rate)
        return loss, tf.math.count_nonzero(tf.argmax(scores, axis=1, output_type=tf.int32) == labels)

    epochs, number = [], 0
    for epoch in range(recipe.epochs):
        losses, right = np.float32(0), 0
        for images, labels in batches(recipe, epoch):
            rate = learning_rate(tf.constant(number), len(batches(recipe, epoch)), recipe)
            loss, hits = step(images, labels, rate)
            losses, right, number = losses + loss.numpy(), right + int(hits), number + 1
        epochs.append((float(losses), right))
    return store, epochs


def assert_same_state(found, expected):
    """Checks that two stores hold the same layers, bit for bit."""
    (index, arrays), (expected_index, expected_arrays) = found.get_state(), expected.get_state()
    assert index == expected_index
    for name, array in expected_arrays.items():
        assert arrays[name].tobytes() == array.tobytes(), name


def layers_of(store):
    """Returns the variables of each layer, by its key."""
    index, _ = store.get_state()
    keys = [tuple(entry["key"]) for entry in index["layers"]]
    return store.snapshot(keys)


def architecture_file(folder, architecture, name="my.json"):
    """Writes an architecture and returns its file."""
    (folder / name).write_text(architecture_to_json(architecture))
    return str(folder / name)


def train(run_dir, settings=CONFIG, architecture=CHAIN, listener=None):
    """Trains an architecture of one's own in full; its file lies beside the run directory."""
    file = architecture_file(run_dir.parent, architecture, f"{run_dir.name}.json")
    return train_final(run_dir, settings, architecture_file=file, listener=listener)


FINISHED = config(
    {"cutout": 2},
    epochs=3,
    warmup_epochs=0.5,
    dropout_keep=0.8,
    drop_path_keep=0.6,
    auxiliary_weight=0.4,
    label_smoothing=0.1,
    mixup=0.5,
    cutmix=1.0,
    ema_decay=0.8,
)
"""The settings of the fixture `finished`, everything among them that is random or has a state."""


def history(final_dir):
    """Returns the lines of history.jsonl without their times."""
    lines = [json.loads(line) for line in (final_dir / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def metrics(final_dir):
    """Returns metrics.json without its time."""
    return {k: v for k, v in json.loads((final_dir / "metrics.json").read_text()).items() if k != "seconds"}


def checkpoint(final_dir):
    """Returns the newest checkpoint."""
    newest, problems = StateFiles(final_dir / "state", "epoch-").load()
    assert newest is not None
    assert not problems
    return newest


def assert_same_result(final_dir, expected_dir):
    """Checks that a final training ended like another, bit for bit, times apart, and left nothing lying about."""
    assert history(final_dir) == history(expected_dir)
    assert metrics(final_dir) == metrics(expected_dir)
    for name in ("architecture.json", "data.json"):
        assert (final_dir / name).read_bytes() == (expected_dir / name).read_bytes()
    ours, theirs = checkpoint(final_dir), checkpoint(expected_dir)
    assert ours.number == theirs.number
    assert ours.values["store"] == theirs.values["store"]
    assert ours.values["optimizer"] == theirs.values["optimizer"]
    assert ours.values.get("average") == theirs.values.get("average")
    averages = {"average.weights"} if "average" in theirs.values else set()
    assert ours.arrays.keys() == {"store.weights", "optimizer.slots"} | averages
    with np.load(final_dir / "test.npz") as found, np.load(expected_dir / "test.npz") as expected:
        pairs = [(found[name], expected[name]) for name in expected.files]
        assert found.files == expected.files
    for found, expected in [*pairs, *((ours.arrays[name], theirs.arrays[name]) for name in theirs.arrays)]:
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    files = {file.relative_to(final_dir).as_posix() for file in final_dir.rglob("*") if file.is_file()}
    expected_files = {file.relative_to(expected_dir).as_posix() for file in expected_dir.rglob("*") if file.is_file()}
    assert {f for f in files if not f.startswith("logs/")} == {f for f in expected_files if not f.startswith("logs/")}
