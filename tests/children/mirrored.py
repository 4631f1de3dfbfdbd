"""Trains a child on one device and on two of this process's own, and writes what came of each.

python -m tests.children.mirrored FOLDER   (a process of its own: logical devices are set before TensorFlow starts)
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from epnas_tf.children.child import child_store
from epnas_tf.config import ChildConfig
from epnas_tf.devices import mirrored_strategy
from epnas_tf.errors import ConfigError
from epnas_tf.nn import FusedBatchNormalization
from tests.children.children import digits, trainer
from tests.network.architectures import MACRO, MACRO_SHAPE

BATCH = 32


def train(mirrored, batch_size=BATCH):
    """Returns a child's result and the state of its store."""
    store = child_store(ChildConfig(mirrored=mirrored), 0)
    images, labels = digits()[0]
    part = (images[: 4 * batch_size], labels[: 4 * batch_size])
    one = trainer(store, MACRO_SHAPE, train=part, validation=digits()[1], batch_size=batch_size, mirrored=mirrored)
    result = dataclasses.asdict(one.train(MACRO, seed=0))
    index, arrays = store.get_state()
    return result, (index, arrays | one.optimizer.get_state()[1])


def normalise(inputs):
    """The output of batch norm for inputs [devices, batch, height, width, channels], and its moving variance."""
    strategy = mirrored_strategy()
    with strategy.scope():
        layer = FusedBatchNormalization()
        layer.build((None, None, None, inputs.shape[-1]))
    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(inputs[context.replica_id_in_sync_group])
    )
    outputs = tf.function(lambda: strategy.run(lambda part: layer(part, training=True), args=(parts,)))()
    return tf.stack(strategy.experimental_local_results(outputs)).numpy(), layer.moving_variance.numpy()


def main(folder):
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for mirrored in (False, True):
        result, (index, arrays) = train(mirrored)
        (folder / f"{mirrored}.json").write_text(json.dumps({"result": result, "index": index}))
        np.savez(folder / f"{mirrored}.npz", **arrays)
    far = np.random.default_rng(0).normal((30, 1000), (0.001, 0.1), (2, 16, 6, 6, 2)).astype(np.float32)
    outputs, variance = normalise(far)
    np.savez(folder / "far.npz", inputs=far, outputs=outputs, variance=variance)
    try:
        train(mirrored=True, batch_size=BATCH + 1)
    except ConfigError as error:
        (folder / "odd.txt").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
