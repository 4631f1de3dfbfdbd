"""A whole trial (build, trace, train three epochs, validate, save), against KerasTuner over plain Keras networks.

python -m benchmarks.trial --layers=6 --turns=3
"""

import tempfile
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import tensorflow as tf
from absl import app, flags

from benchmarks.plain_keras import build_model
from benchmarks.turns import compare
from epnas_tf.config import ChildConfig, DataConfig
from epnas_tf.data import TrainingPipeline, evaluation_batches, load
from epnas_tf.network import NetworkShape, VariableStore
from epnas_tf.search.child import ChildTrainer
from epnas_tf.space import MacroSpace
from epnas_tf.storage.state_files import State, StateFiles

_LAYERS = flags.DEFINE_integer("layers", 6, "layers of the macro networks", lower_bound=1)
_CHANNELS = flags.DEFINE_integer("channels", 24, "channels of the networks", lower_bound=2)
_TURNS = flags.DEFINE_integer("turns", 3, "trials of each side", lower_bound=1)


def main(_: list[str]) -> None:
    space, config = MacroSpace(_LAYERS.value), ChildConfig()
    data = load(DataConfig(dataset="digits"), seed=0)
    shape = NetworkShape(data.image_shape, data.num_classes, _CHANNELS.value, space.num_levels)
    trainer = ChildTrainer(
        VariableStore(),
        shape,
        config,
        TrainingPipeline(data, config.batch_size, config.epochs, cutout=0),
        evaluation_batches(data.validation, data.mean, data.std),
    )
    # Both sides train the same architectures, in the same order.
    ours_rng, theirs_rng = np.random.default_rng(0), np.random.default_rng(0)
    parts = [((part.images - data.mean) / data.std, part.labels) for part in (data.train, data.validation)]

    def build(_: keras_tuner.HyperParameters) -> keras.Model:
        return build_model(space.sample(theirs_rng), shape)

    with tempfile.TemporaryDirectory() as folder:
        states = StateFiles(Path(folder) / "state", "after-")
        numbers = iter(range(10**6))

        def ours() -> None:
            trainer.train(space.sample(ours_rng), seed=0)
            states.save(State(next(numbers), *trainer.store.get_state()))

        def theirs() -> None:
            tuner = keras_tuner.RandomSearch(
                build, "val_accuracy", max_trials=1, directory=folder, project_name=f"trial_{next(numbers)}"
            )
            tuner.search(
                *parts[0], validation_data=parts[1], epochs=config.epochs, batch_size=config.batch_size, verbose=0
            )

        title = (
            f"a trial on digits, macro {_LAYERS.value} layers, {_CHANNELS.value} channels, TensorFlow {tf.__version__}"
        )
        compare(title, ours, theirs, _TURNS.value, "shared weights", "keras_tuner.RandomSearch")


if __name__ == "__main__":
    app.run(main)
